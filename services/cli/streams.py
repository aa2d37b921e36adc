"""`ombud streams` and `ombud dead-letters`: what the broker holds, and how to get an event out of the dead letters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from shared.bus.commit import letter
from shared.bus.entries import entries
from shared.bus.groups import unknown_groups
from shared.bus.keys import dead_key, retry_key
from shared.bus.metrics import GroupState, sweep
from shared.streams import groups

AT_ONCE = 500


@dataclass(frozen=True)
class Letter:
    """A dead letter with where it lies."""

    stream: str
    group: str
    entry: str
    content: dict[str, Any]
    raw: bytes

    @property
    def name(self) -> str:
        """Return what `show`, `redrive` and `drop` call it."""
        return f"{self.stream}/{self.group}/{self.entry}"


async def states(redis: Redis) -> tuple[list[GroupState], list[tuple[str, str]]]:
    """Return how every group stands, and groups that FLOW does not know."""
    return await sweep(redis, groups()), await unknown_groups(redis)


async def letters(redis: Redis, stream: str | None, group: str | None) -> list[Letter]:
    """Return the dead letters of the given stream and group, or of all."""
    found = []
    for each_stream, each_group in groups():
        if stream in (None, each_stream) and group in (None, each_group):
            for entry, fields in await entries(redis, dead_key(each_stream, each_group)):
                raw = fields.get(b"__data__", b"")
                found.append(Letter(each_stream, each_group, entry.decode(), letter(fields), raw))
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


Act = Callable[[Redis, list[Letter]], Awaitable[int]]


async def act_on(redis: Redis, act: Act, names: list[str], stream: str | None, group: str | None) -> int:
    """Do something with the letters that are named, or with all that stream and group select."""
    return await act(redis, chosen(await letters(redis, stream, group), names))
