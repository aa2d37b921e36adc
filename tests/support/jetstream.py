"""A scripted Bluesky Jetstream on the loopback address that speaks both wires and keeps its log for replays.

What it refuses, clamps and closes follows the documentation of bluesky-social/jetstream; that it is understood is
proved with atproto's own client (tests/integration/test_jetstream_server.py).
"""

import asyncio
import contextlib
import http
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

NSID = "network.bsky.jetstream.subscribeEvents"
V1, V2 = "/subscribe", f"/xrpc/{NSID}"
PROTOCOL = Subprotocol("xrpc.v1.json")
POSTS = "app.bsky.feed.post"
KINDS = {"commit", "account", "identity", "sync"}
TIMES = 10**15
"""From here on a cursor is a time in microseconds."""
DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STEP = timedelta(milliseconds=1)
"""Time between two events, unless a test says otherwise."""
PIECE = 100


def did(n: int) -> str:
    """Return the n-th author."""
    return "did:plc:" + tid(EPOCH + timedelta(microseconds=n))[1:] + "a" * 12


def tid(at: datetime) -> str:
    """Return the revision or key a repository gives at a moment."""
    value = (at - EPOCH) // MICROSECOND << 10
    return "".join(DIGITS[value >> 5 * place & 31] for place in range(12, -1, -1))


def stamp(at: datetime) -> str:
    """Return a time as the network writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True)
class Said:
    """One event in the log; `garbage` goes over the wire as it is."""

    seq: int
    at: datetime
    kind: str
    did: str
    body: dict[str, Any] = field(default_factory=dict)
    garbage: bytes | None = None

    @property
    def time_us(self) -> int:
        return (self.at - EPOCH) // MICROSECOND

    def frame(self, wire: str) -> str | bytes:
        """Return the frame of this event."""
        if self.garbage is not None:
            return self.garbage
        if wire == V1:
            part = {key: value for key, value in self.body.items() if key != "cid" or value}
            whole = {"did": self.did, "time_us": self.time_us, "cursor": self.seq, "kind": self.kind, self.kind: part}
            return orjson.dumps(whole).decode()
        about = {"$type": f"{NSID}#{self.kind}", "seq": self.seq, "did": self.did, "time": stamp(self.at)}
        part = self.body if self.kind == "commit" else {self.kind: self.body}
        return orjson.dumps({"$type": "message", "payload": about | {"witnessedAt": stamp(self.at)} | part}).decode()


def note(kind: str, **values: Any) -> str:
    """Return a v2 frame without a place: `info` or `error`."""
    if kind == "error":
        return orjson.dumps({"$type": "error"} | values).decode()
    return orjson.dumps({"$type": "message", "payload": {"$type": f"{NSID}#{kind}"} | values}).decode()


@dataclass
class Asked:
    """What a client asked for when it connected."""

    wire: str
    words: dict[str, list[str]]
    agent: str | None

    @property
    def cursor(self) -> int | None:
        return int(self.words["cursor"][0]) if "cursor" in self.words else None

    def wants(self, said: Said) -> bool:
        """Return whether the filter lets an event through."""
        v1 = self.wire == V1
        collections = self.words.get("wantedCollections" if v1 else "collections")
        dids = self.words.get("wantedDids" if v1 else "dids")
        kinds = None if v1 else self.words.get("kinds")
        if said.garbage is not None:
            return True
        return (
            not (v1 and said.kind == "sync")
            and (not dids or said.did in dids)
            and (not kinds or said.kind in kinds)
            and (said.kind != "commit" or not collections or said.body["collection"] in collections)
        )


class Jetstream:
    """The log, who listens, and what goes wrong on purpose."""

    def __init__(self, began: datetime) -> None:
        self.log: list[Said] = []
        self.asked: list[Asked] = []
        self.sent = 0
        self.floor = 1
        self.pause_s = 0.0
        self.refuse: tuple[int, str] | None = None
        self.port = 0
        self._now = began
        self._more = asyncio.Condition()
        self._open: set[ServerConnection] = set()
        self._hung: set[ServerConnection] = set()

    def url(self, wire: str) -> str:
        """Return the address of a wire (V1 or V2)."""
        return f"ws://127.0.0.1:{self.port}{wire}"

    # -- what happens on the network ----------------------------------------------------------------------------

    def say(self, kind: str, who: str, body: dict[str, Any], *, after: timedelta = STEP) -> Said:
        """Append an event; listeners hear of it with the next `publish`."""
        self._now += after
        self.log.append(Said(len(self.log) + 1, self._now, kind, who, body))
        return self.log[-1]

    def commit(
        self,
        who: str,
        operation: str,
        rkey: str,
        text: str = "",
        *,
        collection: str = POSTS,
        after: timedelta = STEP,
        **record: Any,
    ) -> Said:
        """Append a change of one record."""
        then = self._now + after
        body: dict[str, Any] = {"rev": tid(then), "operation": operation, "collection": collection, "rkey": rkey}
        if operation != "delete":
            body["cid"] = "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi"
            body["record"] = {"$type": collection, "createdAt": stamp(then), "langs": ["en"], "text": text} | record
        return self.say("commit", who, body, after=after)

    def account(self, who: str, active: bool, status: str | None = None) -> Said:
        """Append a change of an account."""
        later = self._now + STEP
        body = {"active": active, "did": who, "seq": 9_000_000 + len(self.log), "time": stamp(later)}
        return self.say("account", who, body | ({"status": status} if status else {}))

    def identity(self, who: str) -> Said:
        """Append a change of a handle."""
        body = {"did": who, "handle": "somebody.example", "seq": 9_000_000, "time": stamp(self._now)}
        return self.say("identity", who, body)

    def sync(self, who: str) -> Said:
        """Append that a repository diverged."""
        later = stamp(self._now)
        return self.say("sync", who, {"did": who, "seq": 9_000_000, "rev": tid(self._now), "time": later, "blocks": ""})

    def garbage(self, raw: bytes) -> None:
        """Append a frame that no host should send."""
        self.say("garbage", "", {}).garbage = raw

    async def publish(self) -> None:
        """Let everybody hear what was appended."""
        async with self._more:
            self._more.notify_all()

    # -- what goes wrong ----------------------------------------------------------------------------------------

    async def close(self, code: int) -> None:
        """End every connection with a code."""
        for connection in list(self._open):
            await connection.close(code)

    async def fail(self, error: str) -> None:
        """Send every v2 listener an error frame and end its connection."""
        for connection in list(self._open):
            with contextlib.suppress(ConnectionClosed):
                await connection.send(note("error", error=error, message="on purpose"))
            await connection.close()

    def hang(self) -> None:
        """Let every connection stay open and never answer again, as behind a dead link."""
        for connection in self._open:
            connection.transport.pause_reading()
        self._hung |= self._open
        self._open.clear()

    def hang_up(self) -> None:
        """Cut what hangs."""
        for connection in self._hung:
            connection.transport.abort()

    @property
    def listeners(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

    # -- the wire -----------------------------------------------------------------------------------------------

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what a host refuses before the upgrade."""
        parts = urlsplit(request.path)
        words = parse_qs(parts.query)
        if self.refuse is not None:
            return refusal(*self.refuse)
        if parts.path not in (V1, V2):
            return refusal(404, "NotFound")
        asked = Asked(parts.path, words, request.headers.get("User-Agent"))
        self.asked.append(asked)
        if parts.path == V2:
            kinds = set(words.get("kinds", ()))
            if {"wantedCollections", "wantedDids"} & words.keys() or kinds - KINDS:
                return refusal(400, "InvalidRequest")
            if words.get("collections") and kinds and "commit" not in kinds:
                return refusal(400, "InvalidRequest")
            if asked.cursor is not None and asked.cursor < min(self.floor, TIMES):
                return refusal(400, "CursorTooOld")
        return None

    async def serve(self, connection: ServerConnection) -> None:
        """Send a listener what it asked for, then what happens."""
        assert connection.request is not None
        parts = urlsplit(connection.request.path)
        asked = Asked(parts.path, parse_qs(parts.query), None)
        begin = self._start(asked)  # before anybody sees that it listens: what happens from then on is sent
        self._open.add(connection)
        sending = asyncio.create_task(self._send(connection, asked, *begin))
        try:
            async for _ in connection:
                if asked.wire == V2:  # push only: whoever speaks is shown the door
                    await connection.close(1008)
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._open.discard(connection)

    async def _send(self, connection: ServerConnection, asked: Asked, place: int, notice: str | None) -> None:
        if notice is not None and asked.wire == V2:
            await connection.send(note("info", name=notice, message="on purpose"))
        while True:
            while piece := self.log[place : place + PIECE]:
                for said in piece:
                    if asked.wants(said):
                        await connection.send(said.frame(asked.wire))
                        self.sent += 1
                await asyncio.sleep(self.pause_s)
                place += len(piece)  # what happened in the meantime comes next
            async with self._more:
                await self._more.wait_for(lambda place=place: len(self.log) > place)  # type: ignore[misc]

    def _start(self, asked: Asked) -> tuple[int, str | None]:
        """Return the index to begin at, and the notice that says it is not the one that was asked for."""
        cursor, tip = asked.cursor, len(self.log)
        if cursor is None:
            return tip, None
        oldest = self.floor - 1
        if cursor < TIMES:
            return (tip, "FutureCursor") if cursor > tip + 1 else (max(cursor - 1, oldest), None)
        found = next((index for index, said in enumerate(self.log) if said.time_us >= cursor), tip)
        return max(found, oldest), "OutdatedCursor" if found < oldest else None


