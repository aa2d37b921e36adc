"""Webhooks over HTTP with real processes: nothing is lost when the reporter is killed, and only admins decide."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest

from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from tests.support.commands import ombud as run_ombud
from tests.support.commands import succeeds
from tests.support.doors import problem
from tests.support.feed import scored
from tests.support.ombud import Processes
from tests.support.receiver import Receiver
from tests.support.servers import Broker, eventually

EVENTS, KILLS = 400, 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for this file."""
    made = Broker(tmp_path_factory.mktemp("broker"), fsync="always").start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ombud(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Processes]:
    """Ingest, which knows the keys, and the reporter, each in a process; the reporter is in a hurry."""
    running = Processes(
        tmp_path_factory.mktemp("data"),
        broker.url,
        reporter_webhook_private_networks=True,
        reporter_webhook_timeout_s=3,
        reporter_webhook_pauses_s="[0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1]",
    )
    running.start("ingest", "reporter")
    asyncio.run(running.ready("ingest", "reporter"))
    yield running
    running.terminate()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who listens."""
    made = Receiver()
    with made.server:
        yield made


async def test_nothing_is_lost_and_order_is_kept_though_the_reporter_is_killed(
    ombud: Processes, broker: Broker, receiver: Receiver
) -> None:
    random = Random(7)
    said = [scored(n) for n in range(EVENTS)]
    async with ombud.client("reporter") as http:
        made = await http.post("/v1/webhooks", json={"url": receiver.url, "streams": ["posts.scored"]})
        assert made.status_code == 201, made.text
        redis = connect(broker.url)
        publisher = Publisher(redis, BusSettings())
        for begin, end in pairwise([0, 100, 200, 300, EVENTS]):
            await publisher.publish_many(said[begin:end])
            if begin // 100 < KILLS:
                wanted = begin + random.randrange(5, 80)
                await eventually(lambda wanted=wanted: len(receiver.ids) >= wanted, 180)
                ombud.kill("reporter")
                ombud.start("reporter")
        await redis.aclose()
        await ombud.ready("reporter")
        await eventually(lambda: len(receiver.ids) >= EVENTS, 180)
        receiver.verify(made.json()["secret"])
        assert receiver.ids == [event.id for event in said]
        again = len(receiver.taken) - EVENTS
        assert again <= 20 * KILLS  # what was posted and not yet noted, under the same id
        (await http.delete(f"/v1/webhooks/{made.json()['id']}")).raise_for_status()


async def test_a_webhook_is_made_read_paused_tested_and_removed_and_its_secret_is_shown_once(
    ombud: Processes, broker: Broker, receiver: Receiver
) -> None:
    async with ombud.client("reporter") as http:
        made = await http.post(
            "/v1/webhooks", json={"url": receiver.url, "streams": ["posts.scored"], "description": "our wiki"}
        )
        webhook_id, secret = made.json()["id"], made.json()["secret"]
        assert (made.json()["state"], made.json()["text"], made.json()["queued"]) == ("active", False, 0)
        listed = await http.get("/v1/webhooks")
        assert [each["description"] for each in listed.json()] == ["our wiki"]
        assert secret.startswith("whsec_") and secret not in listed.text
        assert secret not in (await http.get(f"/v1/webhooks/{webhook_id}")).text
        tested = (await http.post(f"/v1/webhooks/{webhook_id}/test")).json()
        assert tested == {"status": 200, "taken": True, "reason": None}
        paused = (await http.patch(f"/v1/webhooks/{webhook_id}", json={"paused": True})).json()
        assert (paused["state"], paused["reason"], paused["secret"]) == ("paused", "paused by hand", None)
        redis = connect(broker.url)
        event = scored(1_000)
        await Publisher(redis, BusSettings()).publish_many([event])
        await redis.aclose()
        await eventually(lambda: _count(http, webhook_id, "queued", 1))
        assert len(receiver.got) == 1
        await http.patch(f"/v1/webhooks/{webhook_id}", json={"paused": False})
        await eventually(lambda: receiver.ids[-1] == event.id)
        await eventually(lambda: _count(http, webhook_id, "queued", 0))
        page = (await http.get(f"/v1/webhooks/{webhook_id}/deliveries", params={"state": "delivered"})).json()
        assert [each["event_id"] for each in page["deliveries"]] == [event.id] and page["next"] is None
        assert (await http.delete(f"/v1/webhooks/{webhook_id}")).status_code == 204
        problem(await http.get(f"/v1/webhooks/{webhook_id}"), 404, "not_found")
        assert secret not in ombud.log("reporter")


async def _count(http, webhook_id: str, state: str, wanted: int) -> bool:  # type: ignore[no-untyped-def]
    return bool((await http.get(f"/v1/webhooks/{webhook_id}")).json()[state] == wanted)


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"url": "ftp://example.org", "streams": ["posts.scored"]}, "url_refused", "url"),
        ({"url": "http://example.org", "streams": []}, "too_short", "streams"),
        ({"url": "http://example.org", "streams": ["posts.eaten"]}, "literal_error", "streams.0"),
        ({"url": "http://example.org", "streams": ["posts.scored"], "secret": "x"}, "extra_forbidden", "secret"),
    ],
)
async def test_a_webhook_that_cannot_be_meant_is_refused(
    body: dict[str, object], reason: str, field: str, ombud: Processes
) -> None:
    async with ombud.client("reporter") as http:
        problem(await http.post("/v1/webhooks", json=body), 422, reason, field)


async def test_the_command_line_lists_pauses_resumes_redrives_and_tests(ombud: Processes, receiver: Receiver) -> None:
    where, known = {"public_url": f"http://127.0.0.1:{ombud.ports['reporter']}"}, ombud.data_dir
    async with ombud.client("reporter") as http:
        made = await http.post("/v1/webhooks", json={"url": receiver.url, "streams": ["posts.scored"]})
        webhook_id = made.json()["id"]
        await succeeds("webhooks", "pause", webhook_id[:8], data_dir=known, **where)
        assert (await http.get(f"/v1/webhooks/{webhook_id}")).json()["state"] == "paused"
        assert "paused by hand" in await succeeds("webhooks", "list", data_dir=known, **where)
        for command, says in (("redrive", "0 dead"), ("test", "answered 200"), ("resume", "is active")):
            assert says in await succeeds("webhooks", command, webhook_id[:8], data_dir=known, **where)
        unknown = await run_ombud("webhooks", "test", "nothing", data_dir=known, **where)
        assert unknown.returncode == 2
