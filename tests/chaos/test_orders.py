"""STK-19 and STK-04: services come up in any order and go down under load, and nothing waits for anybody's timeout."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from shared.ids import post_id
from shared.streams import SERVICES
from tests.support import chatter
from tests.support.ledger import Ledger
from tests.support.sender import Sender
from tests.support.servers import eventually
from tests.support.world import World


def everybody_knows(ledger: Ledger, seed: int, count: int) -> None:
    """Assert that every post of a seed was scored once and has a status with the auditor and the reporter."""
    wanted = sorted(post_id(chatter.PLATFORM, post["external_id"]) for post in chatter.posts(seed, count))
    assert sorted(event["data"]["post"]["post_id"] for event in ledger.events("posts.scored")) == wanted
    assert sorted(name for (name,) in ledger.ask("classifier", "SELECT post_id FROM toxicity_scores")) == wanted
    assert sorted(name for (name,) in ledger.ask("auditor", "SELECT post_id FROM auditor_statuses")) == wanted
    shown = "SELECT post_id FROM reporter_posts WHERE status IS NOT NULL AND overall IS NOT NULL"
    assert sorted(name for (name,) in ledger.ask("reporter", shown)) == wanted
    assert ledger.letters() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_services_may_start_in_any_order(seed: int, empty_world: Callable[..., World]) -> None:
    random, ombud = Random(seed), empty_world()
    order = random.sample(SERVICES, len(SERVICES))
    print(f"\n{' '.join(order)}")
    async with ombud.processes.client("ingest") as http, asyncio.TaskGroup() as tasks:
        tasks.create_task(Sender(http, seed, largest=40).send(chatter.posts(seed, 300)))
        for name in order:
            ombud.processes.start(name)
            await asyncio.sleep(random.uniform(0, 2))
    await ombud.processes.ready()
    await ombud.quiet(1)
    everybody_knows(ombud.ledger, seed, 300)


async def test_a_stop_under_load_is_orderly_and_strands_nothing(world: Callable[..., World]) -> None:
    posts = 4000
    ombud = world(bus_reclaim_idle_s=600)  # what a stop stranded would stay so for ten minutes
    ombud.processes.start()
    await ombud.processes.ready()
    async with ombud.processes.client("ingest") as http, asyncio.TaskGroup() as tasks:
        tasks.create_task(Sender(http, largest=100).send(chatter.posts(1, posts)))
        await eventually(lambda: ombud.ledger.length("posts.scored") > 500, 60, every=0.01)
        codes = await asyncio.to_thread(ombud.processes.terminate, within=25)
        assert codes == dict.fromkeys(SERVICES, 0)
        assert ombud.ledger.length("posts.scored") < posts, "it was over before the stop"
        assert ombud.ledger.pending() == 0
        ombud.processes.start()
    await ombud.processes.ready()
    await ombud.quiet(1)
    everybody_knows(ombud.ledger, 1, posts)
