"""STK-10: a broker that lost everything is noticed, made ready again and counted as a loss; nobody has to restart."""

import asyncio
import re
from collections.abc import Callable

import httpx

from shared.clock import monotonic
from shared.ids import post_id
from shared.streams import SERVICES
from tests.support import chatter
from tests.support.sender import Sender
from tests.support.servers import eventually
from tests.support.world import World

RECOVERY_S = 15
QUESTIONS = {
    "ingest": "/v1/keys",
    "classifier": "/v1/analysis-runs",
    "trainer": "/v1/runs",
    "auditor": "/v1/statuses",
    "reporter": "/v1/reports",
}
"""A route of each service that asks for a key."""


async def test_an_emptied_broker_is_noticed_and_what_comes_afterwards_is_handled(world: Callable[..., World]) -> None:
    ombud = world()
    ombud.processes.start()
    await ombud.processes.ready()
    pids = {name: ombud.processes.pid(name) for name in SERVICES}
    async with ombud.processes.client("ingest") as http:
        sending = asyncio.create_task(Sender(http).send(chatter.posts(1, 2000)))
        await eventually(lambda: ombud.ledger.length("posts.scored") > 200)
        ombud.ledger.redis.flushall()
        emptied = monotonic()
        await asyncio.wait([sending])  # may well be refused: its key is gone
        sending.exception()
        for name in SERVICES:
            await eventually(lambda name=name: _works(ombud, name), RECOVERY_S)
        recovered = monotonic() - emptied
        assert recovered < RECOVERY_S

        after = list(chatter.posts(2, 600))
        await Sender(http, largest=50).send(after)
    await ombud.quiet()
    wanted = {post_id(chatter.PLATFORM, post["external_id"]) for post in after}
    said = [event["data"]["post"]["post_id"] for event in ombud.ledger.events("posts.scored")]
    assert sorted(each for each in said if each in wanted) == sorted(wanted)
    shown = ombud.ledger.ask("reporter", "SELECT post_id FROM reporter_posts WHERE status IS NOT NULL AND text <> ''")
    assert wanted <= {name for (name,) in shown}
    assert ombud.ledger.letters() == []

    assert {name: ombud.processes.pid(name) for name in SERVICES if ombud.processes.alive(name)} == pids
    lost = 0.0
    for name in SERVICES:
        async with ombud.processes.client(name) as http:
            assert (await http.get("/livez")).status_code == 200
            lost += sum(map(float, re.findall(r"^ombud_bus_lost_events_total\{.*} (\S+)", (await metrics(http)), re.M)))
    assert lost > 0
    print(f"\nworked again {recovered:.1f} s after the broker was emptied; {lost:.0f} groups counted as lost")


async def metrics(http: httpx.AsyncClient) -> str:
    """Return a service's metrics."""
    return (await http.get("/metrics")).text


async def _works(ombud: World, name: str) -> bool:
    async with ombud.processes.client(name) as http:
        answers = [await http.get(path) for path in ("/livez", "/readyz", QUESTIONS[name])]
    return [answer.status_code for answer in answers] == [200, 200, 200]
