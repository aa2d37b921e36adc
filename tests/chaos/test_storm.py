"""STK-03, 05, 07 and 09 at once: processes and the broker die at random while posts, good and bad, are under way.

OMBUD_CHAOS_POSTS and OMBUD_CHAOS_SEED repeat a run at another size or with another seed.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from shared.clock import monotonic
from shared.ids import post_id
from shared.streams import SERVICES
from tests.support import chatter
from tests.support.foreign import Bad, bad_entries, good_posts
from tests.support.ledger import Ledger
from tests.support.reckoning import everything_has_one_status, everything_was_scored_once
from tests.support.sender import Sender
from tests.support.storm import BROKER, Storm, plan
from tests.support.world import World

POSTS = int(os.environ.get("OMBUD_CHAOS_POSTS", "6000"))
SEED = int(os.environ.get("OMBUD_CHAOS_SEED", "1"))
KILLS, BROKER_KILLS = 20, 2


async def test_nothing_is_lost_or_doubled_while_services_and_the_broker_are_killed(world: Callable[..., World]) -> None:
    random, foreign, bad = Random(SEED), good_posts(SEED), bad_entries()
    posts = list(chatter.posts(SEED, POSTS - len(foreign)))
    sent = {post_id(chatter.PLATFORM, post["external_id"]): post["text"] for post in posts}
    texts = sent | {name: text for name, (text, _) in foreign.items()}
    assert len(texts) == POSTS
    by_hand = [*(each.entry for each in bad), *(entry for _, entry in foreign.values())]
    ombud = world()
    ombud.processes.start()
    await ombud.processes.ready()
    assert ombud.ledger.rows("trainer", "trainer_models") == 1
    blows = plan(random, POSTS, by_hand, kills=KILLS, broker_kills=BROKER_KILLS)
    storm = Storm(ombud.processes, ombud.broker, ombud.ledger, blows, random)

    started = monotonic()
    async with ombud.processes.client("ingest") as http, asyncio.TaskGroup() as tasks:
        sender = Sender(http, SEED, largest=max(20, min(300, POSTS // 100)))
        tasks.create_task(sender.send(posts, storm.room))
        tasks.create_task(storm.rage())
    over = monotonic()
    storm.supervise()
    await ombud.processes.ready()
    await ombud.quiet()
    report(storm, sender, ombud.ledger, over - started, monotonic() - started)

    await everybody_is_alive(ombud)
    assert storm.kills.total() == KILLS + BROKER_KILLS and storm.kills[BROKER] == BROKER_KILLS
    assert min(storm.kills[name] for name in SERVICES) >= 2
    assert storm.stranded.total() > 0, "no process had anything in hand when it died"
    everything_was_scored_once(ombud.ledger, texts)
    everything_has_one_status(ombud.ledger, texts)
    every_bad_entry_is_a_dead_letter(ombud.ledger, bad)
    assert not ombud.ledger.open_work()


async def everybody_is_alive(ombud: World) -> None:
    """Assert that no process needs another restart by its own account."""
    for name in SERVICES:
        async with ombud.processes.client(name) as http:
            answer = await http.get("/livez")
        assert answer.status_code == 200, f"{name}: {answer.text}"


def every_bad_entry_is_a_dead_letter(ledger: Ledger, bad: Sequence[Bad]) -> None:
    """Assert one letter with a reason per bad entry and group, and no letter of anything else."""
    letters = ledger.letters()
    for each in bad:
        found = sorted(letter.group for letter in letters if each.mark in letter.raw)
        assert found == sorted(each.groups), f"{each.mark!r}: {found}"
    assert len(letters) == sum(len(each.groups) for each in bad)
    assert all(letter.reason and letter.error for letter in letters)


def report(storm: Storm, sender: Sender, ledger: Ledger, storm_s: float, all_s: float) -> None:
    """Print what happened."""
    runs = ledger.ask("classifier", "SELECT sum(scored) FROM analysis_runs WHERE kind = 'live'")
    print(
        f"\nseed {SEED}: {POSTS} posts, storm {storm_s:.1f} s, quiet after {all_s:.1f} s ({POSTS / all_s:.0f} posts/s)"
    )
    print(f"  posts were held back {storm.waited_s:.1f} s until the next victim was up")
    print(f"  killed {dict(storm.kills)}; of itself ended {dict(storm.ended_alone)}")
    print(f"  in hand when killed {dict(storm.stranded)}; tried again {ledger.tried_again()}")
    print(
        f"  pieces sent again {sender.repeats}, posts known already {sender.known_already}, counted as run {runs[0][0]}"
    )
    print(f"  dead letters {dict(Counter(letter.group for letter in ledger.letters()))}")
