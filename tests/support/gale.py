"""One fault after another while posts go on, and how long everything takes to be handled once a fault is over."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.clock import monotonic
from tests.support.containers import Container, ContainerLedger
from tests.support.faults import Fault
from tests.support.ombud import client
from tests.support.sender import Sender
from tests.support.servers import eventually

SENDERS = 4
BEFORE, MEANWHILE = 0.2, 0.6
"""Shares of the posts that are sent until a fault stands, and while it lasts; the rest is sent when it is over."""
PATIENCE_S = 300.0


@dataclass
class Episode:
    """What one fault did. `recovery_s` runs from its end until every post sent was handled by every group."""

    fault: Fault
    posts: int
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    held_s: float = 0.0
    recovery_s: float = 0.0
    restarted: Counter[str] = field(default_factory=Counter)


class Gale:
    """Sends posts through the gateway of a project and lets faults happen to it."""

    def __init__(self, url: str, ledger: ContainerLedger, containers: dict[str, Container], seed: int) -> None:
        self._url = url
        self._ledger = ledger
        self._containers = containers
        self._seed = seed
        self.episodes: list[Episode] = []
        self.without_pause: Counter[int] = Counter()
        """Refusals that did not say when to come again."""

    async def blow(self, fault: Fault, posts: Sequence[dict[str, Any]]) -> Episode:
        """Send posts before, during and after a fault, and wait until everything is handled and everybody well."""
        episode = Episode(fault, len(posts))
        before = self._restarts()
        open_again = asyncio.Event()
        async with client(self._url) as http:
            http.event_hooks = {"response": [lambda answer: self._note(answer, episode)]}
            senders = [Sender(http, self._seed + n, largest=40, patience_s=PATIENCE_S) for n in range(SENDERS)]
            struck = math.inf

            async def room(sent: int) -> None:
                while not open_again.is_set():
                    lasted = min(max(0.0, monotonic() - struck) / fault.hold_s, 1.0)
                    if sent < (BEFORE + MEANWHILE * lasted) * len(posts) / SENDERS:
                        return
                    await asyncio.sleep(0.05)

            async with asyncio.TaskGroup() as tasks:
                for n, sender in enumerate(senders):
                    tasks.create_task(sender.send(posts[n::SENDERS], room))
                await eventually(lambda: sum(sender.sent for sender in senders) >= BEFORE / 2 * len(posts), PATIENCE_S)
                await asyncio.to_thread(fault.strike)
                struck, sent = monotonic(), sum(sender.sent for sender in senders)
                await asyncio.sleep(fault.hold_s)
                episode.accepted = sum(sender.sent for sender in senders) - sent
                episode.held_s = monotonic() - struck
                over = monotonic()
                await asyncio.to_thread(fault.heal)
                open_again.set()
            lost = sum(sender.repeats for sender in senders) - episode.refused.total()
            episode.refused["no answer"] += max(lost, 0)
        await self._quiet()
        episode.recovery_s = monotonic() - over
        await eventually(self._all_well, PATIENCE_S, 0.5)
        episode.restarted = self._restarts() - before
        self.episodes.append(episode)
        return episode

    async def _note(self, answer: httpx.Response, episode: Episode) -> None:
        if answer.status_code in (429, 503):
            episode.refused[str(answer.status_code)] += 1
            if "retry-after" not in answer.headers:
                self.without_pause[answer.status_code] += 1
        elif answer.status_code != 202:
            episode.refused[str(answer.status_code)] += 1

    async def _quiet(self) -> None:
        left: Counter[str] = Counter()
        times = 0

        def still() -> bool:
            nonlocal left, times
            left = self._ledger.work_left()
            times = 0 if left else times + 1
            return times >= 2

        try:
            await eventually(lambda: asyncio.to_thread(still), PATIENCE_S, every=0.3)
        except AssertionError:
            raise AssertionError(f"never quiet: {dict(left)}") from None

    def _restarts(self) -> Counter[str]:
        return Counter({name: each.restarts() for name, each in self._containers.items()})

    async def _all_well(self) -> bool:
        return await asyncio.to_thread(lambda: all(each.is_well() for each in self._containers.values()))
