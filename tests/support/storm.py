"""Processes killed with -9 and entries appended by hand, at moments a seed decides and while posts are under way."""

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from shared.streams import SERVICES
from tests.support.ledger import Ledger
from tests.support.ombud import Processes, ready
from tests.support.servers import Broker, eventually

BROKER = "broker"
LEAD = 1500
"""Posts sent ahead of the next blow: enough to have work under way, too few to be done before it."""
FIRST, LAST = 0.02, 0.95
"""Shares of the posts between which the blows fall."""
PATIENCE_S = 90


@dataclass(frozen=True, slots=True)
class Entry:
    """Something appended to a stream by hand."""

    stream: str
    fields: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens once `at` posts are scored: a service or the broker is killed, or an entry is appended."""

    at: int
    what: str | Entry


def plan(random: Random, posts: int, entries: Sequence[Entry], *, kills: int, broker_kills: int) -> list[Blow]:
    """Return the blows of a storm in order; every service is killed at least twice."""
    victims: list[str | Entry] = [*SERVICES, *SERVICES]
    victims += random.choices(SERVICES, k=kills - len(victims))
    victims += [BROKER] * broker_kills
    blows = [Blow(int(posts * random.uniform(FIRST, LAST)), what) for what in [*victims, *entries]]
    return sorted(blows, key=lambda blow: blow.at)


class Storm:
    """Works through a plan. `kills`, `stranded` (entries a dead process held) and `ended_alone` say what happened."""

    def __init__(
        self, processes: Processes, broker: Broker, ledger: Ledger, blows: Sequence[Blow], random: Random
    ) -> None:
        self._processes = processes
        self._broker = broker
        self._ledger = ledger
        self._blows = blows
        self._random = random
        self._next: float = blows[0].at
        self.kills: Counter[str] = Counter()
        self.stranded: Counter[str] = Counter()
        self.ended_alone: Counter[str] = Counter()

    async def room(self, sent: int) -> None:
        """Wait until more posts may be sent: not before the blow that comes next."""
        while sent > self._next + LEAD:  # noqa: ASYNC110 - the next blow is a number, not an event
            await asyncio.sleep(0.02)

    async def rage(self) -> None:
        """Strike every blow of the plan, each when its time has come."""
        try:
            for blow in self._blows:
                self._next = blow.at
                await eventually(lambda at=blow.at: self._scored() >= at, PATIENCE_S)
                if isinstance(blow.what, Entry):
                    self._ledger.redis.xadd(blow.what.stream, dict(blow.what.fields))
                elif blow.what == BROKER:
                    await asyncio.to_thread(self._broker.kill)
                    self.kills[BROKER] += 1
                    await asyncio.sleep(self._random.uniform(0, 1))
                    await asyncio.to_thread(self._broker.start)
                else:
                    await self._kill(blow.what)
        finally:
            self._next = math.inf

    def supervise(self) -> None:
        """Start again whatever ended by itself, as any supervisor does: a start needs a broker that answers."""
        for name in SERVICES:
            if not self._processes.alive(name):
                self.ended_alone[name] += 1
                self._processes.start(name)

    def _scored(self) -> int:
        self.supervise()
        return self._ledger.length("posts.scored")

    async def _kill(self, victim: str) -> None:
        if self._random.random() < 0.8:  # else also while it still starts
            await eventually(lambda: self._works(victim), PATIENCE_S)
        for _ in range(self._random.choice((0, 200))):
            if self._ledger.pending(victim):
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(self._random.uniform(0, 0.05))
        self.supervise()
        self._processes.kill(victim)
        self.kills[victim] += 1
        self.stranded[victim] += self._ledger.pending(victim)
        self._processes.start(victim)

    async def _works(self, victim: str) -> bool:
        self.supervise()
        async with self._processes.client(victim) as http:
            return await ready(http)
