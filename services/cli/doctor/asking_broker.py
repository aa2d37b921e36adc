"""What the broker says of itself, of streams and groups, and of the processes that speak through it.

Invariant: nothing on it is changed; of events only ids, counts and reasons are kept.
"""

from collections import Counter
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.cli.doctor.facts import Broker, Consumer, Group, Length, Letters, Running
from shared.bus.cluster import on_primaries, servers
from shared.bus.entries import entries
from shared.bus.erasures import all_pending, server_millis
from shared.bus.groups import OldServer, WrongKeyType, check_key_types, check_server, unknown_groups
from shared.bus.keys import retry_key
from shared.bus.letters import newest_letters
from shared.bus.metrics import GroupState, parts_of, sweep
from shared.bus.presence import processes
from shared.bus.shards import flow_keys, group_keys
from shared.clock import millis
from shared.settings import BusSettings

KEPT_BY_NODES = 1000
"""The janitor trims whole nodes of a stream, so this many settled entries may outlive their time."""
HELD_READ = 100
LETTERS_READ, REASONS_SHOWN, REASON_CHARACTERS = 1000, 3, 80
TOLD = ("appendfsync", "stream-node-max-entries", "slowlog-log-slower-than")


async def examine_broker(redis: Redis, bus: BusSettings) -> dict[str, Any]:
    """Return the facts that come from the broker, by their names in Facts. Raises RedisError if it is away."""
    states = await sweep(redis, group_keys(bus.shards), gauges=False)
    there = [each for each in states if not each.missing]
    return {
        "broker": await _server(redis, bus.shards),
        "groups": tuple(
            Group(each.stream, each.group, each.lag, each.missing, each.oldest_s, each.oldest_pending_s)
            for each in states
        ),
        "unknown_groups": tuple(await unknown_groups(redis, bus.shards)),
        "consumers": tuple([each for part in parts_of(there) for each in await _consumers(redis, part, bus)]),
        "letters": tuple([each for state in states if state.dead for each in await _letters(redis, state, bus.shards)]),
        "lengths": tuple([await _length(redis, key, states, bus) for key in flow_keys(bus.shards)]),
        "processes": await _processes(redis),
    }


async def _server(redis: Redis, shards: int) -> Broker:
    all_about = await on_primaries(redis, "INFO", "server", "memory", "persistence")
    about: dict[str, Any] = all_about[0]
    told = dict.fromkeys(TOLD) | await _configuration(redis)
    asked = await all_pending(redis, shards)
    now = await server_millis(redis)
    new_enough, wrong = True, None
    try:
        await check_server(redis)
        await check_key_types(redis, shards)
    except OldServer:
        new_enough = False
    except WrongKeyType as error:
        wrong = str(error)
    writes = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    name = about.get("server_name", "redis")
    return Broker(
        release=f"{name} {about.get('valkey_version', about['redis_version'])}",
        new_enough=new_enough,
        append_only=all(bool(each.get("aof_enabled")) for each in all_about),
        writes_well=all(each.get(name, "ok") == "ok" for each in all_about for name in writes),
        policy=str(about.get("maxmemory_policy", "unknown")),
        used=sum(int(each["used_memory"]) for each in all_about),
        limit=sum(int(each.get("maxmemory", 0)) for each in all_about),
        ahead_ms=now - millis(),
        fsync=told["appendfsync"],
        node_entries=_number(told["stream-node-max-entries"]),
        slow_log_us=_number(told["slowlog-log-slower-than"]),
        wrong_keys=wrong,
        oldest_erasure_s=max(0.0, (now - min(asked.values())) / 1000) if asked else 0.0,
    )


async def _configuration(redis: Redis) -> dict[str, str]:
    with suppress(RedisError):  # a managed broker keeps it to itself
        told: dict[str, str] = {}
        for ask in await servers(redis):
            found: dict[Any, Any] = await ask("CONFIG GET", *TOLD)
            told |= {_text(name): _text(value) for name, value in found.items()}
        return told
    return {}


async def _consumers(redis: Redis, state: GroupState, bus: BusSettings) -> list[Consumer]:
    """Return who holds entries that should have been taken over: a heartbeat keeps those of the living young."""
    held: dict[tuple[str, str], list[int]] = {}
    for key in (state.stream, retry_key(state.stream, state.group)):
        with suppress(RedisError):  # it may have gone meanwhile
            idle = int(bus.reclaim_idle_s * 1000)
            for each in await redis.xpending_range(key, state.group, "-", "+", HELD_READ, idle=idle):
                held.setdefault((key, _text(each["consumer"])), []).append(int(each["time_since_delivered"]))
    return [Consumer(key, state.group, name, len(ages), max(ages) / 1000) for (key, name), ages in held.items()]


async def _letters(redis: Redis, state: GroupState, shards: int) -> list[Letters]:
    found = await newest_letters(redis, state.stream, state.group, LETTERS_READ, shards)
    why = Counter(f"{each.content['error']} ({each.content['reason'][:REASON_CHARACTERS]})" for each in found)
    return [Letters(state.stream, state.group, error, count) for error, count in why.most_common(REASONS_SHOWN)]


async def _length(redis: Redis, stream: str, states: list[GroupState], bus: BusSettings) -> Length:
    length, overdue = int(await redis.xlen(stream)), 0.0
    behind = any(each.stream == stream and (each.lag or each.pending) for each in parts_of(states))
    if length >= KEPT_BY_NODES and not behind:
        oldest = (await entries(redis, stream, count=KEPT_BY_NODES))[-1][0].decode()
        age = (await server_millis(redis) - int(oldest.partition("-")[0])) / 1000
        overdue = max(0.0, age - bus.retain_for_s)
    return Length(stream, length, bus.fuse, overdue)


async def _processes(redis: Redis) -> tuple[Running, ...]:
    now = await server_millis(redis)
    return tuple(
        Running(
            each.name,
            each.services,
            each.version,
            max(0.0, (now - each.said_ms) / 1000),
            each.ahead_ms,
            each.not_ready,
            each.not_alive,
        )
        for each in await processes(redis)
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)
