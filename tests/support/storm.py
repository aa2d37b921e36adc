"""Processes killed with -9 and entries appended by hand, at moments a seed decides and while posts are under way."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from shared.clock import monotonic
from shared.streams import SERVICES
from tests.support.ledger import Ledger
from tests.support.ombud import Processes, ready
from tests.support.servers import Broker, eventually

BROKER = "broker"
FIRST, LAST = 0.02, 0.95
"""Shares of the posts between which the blows fall."""
AT_WORK = 0.8
"""Share of the kills that wait until their victim is ready; the others may hit it while it starts."""
PATIENCE_S = 90


@dataclass(frozen=True, slots=True)
class Entry:
    """Something appended to a stream by hand."""

    stream: str
    fields: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens once `at` posts are sent: a service or the broker is killed, or an entry is appended."""

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
    """Works through a plan and counts what happened; `stranded` are entries that a killed process held.

    Posts are held back before each kill until its victim is up (`waited_s` in all), then let go on: it dies while
    they are under way.
    """

    def __init__(
        self, processes: Processes, broker: Broker, ledger: Ledger, blows: Sequence[Blow], random: Random
    ) -> None:
        self._processes = processes
        self._broker = broker
        self._ledger = ledger
        self._blows = blows
        self._random = random
        self._sent = 0
        self._limit: float = self._next_kill(-1)
        self.kills: Counter[str] = Counter()
        self.stranded: Counter[str] = Counter()
        self.ended_alone: Counter[str] = Counter()
        self.waited_s = 0.0

    async def room(self, sent: int) -> None:
        """Wait until more than `sent` posts may be sent."""
        self._sent = sent
        while sent >= self._limit:
            await asyncio.sleep(0.005)

    async def rage(self) -> None:
        """Strike every blow of the plan, each when its time has come."""
        for n, blow in enumerate(self._blows):
            if isinstance(blow.what, Entry):
                await self._append(blow.what, blow.at)
            else:
                await self._kill(blow.what, blow.at, self._next_kill(n))

    def supervise(self) -> None:
        """Start again whatever ended by itself, as any supervisor does: a start needs a broker that answers."""
        for name in SERVICES:
            if not self._processes.alive(name):
                self.ended_alone[name] += 1
                self._processes.start(name)

    def _next_kill(self, n: int) -> float:
        return next((blow.at for blow in self._blows[n + 1 :] if isinstance(blow.what, str)), math.inf)

    async def _append(self, entry: Entry, at: int) -> None:
        await self._reached(lambda: self._ledger.length("posts.scored") >= at)
        fields: Any = dict(entry.fields)
        self._ledger.redis.xadd(entry.stream, fields)

    async def _kill(self, victim: str, at: int, until: float) -> None:
        # 1. the victim is up, or, now and then, on its way
        await self._reached(lambda: self._sent >= at)
        if victim != BROKER and self._random.random() < AT_WORK:
            since = monotonic()
            await self._reached(lambda: self._ready(victim))
            self.waited_s += monotonic() - since
        # 2. posts go on; somewhere on their way to the next kill
        self._limit = until
        moment = at + self._random.uniform(0, 0.8) * (min(until, at / LAST) - at)
        if victim == "ingest":
            await self._reached(lambda: self._sent >= moment)
            await asyncio.sleep(self._random.uniform(0, 0.02))
        else:
            await self._reached(lambda: self._ledger.length("posts.scored") >= moment)
        # 3. mostly with something in hand
        if victim in SERVICES[1:] and self._random.random() < AT_WORK:
            with suppress(AssertionError):
                await eventually(lambda: self._ledger.pending(victim), 1, every=0.002)
        self.supervise()
        self.kills[victim] += 1
        if victim == BROKER:
            await asyncio.to_thread(self._broker.kill)
            await asyncio.sleep(self._random.uniform(0, 1))
            await asyncio.to_thread(self._broker.start)
        else:
            pid = self._processes.pid(victim)
            self._processes.kill(victim)
            self.stranded[victim] += self._ledger.held_by(victim, pid)
            self._processes.start(victim)

    async def _reached(self, check: Callable[[], Any]) -> None:
        def supervised() -> Any:
            self.supervise()
            return check()

        await eventually(supervised, PATIENCE_S, every=0.005)

    async def _ready(self, victim: str) -> bool:
        async with self._processes.client(victim) as http:
            return await ready(http)
