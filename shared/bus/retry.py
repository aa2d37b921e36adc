"""The two loops that see to another try: the delay pump and the reclaimer. Any number of processes may run them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from shared.bus.commit import Committer, Write
from shared.bus.envelope import Malformed, Reader
from shared.bus.keys import consumer_name, dead_key, delay_key, retry_key
from shared.bus.metrics import DEAD, LOST, RECLAIMED
from shared.bus.scripts import script
from shared.clock import millis
from shared.settings import BusSettings
from shared.streams import name_of

log = structlog.get_logger("ombud.bus")

PUMPED_AT_ONCE = 500
CLAIMED_AT_ONCE = 200


class Pump:
    """Moves what is due from the delay sets of some groups to their retry streams."""

    def __init__(self, redis: Redis, groups: Iterable[tuple[str, str]]) -> None:
        self._redis = redis
        self._groups = list(groups)
        self._script = script(redis, "pump")

    async def __call__(self) -> int:
        """Move every due event once; return how many moved."""
        keys = [[delay_key(*pair), retry_key(*pair)] for pair in self._groups]
        async with self._redis.pipeline(transaction=False) as pipe:
            for pair in keys:
                # by its name, because a cluster's pipeline refuses the method
                pipe.execute_command("EVALSHA", self._script.sha, 2, *pair, str(millis()), str(PUMPED_AT_ONCE))
            answers = await pipe.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            answers = [await self._script(keys=pair, args=[millis(), PUMPED_AT_ONCE]) for pair in keys]
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            raise failed[0]
        return sum(int(answer) for answer in answers)


class Reclaimer:
    """Takes over entries whose worker is gone: one more attempt on the retry stream, or a dead letter at the limit."""

    def __init__(
        self,
        redis: Redis,
        readers: Mapping[tuple[str, str], Reader],
        settings: BusSettings,
        consumer: str,
    ) -> None:
        self._redis = redis
        self._readers = readers
        self._settings = settings
        self._consumer = consumer
        self._committer = Committer(redis, settings)

    async def __call__(self) -> int:
        """Go once through the pending lists of every group; return how many entries were taken over."""
        taken = 0
        for (origin, group), read in self._readers.items():
            for stream in (origin, retry_key(origin, group)):
                taken += await self._take_over(stream, origin, group, read)
        return taken

    async def give_back(self, only: Collection[tuple[str, str]] | None = None) -> int:
        """Put what this process still holds on the retry streams and return how many entries; for an orderly stop.

        A stop cancels reads, and the server may have handed entries to one of them. No attempt is counted. `only`
        names (key, group) pairs that are read no more, while others are.
        """
        given = 0
        for (origin, group), read in self._readers.items():
            if only is not None and (origin, group) not in only:
                continue
            for stream in (origin, retry_key(origin, group)):
                for consumer in (consumer_name(group), self._consumer):
                    given += await self._give_back(stream, origin, group, consumer, read)
        return given

    async def _give_back(self, stream: str, origin: str, group: str, consumer: str, read: Reader) -> int:
        given = 0
        while held := await self._redis.xpending_range(
            stream, group, min="-", max="+", count=CLAIMED_AT_ONCE, consumername=consumer
        ):
            ids: Any = [each["message_id"] for each in held]
            entries: Any = await self._redis.xclaim(stream, group, consumer, 0, ids)
            writes = {entry: [self._unchanged(origin, group, read, fields)] for entry, fields in entries}
            given += await self._committer.write(stream, group, writes)
        return given

    async def _take_over(self, stream: str, origin: str, group: str, read: Reader) -> int:
        cursor, taken = b"0-0", 0
        while True:
            try:
                answer = await self._redis.xautoclaim(
                    stream,
                    group,
                    self._consumer,
                    min_idle_time=int(self._settings.reclaim_idle_s * 1000),
                    start_id=cursor,
                    count=CLAIMED_AT_ONCE,
                )
            except ResponseError as error:
                if "NOGROUP" in str(error):  # the watchdog makes it again and counts the loss
                    return taken
                raise
            cursor, entries, deleted = answer[0], answer[1], answer[2]
            if deleted:
                LOST.labels(name_of(origin), group).inc(len(deleted))
                log.error("pending entries were trimmed away", stream=stream, group=group, count=len(deleted))
            if entries:
                writes = {entry: [self._again(origin, group, read, fields)] for entry, fields in entries}
                mine = await self._committer.write(stream, group, writes)
                RECLAIMED.labels(name_of(origin), group).inc(mine)
                if dead := sum(write.kind == "d" for rows in writes.values() for write in rows):
                    DEAD.labels(name_of(origin), group).inc(min(dead, mine))
                taken += mine
            if cursor in (b"0-0", "0-0"):
                return taken

    def _unchanged(self, origin: str, group: str, read: Reader, fields: Mapping[bytes, bytes]) -> Write:
        item = read(fields)
        if isinstance(item, Malformed):
            return self._again(origin, group, read, fields)
        return Write("x", retry_key(origin, group), item.wire())

    def _again(self, origin: str, group: str, read: Reader, fields: Mapping[bytes, bytes]) -> Write:
        item = read(fields)
        if isinstance(item, Malformed):
            return Write("d", dead_key(origin, group), item.raw, item.reason, "Malformed")
        failed = item.again("the worker that had it is gone")
        if failed.attempt >= self._settings.attempts:
            return Write("d", dead_key(origin, group), failed.wire(), str(failed.reason), "WorkerLost")
        return Write("x", retry_key(origin, group), failed.wire())
