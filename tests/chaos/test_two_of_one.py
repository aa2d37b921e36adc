"""Two processes of one service share its work, and when one is killed the other one takes over what it held."""

import asyncio
import re
from collections.abc import Callable

from shared.ids import post_id
from tests.support import chatter
from tests.support.ombud import Processes
from tests.support.sender import Sender
from tests.support.servers import eventually
from tests.support.world import World

POSTS = 4000
PAIR = ("classifier", "classifier@2")


async def scored_by(processes: Processes, name: str) -> int:
    """Return how many posts a process says it has scored."""
    async with processes.client(name) as http:
        found = re.findall(r"^ombud_classifier_scored_posts_total\{.*} (\S+)", (await http.get("/metrics")).text, re.M)
    return int(sum(map(float, found)))


async def test_two_classifiers_share_the_work_and_either_may_die(world: Callable[..., World]) -> None:
    ombud = world()
    ombud.processes.start("ingest", *PAIR)
    await ombud.processes.ready("ingest", *PAIR)
    async with ombud.processes.client("ingest") as http, asyncio.TaskGroup() as tasks:
        tasks.create_task(Sender(http, largest=100).send(chatter.posts(1, POSTS)))
        await eventually(lambda: ombud.ledger.length("posts.scored") > POSTS // 2, 60, every=0.01)
        shares = [await scored_by(ombud.processes, name) for name in PAIR]
        ombud.processes.kill("classifier@2")
    wanted = sorted(post_id(chatter.PLATFORM, post["external_id"]) for post in chatter.posts(1, POSTS))
    await ombud.quiet()
    assert min(shares) > 0.1 * sum(shares), f"not shared: {shares}"
    said = ombud.ledger.events("posts.scored")
    assert sorted(event["data"]["post"]["post_id"] for event in said) == wanted
    assert len({event["id"] for event in said}) == POSTS
    assert sorted(name for (name,) in ombud.ledger.ask("classifier", "SELECT post_id FROM toxicity_scores")) == wanted
    assert ombud.ledger.letters() == []
    print(f"\nshares when one was killed: {shares}; taken over {ombud.ledger.tried_again()}")
