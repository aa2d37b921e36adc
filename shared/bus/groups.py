"""Streams and groups are made before anything reads: at 0, so that what was said before the first start is heard."""

from collections.abc import Iterable

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.keys import dead_key, delay_key, retry_key
from shared.streams import FLOW
from shared.streams import groups as flow_groups

log = structlog.get_logger("ombud.bus")

MIN_SERVER = 7
"""Lag of groups, XAUTOCLAIM that names deleted entries, and scripts with a first line came with Redis 7.0."""


class OldServer(RuntimeError):
    """The broker lacks what the kit is built on."""


class WrongKeyType(RuntimeError):
    """A key of ours holds something else: writing would fail inside a transaction and lose what is said."""


async def ensure_groups(redis: Redis, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Make every missing group of the given (stream, group) pairs, retry streams included; return those made."""
    made = []
    for stream, group in pairs:
        for key in (stream, retry_key(stream, group)):
            try:
                await redis.xgroup_create(key, group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            else:
                made.append((key, group))
    return made


async def check_server(redis: Redis) -> None:
    """Raise OldServer if the broker is older than Redis 7.0 (Valkey says 7.2 and more)."""
    found = str((await redis.info("server"))["redis_version"])
    if int(found.split(".")[0]) < MIN_SERVER:
        raise OldServer(f"the broker is Redis {found}; Redis 7 or Valkey 8 is needed")


async def check_key_types(redis: Redis) -> None:
    """Raise WrongKeyType if any key of the flow exists with another type than the flow needs."""
    wanted = dict.fromkeys(FLOW, b"stream")
    for pair in flow_groups():
        wanted[retry_key(*pair)] = wanted[dead_key(*pair)] = b"stream"
        wanted[delay_key(*pair)] = b"zset"
    async with redis.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        found = await pipe.execute()
    wrong = [key for key, kind in zip(wanted, found, strict=True) if kind not in (b"none", wanted[key])]
    if wrong:
        raise WrongKeyType(f"these keys hold something that is not ours: {', '.join(sorted(wrong))}")


async def unknown_groups(redis: Redis) -> list[tuple[str, str]]:
    """Return groups on our streams that FLOW does not know; they hold the janitor back."""
    known = set(flow_groups())
    found = []
    for stream in FLOW:
        if await redis.exists(stream):
            for info in await redis.xinfo_groups(stream):
                pair = (stream, info["name"].decode())
                if pair not in known:
                    found.append(pair)
    return found
