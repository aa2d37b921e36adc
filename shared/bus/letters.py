"""Dead letters: events a group gave up on, with the reason; read, tried again, thrown away.

Invariant: giving a letter another life appends and removes in one step, so that none is lost and none doubled.
"""

from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from shared.bus.commit import letter
from shared.bus.entries import Entry, entries
from shared.bus.keys import dead_key, retry_key
from shared.bus.shards import group_keys
from shared.streams import FLOW, name_of


@dataclass(frozen=True)
class Letter:
    """A dead letter with where it lies: `stream` is the key of its shard."""

    stream: str
    group: str
    entry: str
    content: dict[str, Any]
    raw: bytes

    @property
    def name(self) -> str:
        """Return what `show`, `redrive` and `drop` call it."""
        return f"{self.stream}/{self.group}/{self.entry}"


async def letters(redis: Redis, stream: str | None, group: str | None, shards: int = 1) -> list[Letter]:
    """Return the dead letters of the given stream (or one shard of it, by its key) and group, or of all."""
    found: list[Letter] = []
    for key, each_group in group_keys(shards):
        if stream in (None, key, name_of(key)) and group in (None, each_group):
            kept = await entries(redis, dead_key(key, each_group))
            found += [_letter(key, each_group, each) for each in kept]
    return found


def chosen(all_letters: list[Letter], names: list[str]) -> list[Letter]:
    """Return the letters named by entry id or full name; all when no name is given."""
    return [each for each in all_letters if not names or each.name in names or each.entry in names]


async def redrive(redis: Redis, picked: list[Letter]) -> int:
    """Give letters another life: to the group's retry stream with attempt 0; return how many.

    Appending and removing are one step, so that a letter is never lost and never doubled.
    """
    for each in picked:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xadd(retry_key(each.stream, each.group), {"__data__": alive(each.raw)})
            pipe.xdel(dead_key(each.stream, each.group), each.entry)
            await pipe.execute()
    return len(picked)


def alive(raw: bytes) -> bytes:
    """Return an event without the marks of its failures; what is no event stays as it is. Pure."""
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw
    if not isinstance(event, dict):
        return raw
    event.pop("reason", None)
    return orjson.dumps(event | {"attempt": 0})


async def drop(redis: Redis, picked: list[Letter]) -> int:
    """Throw letters away; return how many there were."""
    gone = 0
    for each in picked:
        gone += int(await redis.xdel(dead_key(each.stream, each.group), each.entry))
    return gone


async def newest_letters(redis: Redis, stream: str, group: str, count: int, shards: int = 1) -> list[Letter]:
    """Return a group's newest dead letters, the newest first."""
    found: list[Letter] = []
    for key in FLOW[stream].keys(shards):
        kept = cast("list[Entry]", await redis.xrevrange(dead_key(key, group), count=count))
        found += [_letter(key, group, each) for each in kept]
    return sorted(found, key=lambda each: tuple(map(int, each.entry.split("-"))), reverse=True)[:count]


async def one_letter(redis: Redis, stream: str, group: str, entry: str) -> Letter | None:
    """Return one dead letter, None if it is not there any more."""
    found = await entries(redis, dead_key(stream, group), entry, entry)
    return _letter(stream, group, found[0]) if found else None


def _letter(stream: str, group: str, found: Entry) -> Letter:
    entry, fields = found
    return Letter(stream, group, entry.decode(), letter(fields), fields.get(b"__data__", b""))