def refusal(status: int, error: str) -> Response:
    """Return a refusal as XRPC writes it."""
    body = orjson.dumps({"error": error, "message": "on purpose"})
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    return Response(status, http.HTTPStatus(status).phrase, headers, body)


@asynccontextmanager
async def jetstream(began: datetime | None = None, port: int = 0) -> AsyncIterator[Jetstream]:
    """Yield a running Jetstream whose first event happens at `began`, by default an hour ago."""
    made = Jetstream(began or datetime.now(UTC) - timedelta(hours=1))

    def choose(_: ServerConnection, offered: Any) -> Subprotocol | None:
        return PROTOCOL if PROTOCOL in offered else None

    server: Server
    async with serve(
        made.serve,
        "127.0.0.1",
        port,
        process_request=made.answer,
        select_subprotocol=choose,
        compression=None,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made
        made.hang_up()


class Background:
    """A Jetstream in a thread of its own, for tests that come and go while it lasts."""

    def __init__(self, script: Jetstream, loop: asyncio.AbstractEventLoop) -> None:
        self.script = script
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in its thread and return the result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def happen(self, *says: Callable[[Jetstream], Any]) -> None:
        """Let several things happen at once and be heard."""

        async def all_of_them() -> None:
            for say in says:
                say(self.script)
            await self.script.publish()

        self.run(all_of_them())


@contextmanager
def background() -> Iterator[Background]:
    """Yield a Jetstream that runs in a thread."""
    ready, over = threading.Event(), asyncio.Event()
    made: list[Background] = []

    async def live() -> None:
        async with jetstream() as script:
            made.append(Background(script, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(live(),), name="jetstream")
    thread.start()
    assert ready.wait(30)
    yield made[0]
    made[0]._loop.call_soon_threadsafe(over.set)
    thread.join(30)
