"""Reading entries of a stream with the types they really have: redis-py's cover every way a client can decode."""

from typing import cast

from redis.asyncio import Redis

Entry = tuple[bytes, dict[bytes, bytes]]


async def entries(redis: Redis, key: str, start: str = "-", end: str = "+", count: int | None = None) -> list[Entry]:
    """Return entries of a stream, oldest first."""
    return cast("list[Entry]", await redis.xrange(key, min=start, max=end, count=count))


async def last_entry(redis: Redis, key: str) -> bytes | None:
    """Return the id of the newest entry, if there is one."""
    found = cast("list[Entry]", await redis.xrevrange(key, count=1))
    return found[0][0] if found else None
