"""`ombud streams` and `ombud dead-letters`: what the broker holds, and how to get an event out of the dead letters."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from shared.bus.groups import unknown_groups
from shared.bus.letters import Letter, chosen, drop, letters, redrive
from shared.bus.metrics import GroupState, parts_of, sweep
from shared.bus.shards import group_keys

__all__ = ["Letter", "act_on", "chosen", "drop", "letters", "redrive", "states"]


async def states(redis: Redis, shards: int) -> tuple[list[GroupState], list[tuple[str, str]]]:
    """Return how every group stands, shard by shard, and groups that FLOW does not know."""
    found = await sweep(redis, group_keys(shards))
    return parts_of(found), await unknown_groups(redis, shards)


Act = Callable[[Redis, list[Letter]], Awaitable[int]]


async def act_on(redis: Redis, act: Act, names: list[str], stream: str | None, group: str | None, shards: int) -> int:
    """Do something with the letters that are named, or with all that stream and group select."""
    return await act(redis, chosen(await letters(redis, stream, group, shards), names))
