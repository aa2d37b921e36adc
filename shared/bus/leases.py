"""Which shards this process reads: every process of a group has its share, and what one leaves another takes over.

Safety does not depend on it. Two processes that read one shard for a moment share its entries as any two consumers of
a group do; what a lease adds is that the events of one post are handled in order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis

from shared.bus.health import Health
from shared.bus.keys import holders_key, replicas_key
from shared.bus.scripts import script
from shared.settings import BusSettings
from shared.streams import shard_in

log = structlog.get_logger("ombud.bus")

RENEWALS = 3
"""How often a process speaks while its word lasts."""
Pair = tuple[str, str]
"""Key of a stream, group."""
GiveBack = Callable[[Iterable[Pair]], Awaitable[int]]


class Leases:
    """The shards of this process, group by group.

    `subscribers` are group -> shard -> what reads it, `pairs` every (key, group) that can be read here, `give_back`
    returns entries to the streams that a stopped read had brought.
    """

    def __init__(
        self,
        redis: Redis,
        settings: BusSettings,
        health: Health,
        name: str,
        subscribers: Mapping[str, Mapping[int, Sequence[Any]]],
        pairs: Iterable[Pair],
        give_back: GiveBack,
    ) -> None:
        self._script = script(redis, "lease")
        self._health = health
        self._name = name
        self._shards = settings.shards
        self._lasts_ms = int(settings.lease_s * 1000)
        self._subscribers = subscribers
        self._pairs = list(pairs)
        self._give_back = give_back
        self.held: dict[str, set[int]] = {group: set() for group in subscribers}

    @property
    def every_s(self) -> float:
        """Return the pause between two words of this process."""
        return self._lasts_ms / 1000 / RENEWALS

    def reads(self, key: str, group: str) -> bool:
        """Return whether this process reads a key, or the retries of it, for a group."""
        return shard_in(key) in self.held.get(group, ())

    async def __call__(self) -> None:
        """Renew what is ours, start to read what is new, let go what others should have."""
        for group in self.held:
            share, mine = await self._speak(group)
            if lost := self.held[group] - mine:  # we were silent for too long: somebody else reads them by now
                await self._stop(group, lost)
            await self._start(group, mine - self.held[group])
            if surplus := sorted(mine)[share:]:
                await self._stop(group, surplus)
                await self._speak(group, surplus)

    async def leave(self) -> None:
        """Let go everything at once, so that nobody has to wait until our word is over."""
        for group, shards in self.held.items():
            await self._speak(group, shards, lasts_ms=0)
            shards.clear()

    async def _speak(
        self, group: str, released: Iterable[int] = (), lasts_ms: int | None = None
    ) -> tuple[int, set[int]]:
        keys = [replicas_key(group), holders_key(group)]
        lasts = self._lasts_ms if lasts_ms is None else lasts_ms
        share, *mine = await self._script(keys=keys, args=[self._name, lasts, self._shards, *released])
        return share, set(mine)

    async def _start(self, group: str, shards: Iterable[int]) -> None:
        for shard in sorted(shards):
            self.held[group].add(shard)
            for subscriber in self._subscribers[group].get(shard, ()):
                if not subscriber.running:
                    await subscriber.start()
            log.info("reads a shard", group=group, shard=shard)

    async def _stop(self, group: str, shards: Iterable[int]) -> None:
        """Finish what is being handled, return what was only read; our word is renewed meanwhile."""
        gone = set(shards)
        self.held[group] -= gone
        stops = [each.stop() for shard in gone for each in self._subscribers[group].get(shard, ())]
        stopping = asyncio.gather(*stops)
        while not (await asyncio.wait([stopping], timeout=self.every_s))[0]:
            await self._speak(group)
        await stopping
        pairs = [(key, name) for key, name in self._pairs if name == group and shard_in(key) in gone]
        given = await self._give_back(pairs)
        self._health.forget(pairs)
        log.info("reads shards no more", group=group, shards=sorted(gone), given_back=given)
