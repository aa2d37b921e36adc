"""`python -m tests.chaos.compose`: faults happen to every container of docker-compose.yml under load; prints a page.

Options: `--posts` and `--seed` size and steer it, `--only PATTERN` keeps the faults whose name it is found in,
`--page FILE` writes the page. Needs Docker on this machine.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shared.clock import monotonic, utcnow
from shared.ids import post_id
from tests.support import chatter
from tests.support.compose import Compose, docker_answers
from tests.support.containers import ContainerLedger
from tests.support.faults import CLOCKS, LLM, RECLAIM_IDLE_S, WHOLE, Fault, Faults, project
from tests.support.gale import Episode, Gale
from tests.support.ombud import KEY
from tests.support.openai_server import OpenAiServer
from tests.support.reckoning import everything_agrees, everything_has_one_status, everything_was_scored_once

POSTS, SEED = 50_000, 1
DISK_MB = 1536
LLM_TAKES_S = 5.0
Choice = Callable[[Faults], Sequence[Fault]]


async def run(
    folder: Path, posts: int, seed: int, choice: Choice, *, llm: bool = False, disk_mb: int = DISK_MB
) -> Gale:
    """Let the chosen faults happen one after another and check that nothing was lost or doubled.

    The LLM comes last: posts that it was asked about have more than one score, so they are judged by themselves.
    """
    override = project(disk_mb)
    compose = Compose(folder, json.dumps(override), OMBUD_BOOTSTRAP_KEY=KEY)
    faults = Faults(compose, folder, override)
    sent = list(chatter.posts(seed, posts))
    texts = {post_id(chatter.PLATFORM, post["external_id"]): post["text"] for post in sent}
    try:
        compose.up()
        ledger = ContainerLedger(compose)
        gale = Gale(compose.url, ledger, faults.container, seed)
        chosen = list(choice(faults))
        shares = len(chosen) + llm
        for n, fault in enumerate(chosen):
            tell(await gale.blow(fault, sent[n * posts // shares : (n + 1) * posts // shares]))
        rest = sent[len(chosen) * posts // shares :]
        for post in rest:
            del texts[post_id(chatter.PLATFORM, post["external_id"])]
        everything_was_scored_once(ledger, texts)
        everything_has_one_status(ledger, texts)
        assert not ledger.letters()
        if llm:
            with OpenAiServer(latency_s=LLM_TAKES_S, host="0.0.0.0") as api:  # noqa: S104 - a container has to reach it
                tell(await gale.blow(faults.slow_llm(f"http://host.docker.internal:{api.port}/v1"), rest))
                assert api.requests, "the LLM was never asked"
            everything_agrees(ledger, texts | {post_id(chatter.PLATFORM, p["external_id"]): p["text"] for p in rest})
        assert not gale.without_pause, f"refused without Retry-After: {dict(gale.without_pause)}"
        return gale
    except BaseException:
        (folder / "containers.log").write_text(compose.run("logs", "--no-color", "--timestamps"))
        raise
    finally:
        compose.down()


def tell(episode: Episode) -> None:
    """Print one line as soon as it is known."""
    print(" | ".join(cells(episode)), flush=True)


def cells(episode: Episode) -> list[str]:
    """Return what the page says of one fault."""
    refused = ", ".join(f"{count} x {what}" for what, count in sorted((+episode.refused).items()))
    restarted = ", ".join(f"{name} {count}" for name, count in sorted((+episode.restarted).items()))
    return [
        f"{episode.fault.victim}: {episode.fault.what}",
        f"{episode.held_s:.0f}",
        f"{episode.posts:,}",
        f"{episode.accepted:,}",
        refused or "none",
        f"{episode.recovery_s:.1f}",
        restarted or "none",
    ]


def page(gale: Gale, posts: int, seed: int, took_s: float) -> str:
    """Return the page of results."""
    heads = [
        "fault",
        "held s",
        "posts sent",
        "accepted while it lasted",
        "refused or not answered",
        "recovery s",
        "restarts",
    ]
    rows = [heads, ["---"] * len(heads), *map(cells, gale.episodes)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    slowest = max(gale.episodes, key=lambda each: each.recovery_s)
    refusals: Counter[str] = sum((each.refused for each in gale.episodes), Counter())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    whole = posts >= POSTS and len(gale.episodes) == WHOLE
    missing = ", ".join(sorted({CLOCKS, LLM} - {each.fault.what for each in gale.episodes})) or "some of both"
    scope = f"**This was no whole run**, which has {WHOLE} faults and {POSTS:,} posts. It left out: {missing}.\n"
    return PAGE.format(
        scope="" if whole else scope,
        day=utcnow().date().isoformat(),
        machine=f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.machine()}, Docker on the same machine",
        load=os.getloadavg()[2],
        posts=posts,
        seed=seed,
        minutes=took_s / 60,
        faults=len(gale.episodes),
        slowest=f"{slowest.fault.victim}, {slowest.fault.what}: {slowest.recovery_s:.1f} s",
        refused=sum(refusals.values()),
        idle=RECLAIM_IDLE_S,
        table=table,
    )


PAGE = """# Chaos over compose

