"""Gives streams another number of shards while nothing runs: all is laid out anew beside the old, then swapped.

Invariant: until all of it is laid out nothing old is touched, and from then on nothing but names changes. What was
interrupted goes on, or begins anew, with the same command.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.entries import Entry, entries
from shared.bus.envelope import FIELD, Malformed, reader
from shared.bus.erasures import server_millis
from shared.bus.keys import (
    ERASURES,
    SEEN,
    SHARDS,
    VERSIONS,
    dead_key,
    delay_key,
    holders_key,
    replicas_key,
    retry_key,
)
from shared.bus.presence import SAID_EVERY_S, processes
from shared.bus.shards import flow_keys, group_keys, key_for, subjects_apart
from shared.settings import BusSettings
from shared.streams import FLOW, SERVICES, Stream, name_of, shard_key

AT_ONCE = 500
NEW = ":new"
"""Ends the name of what is laid out and not yet in force; it lies in the slot of what it will be."""
READS = 4
"""A group whose consumers have been idle for as long as so many empty reads take is read by nobody."""
LOOK_S = 0.5
SILENCES = 2.5
LAYING, CLEARING, NAMING = "laying", "clearing", "naming"


class StillRunning(RuntimeError):
    """Somebody reads the streams."""


@dataclass
class Resharded:
    """What was done: entries by stream, and events that groups had still before them."""

    entries: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    dead: int = 0


class Resharding:
    """One change of the number of shards. `say` hears which stream is being laid out."""

    def __init__(self, redis: Redis, settings: BusSettings, say: Callable[[str], None] = lambda _: None) -> None:
        self._redis = redis
        self._settings = settings
        self._say = say

    async def __call__(self, to: int) -> Resharded:
        """Give the streams `to` shards. Raises StillRunning."""
        done, stage, has, wanted = Resharded(), *await self._stand()
        if stage in (CLEARING, NAMING):
            await self._swap(stage, has, wanted)
            has = wanted
        if has == to:
            return done
        await self._check_quiet(has)
        await self._redis.set(SHARDS, f"{LAYING} {has} {to}")
        await self._delete(await self._names(NEW))
        await self._lay_out(has, to, done)
        await self._swap(CLEARING, has, to)
        return done

    async def _stand(self) -> tuple[str, int, int]:
        noted: Any = await self._redis.get(SHARDS)
        words = noted.decode().split() if noted else ["1"]
        if len(words) == 1:
            return "", int(words[0]), int(words[0])
        return words[0], int(words[1]), int(words[2])

    async def _check_quiet(self, shards: int) -> None:
        """Wait until nobody can be reading any more; who still does by then was not stopped."""
        now = await server_millis(self._redis)
        for each in await processes(self._redis):
            if now - each.said_ms < SILENCES * SAID_EVERY_S * 1000:
                raise StillRunning(
                    f"{each.name} said lately that it runs: stop every service; if it died, wait a little"
                )
        quiet_ms = READS * self._settings.block_ms
        looks = int(quiet_ms / 1000 / LOOK_S) + 2
        while (found := await self._one_that_is_read(shards, quiet_ms)) is not None:
            looks -= 1
            if not looks:
                raise StillRunning(f"{found[1]} reads {found[0]}: stop every service first")
            await asyncio.sleep(LOOK_S)

    async def _one_that_is_read(self, shards: int, quiet_ms: int) -> tuple[str, str] | None:
        for key, group in group_keys(shards):
            with suppress(ResponseError):  # no such stream or group: nobody reads it
                if any(each["idle"] < quiet_ms for each in await self._redis.xinfo_consumers(key, group)):
                    return key, group
        return None

    async def _lay_out(self, has: int, to: int, done: Resharded) -> None:
        for stream in FLOW.values():
            self._say(stream.name)
            laid = _Laid(self._redis, self._settings, stream, has, to)
            await laid.stream(done)
            for group in stream.heard_by:
                await laid.of_group(group, done)
        await self._remember(has, to)

    async def _remember(self, has: int, to: int) -> None:
        """Lay out what the door knows: ids it has seen and versions, in every shard, since neither tells of what."""
        for old in await self._names("", f"{SEEN}:*"):
            key, _, bucket = old.removeprefix(f"{SEEN}:").rpartition(":")
            some: list[Any] = [each async for each in self._redis.sscan_iter(old, count=AT_ONCE)]
            left = await self._redis.pttl(old)
            for new in (f"{SEEN}:{each}:{bucket}{NEW}" for each in FLOW[name_of(key)].keys(to) if some):
                for start in range(0, len(some), AT_ONCE):
                    await self._redis.sadd(new, *some[start : start + AT_ONCE])
                await self._redis.pexpire(new, max(1, left))
        await self._remember_versions(to)
        for shard in range(has):
            asked: Any = await self._redis.zrange(shard_key(ERASURES, shard, has), 0, -1, withscores=True)
            since = {name.decode(): at for name, at in asked}
            for target, names in subjects_apart(since, to).items():
                await self._redis.zadd(shard_key(ERASURES, target, to) + NEW, {name: since[name] for name in names})

    async def _remember_versions(self, to: int) -> None:
        highest: dict[str, tuple[int, int]] = {}
        for old in await self._names("", f"{VERSIONS}*"):
            subject = old.rpartition(":")[2]
            version, left = int(await self._redis.get(old) or 0), await self._redis.pttl(old)
            highest[subject] = max(highest.get(subject, (0, 0)), (version, left))
        for subject, (version, left) in highest.items():
            for shard in range(to):
                await self._redis.set(f"{shard_key(VERSIONS, shard, to)}:{subject}{NEW}", version, px=max(1, left))

    async def _swap(self, stage: str, has: int, to: int) -> None:
        if stage == CLEARING:
            await self._redis.set(SHARDS, f"{CLEARING} {has} {to}")
            known = {key for each in flow_keys(has) for key in self._keys_beside(each)}
            known |= {shard_key(ERASURES, shard, has) for shard in range(has)}
            known |= {key for name in SERVICES for key in (replicas_key(name), holders_key(name))}
            memory = [*await self._names("", f"{SEEN}:*"), *await self._names("", f"{VERSIONS}*")]
            await self._delete([*known, *memory])
        await self._redis.set(SHARDS, f"{NAMING} {has} {to}")
        for name in await self._names(NEW):
            await self._redis.rename(name, name.removesuffix(NEW))
        await (self._redis.delete(SHARDS) if to == 1 else self._redis.set(SHARDS, to))

    def _keys_beside(self, key: str) -> Iterable[str]:
        groups = FLOW[name_of(key)].heard_by
        return [key, *(make(key, group) for group in groups for make in (retry_key, delay_key, dead_key))]

    async def _names(self, end: str, pattern: str = "*") -> list[str]:
        found = [each.decode() async for each in self._redis.scan_iter(f"{pattern}{end}", count=AT_ONCE)]
        return sorted({each for each in found if each.endswith(NEW) == (end == NEW)})

    async def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self._redis.delete(key)


class _Laid:
    """What one stream of the flow becomes."""

    def __init__(self, redis: Redis, settings: BusSettings, stream: Stream, has: int, to: int) -> None:
        self._redis = redis
        self._fuse = settings.fuse
        self._stream = stream
        self._old = stream.keys(has)
        self._to = to
        self._read = reader(stream)

    def _key_of(self, fields: Mapping[bytes, bytes]) -> str:
        """Return where an entry belongs; what nobody can read is in the first shard."""
        event = self._read(fields)
        return self._stream.keys(self._to)[0] if isinstance(event, Malformed) else key_for(event, self._to)

    async def stream(self, done: Resharded) -> None:
        """Lay out every entry under its id, with groups that have read them all."""
        counts = dict.fromkeys(self._stream.keys(self._to), 0)
        async for page in self._merged(self._old):
            for key in await self._copy(page, lambda key: key):
                counts[key] += 1
        for key, count in counts.items():
            for group in self._stream.heard_by:
                await self._redis.xgroup_create(key + NEW, group, id="$", mkstream=True, entries_read=count)
        done.entries[self._stream.name] = sum(counts.values())

    async def of_group(self, group: str, done: Resharded) -> None:
        """Lay out what a group has before it as its retries, what it tries later, and what it gave up on."""
        for key in self._stream.keys(self._to):
            await self._redis.xgroup_create(retry_key(key, group) + NEW, group, id="0", mkstream=True)
        for old in self._old:
            for source in (retry_key(old, group), old):
                async for fields in self._unsettled(source, group):
                    await self._redis.xadd(retry_key(self._key_of(fields), group) + NEW, fields)  # type: ignore[arg-type]
                    done.waiting += 1
            async for event, due in self._redis.zscan_iter(delay_key(old, group)):
                await self._redis.zadd(delay_key(self._key_of({FIELD: event}), group) + NEW, {event: due})
                done.waiting += 1
        async for page in self._merged([dead_key(old, group) for old in self._old]):
            done.dead += len(await self._copy(page, lambda key: dead_key(key, group)))

    async def _unsettled(self, key: str, group: str) -> AsyncIterator[dict[bytes, bytes]]:
        """Yield what a group has read and not settled, and what it has not read."""
        if not await self._redis.exists(key):
            return
        infos: list[Any] = [info for info in await self._redis.xinfo_groups(key) if info["name"].decode() == group]
        ask: Any = self._redis.xpending_range
        start = "-"
        while infos and (held := await ask(key, group, min=start, max="+", count=AT_ONCE)):
            for each in held:
                name = each["message_id"].decode()
                for _, fields in await entries(self._redis, key, name, name):
                    yield fields
            start = f"({held[-1]['message_id'].decode()}"
        start = f"({infos[0]['last-delivered-id'].decode()}" if infos else "-"
        while page := await entries(self._redis, key, start, count=AT_ONCE):
            for _, fields in page:
                yield fields
            start = f"({page[-1][0].decode()}"

    async def _merged(self, keys: list[str]) -> AsyncIterator[list[Entry]]:
        """Yield the entries of several keys in the order of their ids, page by page."""
        seen = dict.fromkeys(keys, "-")
        while seen:
            pages = {key: await entries(self._redis, key, start, count=AT_ONCE) for key, start in seen.items()}
            full = [_place(page[-1]) for page in pages.values() if len(page) == AT_ONCE]
            chosen = {
                key: [each for each in page if not full or _place(each) <= min(full)] for key, page in pages.items()
            }
            seen = {key: f"({some[-1][0].decode()}" if some else seen[key] for key, some in chosen.items()}
            yield sorted((each for some in chosen.values() for each in some), key=_place)
            if not full:
                return

    async def _copy(self, page: list[Entry], name: Callable[[str], str]) -> list[str]:
        """Append entries to where they belong and return the keys, in order."""
        keys = [self._key_of(fields) for _, fields in page]
        last = {key: await self._last(name(key) + NEW) for key in set(keys)}
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, (entry, fields) in zip(keys, page, strict=True):
                ms, sequence = last[key]
                # two shards may have given out the same id in one millisecond
                last[key] = max(_place((entry, fields)), (ms, sequence + 1))
                pipe.xadd(name(key) + NEW, fields, id="-".join(map(str, last[key])))  # type: ignore[arg-type]
            await pipe.execute()
        return keys

    async def _last(self, key: str) -> tuple[int, int]:
        found: Any = await self._redis.xrevrange(key, count=1)
        return _place(found[0]) if found else (0, 0)


def _place(entry: Entry) -> tuple[int, int]:
    ms, _, sequence = entry[0].decode().partition("-")
    return int(ms), int(sequence)
