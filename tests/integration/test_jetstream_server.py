"""The scripted Jetstream is a Jetstream: atproto's own client understands it, and fails where it should."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from atproto import AsyncJetstreamClient
from atproto_jetstream.exceptions import (
    JetstreamConsumerTooSlowError,
    JetstreamCursorTooOldError,
    JetstreamError,
)

from tests.support.jetstream import V1, V2, Jetstream, did, jetstream
from tests.support.servers import eventually

POSTS = ["app.bsky.feed.post"]


class Listener:
    """atproto's client, and what it heard."""

    def __init__(self, server: Jetstream, **params: Any) -> None:
        base = server.url(V2).removesuffix("/network.bsky.jetstream.subscribeEvents")
        wanted: Any = {"kinds": ["commit", "account"], "collections": POSTS} | params
        self.client = AsyncJetstreamClient(wanted, base_uri=base, compress=False)
        self.heard: list[Any] = []
        self._task = asyncio.create_task(self.client.start(self._hear))

    async def _hear(self, message: Any) -> None:
        self.heard.append(message)

    def words(self) -> list[str]:
        """Return what each message is, in short."""
        return [getattr(each, "operation", None) or each.py_type.partition("#")[2] for each in self.heard]

    async def __aenter__(self) -> "Listener":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.stop()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def failure(self) -> BaseException | None:
        """Wait until the client gives up and return why."""
        async with asyncio.timeout(10):
            await asyncio.wait([self._task])
        return self._task.exception()


async def spoken(server: Jetstream, *says: Callable[[], Any]) -> None:
    """Let things happen and be heard."""
    for say in says:
        say()
    await server.publish()


async def test_atproto_parses_creates_updates_deletes_accounts_and_notices() -> None:
    async with jetstream() as server:
        server.commit(did(1), "create", "3k1", "Goal!")
        server.commit(did(1), "update", "3k1", "Nice goal!")
        server.commit(did(1), "create", "3k2", collection="app.bsky.feed.like")
        server.identity(did(1))
        server.commit(did(1), "delete", "3k1")
        server.account(did(1), False, "deleted")
        server.floor = 2
        earlier = server.log[0].time_us
        async with Listener(server, cursor=earlier) as listener:
            await eventually(lambda: len(listener.heard) == 4)
            assert listener.words() == ["info", "update", "delete", "account"]
            assert listener.heard[0].name == "OutdatedCursor"
            assert listener.heard[1].record.text == "Nice goal!"
            assert (listener.heard[2].record, listener.heard[3].account.status) == (None, "deleted")
            assert listener.client.cursor == 6


async def test_atproto_comes_back_after_1012_and_drops_the_repetition() -> None:
    async with jetstream() as server, Listener(server) as listener:
        await eventually(lambda: server.listeners == 1)
        await spoken(server, lambda: server.commit(did(1), "create", "3k1", "one"))
        await eventually(lambda: len(listener.heard) == 1)
        await server.close(1012)
        await eventually(lambda: len(server.asked) == 2)
        assert server.asked[1].cursor == 1
        await spoken(server, lambda: server.commit(did(1), "create", "3k2", "two"))
        await eventually(lambda: len(listener.heard) == 2)
        assert [each.seq for each in listener.heard] == [1, 2]


async def test_what_happens_while_a_replay_is_sent_is_sent_after_it() -> None:
    async with jetstream() as server:
        server.commit(did(1), "create", "3k1", "one")
        server.pause_s = 0.2  # after the piece, so that the second post happens before the server looks up
        async with Listener(server, cursor=1) as listener:
            await eventually(lambda: listener.heard)
            await spoken(server, lambda: server.commit(did(1), "create", "3k2", "two"))
            await eventually(lambda: len(listener.heard) == 2)
            assert [each.seq for each in listener.heard] == [1, 2]


async def test_atproto_stops_for_good_after_1000() -> None:
    async with jetstream() as server, Listener(server) as listener:
        await eventually(lambda: server.listeners == 1)
        await server.close(1000)
        assert await listener.failure() is None
        assert len(server.asked) == 1


async def test_atproto_is_told_that_its_cursor_is_too_old() -> None:
    async with jetstream() as server:
        for n in range(9):
            server.commit(did(1), "create", f"3k{n}", "words")
        server.floor = 5
        async with Listener(server, cursor=1) as listener:
            assert isinstance(await listener.failure(), JetstreamCursorTooOldError)


async def test_atproto_is_told_that_it_is_too_slow() -> None:
    async with jetstream() as server, Listener(server) as listener:
        await eventually(lambda: server.listeners == 1)
        await server.fail("ConsumerTooSlow")
        await eventually(lambda: len(server.asked) == 2)  # its own rule: this one error is worth another try
        assert issubclass(JetstreamConsumerTooSlowError, JetstreamError)
        assert not listener.heard


async def test_atproto_refuses_a_filter_that_no_host_takes() -> None:
    async with jetstream() as server:
        with pytest.raises(JetstreamError):
            Listener(server, kinds=["account"])
        assert not server.asked


async def test_a_host_refuses_names_of_the_other_wire_and_unknown_paths() -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async with jetstream() as server:
        for address in (
            server.url(V2) + "?wantedDids=did:plc:a",
            server.url(V2) + "?kinds=likes",
            server.url(V2) + "?kinds=account&collections=a.b.c",
            server.url("/elsewhere"),
        ):
            with pytest.raises(InvalidStatus):
                await connect(address)
        async with connect(server.url(V1)):  # without a subprotocol, as v1 clients come
            pass