Written by `python -m tests.chaos.compose`, not by hand. Every container of `docker-compose.yml` is paused, killed with
-9 and cut off from its networks while posts keep coming through the gateway; the broker's disk fills up; clocks
disagree; an LLM takes longer than anybody waits.
{scope}The table says what happened this time.

**{posts:,} posts, {faults} faults, seed {seed}: nothing lost, nothing doubled.** Each post has one row of scores, one
`posts.scored` with its text unchanged, one status, one step of history said once, and the reporter's read model
agrees; no dead letters. (Posts of the LLM's fault may have a second word, the LLM's; theirs are checked to be said
once per word.) The platform that sends repeats what was refused or not answered: {refused:,} times here, every
refusal with a `Retry-After`. Slowest recovery: {slowest}.

| | |
|---|---|
| date | {day} |
| machine | {machine}; load of the last 15 minutes {load:.1f} |
| took | {minutes:.0f} minutes |
| settings | as delivered, but for `OMBUD_BUS_RECLAIM_IDLE_S={idle}` (usual: 60) and no training |

*Recovery* runs from the end of the fault (for a kill: from two seconds after it) until every post sent so far was
handled by every group, late repetitions of the sender included; it contains the time the engine and the process take
to start. What a killed process held comes back after `OMBUD_BUS_RECLAIM_IDLE_S`, so with the usual 60 s add up to 55.
*Restarts* are those the engine made, of any container.

{table}

A container cannot have a clock of its own: for skewed clocks a copy of `shared/clock.py`, the only place that asks
for the time, is mounted over the image's with an hour added in the classifier and taken away in the auditor. With
`appendfsync always` a broker that cannot write its file ends itself and is started again and again until there is
room; with `everysec` it stays and refuses to write. Either way the door answers 503 with `Retry-After` and senders
come again.
"""


def main() -> int:
    """Run it and print the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.compose")
    parser.add_argument("--posts", type=int, default=POSTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--logs", type=Path, help="where to keep the containers' logs if it fails")
    options = parser.parse_args()
    if reason := docker_answers():
        print(reason, file=sys.stderr)
        return 2

    def choice(faults: Faults) -> list[Fault]:
        return [each for each in faults.all() if re.search(options.only, f"{each.victim}: {each.what}")]

    with tempfile.TemporaryDirectory() as name:
        begun = monotonic()
        Path(name).chmod(0o755)
        folder: Any = options.logs or Path(name)
        folder.mkdir(exist_ok=True)
        gale = asyncio.run(run(folder, options.posts, options.seed, choice, llm=not options.only))
        text = page(gale, options.posts, options.seed, monotonic() - begun)
    print(text)
    if options.page:
        options.page.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
