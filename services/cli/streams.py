"""`ombud streams` and `ombud dead-letters`: what the broker holds, and how to get an event out of the dead letters."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from shared.bus.groups import unknown_groups
from shared.bus.letters import Letter, chosen, drop, letters, redrive
from shared.bus.metrics import GroupState, sweep
from shared.streams import groups

__all__ = ["Letter", "act_on", "chosen", "drop", "letters", "redrive", "states"]


async def states(redis: Redis) -> tuple[list[GroupState], list[tuple[str, str]]]:
    """Return how every group stands, and groups that FLOW does not know."""
    return await sweep(redis, groups()), await unknown_groups(redis)


Act = Callable[[Redis, list[Letter]], Awaitable[int]]


async def act_on(redis: Redis, act: Act, names: list[str], stream: str | None, group: str | None) -> int:
    """Do something with the letters that are named, or with all that stream and group select."""
    return await act(redis, chosen(await letters(redis, stream, group), names))
