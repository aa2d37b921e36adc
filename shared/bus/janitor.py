"""What leaves the streams: entries everybody has acknowledged, and every trace of an erased post.

Invariant: no unread and no pending entry is ever removed.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.cluster import is_cluster
from shared.bus.entries import entries, last_entry
from shared.bus.erasures import all_pending, doomed, server_millis, subjects
from shared.bus.keys import BROKER, ERASURES, SCRUBS, dead_key, delay_key, retry_key
from shared.bus.metrics import ERASED, OLDEST_ERASURE, TRIMMED
from shared.bus.scripts import script
from shared.bus.shards import flow_keys, subjects_apart
from shared.clock import millis, monotonic
from shared.settings import BusSettings
from shared.streams import FLOW, SERVICES, Stream, shard_key

log = structlog.get_logger("ombud.bus")

CROWDED = 0.4
"""Past this share of the fuse nothing is kept for replays."""
ALARMING = 0.5
STALE_CONSUMER_MS = 3_600_000
SCANNED_AT_ONCE = 1000
AT_ONCE_S = 0.2
REST = 10
"""Looking through long streams for erased posts takes a while; whoever did it rests ten times as long."""

Id = tuple[int, int]
"""An entry id that can be compared: milliseconds, sequence."""
NOTHING: Id = (0, 0)
EVERYTHING: Id = (2**64, 0)
DELETED = "posts.deleted"


class Janitor:
    """Trims streams, forgets consumers that are gone and erases deleted posts."""

    def __init__(self, redis: Redis, settings: BusSettings, streams: Iterable[str]) -> None:
        self._redis = redis
        self._settings = settings
        self._keys = [(key, FLOW[name]) for name in streams for key in FLOW[name].keys(settings.shards)]
        self._trim = script(redis, "trim")
        self._forget = script(redis, "forget")
        self._close = script(redis, "close")
        self._rests_until = 0.0

    async def __call__(self) -> None:
        """Go once through every stream; looking for what is erased never takes more than a tenth of the time."""
        for key, stream in self._keys:
            await self._trim_stream(key, stream)
            await self._forget_consumers(key, stream)
        begun = monotonic()
        if begun >= self._rests_until:
            await self.erase()
            took = monotonic() - begun
            self._rests_until = monotonic() + REST * took if took > AT_ONCE_S else 0.0

    async def _trim_stream(self, name: str, stream: Stream) -> None:
        length = await self._redis.xlen(name)
        if length > ALARMING * self._settings.fuse:
            log.error("stream is half way to its fuse", stream=name, length=length)
        keep_s = 0.0 if length > CROWDED * self._settings.fuse else self._settings.retain_for_s
        for key, kept_s in [(name, keep_s), *((retry_key(name, g), 0.0) for g in stream.heard_by)]:
            while trimmed := int(await self._trim(keys=[key], args=[f"{millis() - int(kept_s * 1000)}-0"])):
                TRIMMED.labels(stream.name).inc(trimmed)

    async def _forget_consumers(self, name: str, stream: Stream) -> None:
        for group in stream.heard_by:
            for key in (name, retry_key(name, group)):
                with suppress(ResponseError):  # the stream or group is gone; the watchdog sees to that
                    await self._forget(keys=[key], args=[group, STALE_CONSUMER_MS])

    async def erase(self) -> int:
        """Remove every settled entry, delayed event and dead letter of the posts whose erasure is pending.

        An erasure is over when every group has passed the moment it was asked for, on the stream of deletions too (so
        the tables have erased), and no copy and no deletion is left that somebody still has to settle. Then everybody
        is told to clean their files. Returns how many entries went.
        """
        pending = await all_pending(self._redis, self._settings.shards)
        now = await server_millis(self._redis)
        OLDEST_ERASURE.set(max(0.0, now - min(pending.values())) / 1000 if pending else 0.0)
        if not pending:
            return 0
        gone, passed, held = 0, now, set[str]()
        for key, stream in flow_keys(self._settings.shards).items():
            if stream.holds_text:
                floor, until = await self._settled_until(key, now)
                went, left = await self._erase_stream(key, stream, pending, floor)
                passed, gone, held = min(passed, until), gone + went, held | left
            elif stream.name == DELETED:
                passed = min(passed, (await self._settled_until(key, now))[1])
                held |= await self._failed_deletions(key, stream, pending)
        await self._end({name: at for name, at in pending.items() if at < passed and name not in held}, now)
        return gone

    async def _end(self, over: Mapping[str, float], now: int) -> None:
        """Forget erasures that are over and have everybody clean their files, in a cluster that one first."""
        names = [BROKER, *SERVICES]
        if over and is_cluster(self._redis):
            due: Any = dict.fromkeys(names, now)
            await self._redis.hset(SCRUBS, mapping=due)
            names = []
        for shard, subjects_ in subjects_apart(over, self._settings.shards).items():
            keys = [shard_key(ERASURES, shard, self._settings.shards), *([SCRUBS] if names else [])]
            for start in range(0, len(subjects_), SCANNED_AT_ONCE):
                some = (part for name in subjects_[start : start + SCANNED_AT_ONCE] for part in (name, over[name]))
                await self._close(keys=keys, args=[len(names), *names, *some])

    async def _failed_deletions(self, name: str, stream: Stream, pending: Mapping[str, float]) -> set[str]:
        """Return the subjects whose deletion some group has not managed yet: it waits for another try, or died."""
        failed = set[str]()
        for group in stream.heard_by:
            async for raw, _ in self._redis.zscan_iter(delay_key(name, group)):
                failed |= subjects(raw)
            for key in (retry_key(name, group), dead_key(name, group)):
                failed |= (await self._erase_entries(stream, key, pending, NOTHING))[1]
        return failed & pending.keys()

    async def _settled_until(self, key: str, now: int) -> tuple[Id, int]:
        """Return the entry id, and the moment in ms (`now` at most), up to which every group has settled everything."""
        moments, settled = [now], list[Id]()
        newest = await last_entry(self._redis, key)
        if newest is None:
            return NOTHING, moments[0]
        for info in await self._redis.xinfo_groups(key):
            until = _parts(info["last-delivered-id"])
            oldest = (await self._redis.xpending(key, info["name"]))["min"]
            if oldest:
                until = min(until, _before(_parts(oldest)))
            if oldest or until < _parts(newest):
                moments.append(until[0])
            settled.append(until)
        return min(settled, default=NOTHING), min(moments)

    async def _erase_stream(
        self, name: str, stream: Stream, pending: Mapping[str, float], floor: Id
    ) -> tuple[int, set[str]]:
        """Remove what may go; return how many entries went and which subjects somebody still has to settle."""
        gone, held = await self._erase_entries(stream, name, pending, floor)
        for group in stream.heard_by:
            retries, delayed = retry_key(name, group), delay_key(name, group)
            _, before = await self._erase_entries(stream, retries, pending, NOTHING)
            waiting = [raw async for raw, _ in self._redis.zscan_iter(delayed) if doomed(raw, pending)]
            if waiting:
                gone += int(await self._redis.zrem(delayed, *waiting))
            _, after = await self._erase_entries(stream, retries, pending, NOTHING)  # the pump may have been at work
            went, _ = await self._erase_entries(stream, dead_key(name, group), pending, EVERYTHING)
            gone, held = gone + went, held | before | after
        return gone, held

    async def _erase_entries(
        self, stream: Stream, key: str, pending: Mapping[str, float], floor: Id
    ) -> tuple[int, set[str]]:
        """Remove entries up to `floor`; return how many went and which subjects have entries after it."""
        gone, held, start = 0, set[str](), "-"
        while page := await entries(self._redis, key, start, count=SCANNED_AT_ONCE):
            settled = []
            for entry, fields in page:
                found = doomed(fields.get(b"__data__", b""), pending)
                if found and _parts(entry) <= floor:
                    settled.append(entry)
                else:
                    held |= found
            if settled:
                removed = int(await self._redis.xdel(key, *settled))
                ERASED.labels(stream.name).inc(removed)
                gone += removed
            start = f"({page[-1][0].decode()}"
        return gone, held


def _parts(entry: bytes) -> Id:
    ms, _, seq = entry.decode().partition("-")
    return int(ms), int(seq or 0)


def _before(entry: Id) -> Id:
    ms, seq = entry
    return (ms, seq - 1) if seq else (ms - 1, 2**64 - 1)
