"""Streams and groups are made before anything reads: at 0, so that what was said before the first start is heard."""

from collections.abc import Iterable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.cluster import is_cluster, on_primaries
from shared.bus.keys import SHARDS, dead_key, delay_key, retry_key
from shared.bus.shards import flow_keys, group_keys
from shared.streams import FLOW

log = structlog.get_logger("ombud.bus")

MIN_SERVER = 7
"""Lag of groups, XAUTOCLAIM that names deleted entries, and scripts with a first line came with Redis 7.0."""


class OldServer(RuntimeError):
    """The broker lacks what the kit is built on."""


class WrongShards(RuntimeError):
    """The streams have another number of shards than the setting says: what waits in them would not be heard."""


class WrongKeyType(RuntimeError):
    """A key of ours holds something else: writing would fail inside a transaction and lose what is said."""


async def ensure_groups(redis: Redis, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Make every missing group of the given (key, group) pairs, retry streams included; return those made."""
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
    for about in await on_primaries(redis, "INFO", "server"):
        found = str(about["redis_version"])
        if int(found.split(".")[0]) < MIN_SERVER:
            raise OldServer(f"the broker is Redis {found}; Redis 7 or Valkey 8 is needed")


async def check_shards(redis: Redis, shards: int) -> None:
    """Raise WrongShards unless the streams have as many shards as the setting says; remember how many they have."""
    if shards == 1 and is_cluster(redis):
        raise WrongShards("a cluster commits within one slot: set OMBUD_SHARDS to 2 or more")
    noted: Any = await redis.get(SHARDS)
    if noted is None and shards > 1 and not any([await redis.exists(name) for name in FLOW]):
        await redis.set(SHARDS, shards, nx=True)
        noted = await redis.get(SHARDS)
    has = noted.decode() if noted else "1"
    if has != str(shards):
        moved = f"is between two numbers of shards ({has})" if not has.isdigit() else f"has {has} shards"
        raise WrongShards(
            f"the broker {moved}, OMBUD_SHARDS says {shards}: stop every service and run `ombud reshard {shards}`"
        )


async def check_key_types(redis: Redis, shards: int = 1) -> None:
    """Raise WrongKeyType if any key of the flow exists with another type than the flow needs."""
    wanted = dict.fromkeys(flow_keys(shards), b"stream")
    for pair in group_keys(shards):
        wanted[retry_key(*pair)] = wanted[dead_key(*pair)] = b"stream"
        wanted[delay_key(*pair)] = b"zset"
    async with redis.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        found = await pipe.execute()
    wrong = [key for key, kind in zip(wanted, found, strict=True) if kind not in (b"none", wanted[key])]
    if wrong:
        raise WrongKeyType(f"these keys hold something that is not ours: {', '.join(sorted(wrong))}")


async def unknown_groups(redis: Redis, shards: int = 1) -> list[tuple[str, str]]:
    """Return groups on our streams that FLOW does not know; they hold the janitor back."""
    known = set(group_keys(shards))
    found = []
    for key in flow_keys(shards):
        if await redis.exists(key):
            for info in await redis.xinfo_groups(key):
                pair = (key, info["name"].decode())
                if pair not in known:
                    found.append(pair)
    return found
