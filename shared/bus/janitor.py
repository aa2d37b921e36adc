"""What leaves the streams: entries everybody has acknowledged, and every trace of an erased post.

Invariant: no unread and no pending entry is ever removed.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.entries import entries, last_entry
from shared.bus.erasures import doomed, server_millis, subjects
from shared.bus.keys import BROKER, ERASURES, SCRUBS, dead_key, delay_key, retry_key
from shared.bus.metrics import ERASED, OLDEST_ERASURE, TRIMMED
from shared.bus.scripts import script
from shared.clock import millis, monotonic
from shared.settings import BusSettings
from shared.streams import FLOW, SERVICES, Stream

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
        self._streams = [FLOW[name] for name in streams]
        self._trim = script(redis, "trim")
        self._forget = script(redis, "forget")
        self._close = script(redis, "close")
        self._rests_until = 0.0

    async def __call__(self) -> None:
        """Go once through every stream; looking for what is erased never takes more than a tenth of the time."""
        for stream in self._streams:
            await self._trim_stream(stream)
            await self._forget_consumers(stream)
        begun = monotonic()
        if begun >= self._rests_until:
            await self.erase()
            took = monotonic() - begun
            self._rests_until = monotonic() + REST * took if took > AT_ONCE_S else 0.0

    async def _trim_stream(self, stream: Stream) -> None:
        length = await self._redis.xlen(stream.name)
        if length > ALARMING * self._settings.fuse:
            log.error("stream is half way to its fuse", stream=stream.name, length=length)
        keep_s = 0.0 if length > CROWDED * self._settings.fuse else self._settings.retain_for_s
        for key, kept_s in [(stream.name, keep_s), *((retry_key(stream.name, g), 0.0) for g in stream.heard_by)]:
            while trimmed := int(await self._trim(keys=[key], args=[f"{millis() - int(kept_s * 1000)}-0"])):
                TRIMMED.labels(stream.name).inc(trimmed)

    async def _forget_consumers(self, stream: Stream) -> None:
        for group in stream.heard_by:
            for key in (stream.name, retry_key(stream.name, group)):
                with suppress(ResponseError):  # the stream or group is gone; the watchdog sees to that
                    await self._forget(keys=[key], args=[group, STALE_CONSUMER_MS])

    async def erase(self) -> int:
        """Remove every settled entry, delayed event and dead letter of the posts whose erasure is pending.

        An erasure is over when every group has passed the moment it was asked for, on the stream of deletions too (so
        the tables have erased), and no copy and no deletion is left that somebody still has to settle. Then everybody
        is told to clean their files. Returns how many entries went.
        """
        asked: Any = await self._redis.zrange(ERASURES, 0, -1, withscores=True)
        pending = {name.decode(): float(at) for name, at in asked}
        now = await server_millis(self._redis)
        OLDEST_ERASURE.set(max(0.0, now - min(pending.values())) / 1000 if pending else 0.0)
        if not pending:
            return 0
        gone, passed, held = 0, now, set[str]()
        for stream in FLOW.values():
            if stream.holds_text:
                floor, until = await self._settled_until(stream, now)
                went, left = await self._erase_stream(stream, pending, floor)
                passed, gone, held = min(passed, until), gone + went, held | left
            elif stream.name == DELETED:
                passed = min(passed, (await self._settled_until(stream, now))[1])
                held |= await self._failed_deletions(stream, pending)
        over = [(name, at) for name, at in pending.items() if at < passed and name not in held]
        for start in range(0, len(over), SCANNED_AT_ONCE):
            some = (part for pair in over[start : start + SCANNED_AT_ONCE] for part in pair)
            await self._close(keys=[ERASURES, SCRUBS], args=[1 + len(SERVICES), BROKER, *SERVICES, *some])
        return gone

    async def _failed_deletions(self, stream: Stream, pending: Mapping[str, float]) -> set[str]:
        """Return the subjects whose deletion some group has not managed yet: it waits for another try, or died."""
        failed = set[str]()
        for group in stream.heard_by:
            async for raw, _ in self._redis.zscan_iter(delay_key(stream.name, group)):
                failed |= subjects(raw)
            for key in (retry_key(stream.name, group), dead_key(stream.name, group)):
                failed |= (await self._erase_entries(stream, key, pending, NOTHING))[1]
        return failed & pending.keys()

    async def _settled_until(self, stream: Stream, now: int) -> tuple[Id, int]:
        """Return the entry id, and the moment in ms (`now` at most), up to which every group has settled everything."""
        moments, settled = [now], list[Id]()
        newest = await last_entry(self._redis, stream.name)
        if newest is None:
            return NOTHING, moments[0]
        for info in await self._redis.xinfo_groups(stream.name):
            until = _parts(info["last-delivered-id"])
            oldest = (await self._redis.xpending(stream.name, info["name"]))["min"]
            if oldest:
                until = min(until, _before(_parts(oldest)))
            if oldest or until < _parts(newest):
                moments.append(until[0])
            settled.append(until)
        return min(settled, default=NOTHING), min(moments)

    async def _erase_stream(self, stream: Stream, pending: Mapping[str, float], floor: Id) -> tuple[int, set[str]]:
        """Remove what may go; return how many entries went and which subjects somebody still has to settle."""
        gone, held = await self._erase_entries(stream, stream.name, pending, floor)
        for group in stream.heard_by:
            retries, delayed = retry_key(stream.name, group), delay_key(stream.name, group)
            _, before = await self._erase_entries(stream, retries, pending, NOTHING)
            waiting = [raw async for raw, _ in self._redis.zscan_iter(delayed) if doomed(raw, pending)]
            if waiting:
                gone += int(await self._redis.zrem(delayed, *waiting))
            _, after = await self._erase_entries(stream, retries, pending, NOTHING)  # the pump may have been at work
            went, _ = await self._erase_entries(stream, dead_key(stream.name, group), pending, EVERYTHING)
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
