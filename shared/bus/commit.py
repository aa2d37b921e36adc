"""What a handler decided about a batch becomes one atomic step on the broker."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from redis.asyncio import Redis

from shared.bus.cluster import is_cluster
from shared.bus.envelope import Malformed
from shared.bus.erasures import ask_erasure
from shared.bus.keys import dead_key, delay_key, seen_keys
from shared.bus.scripts import script
from shared.bus.shards import key_for
from shared.clock import millis
from shared.events import Event
from shared.settings import BusSettings
from shared.streams import shard_in, stream_of

MALFORMED = "Malformed"


@dataclass(frozen=True, slots=True)
class Done:
    """Handled; `says` is what follows from it, `erase` names what met a tombstone and has to leave the streams."""

    says: Sequence[Event[Any]] = ()
    erase: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """Failed, try again later. `error` is the class of what went wrong."""

    reason: str
    error: str = "Again"


@dataclass(frozen=True, slots=True)
class Dead:
    """Hopeless: goes to the dead letters with the reason."""

    reason: str
    error: str = "Dead"


Outcome = Done | Again | Dead


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a commit: `kind` as commit.lua knows it, the key, the payload and two more values."""

    kind: str
    key: str
    payload: bytes
    last: str = ""
    error: str = ""
    event_id: str = field(default="", compare=False)
    """Of an event that is said; the script does not need it."""


def backoff_s(attempt: int, base_s: float, limit_s: float, jitter: float) -> float:
    """Return the pause before try number `attempt` + 1 (attempt counts from 1): four times longer each time, +-20 %.

    `jitter` is a number in 0..1 that the caller draws.
    """
    return float(min(limit_s, base_s * 4.0 ** (attempt - 1)) * (0.8 + 0.4 * jitter))


def writes_of(
    item: Event[Any] | Malformed,
    outcome: Outcome,
    *,
    origin: str,
    group: str,
    settings: BusSettings,
    now_ms: int,
    jitter: float,
) -> list[Write]:
    """Return what has to be written for one entry. Pure.

    `origin` is the key of the stream of the flow, also for entries that came over its retry stream.
    """
    if isinstance(item, Malformed):
        return [Write("d", dead_key(origin, group), item.raw, item.reason, MALFORMED)]
    if isinstance(outcome, Done):
        shards = settings.shards
        return [Write("x", _key_of(event, group, shards), event.wire(), event_id=event.id) for event in outcome.says]
    failed = item.again(outcome.reason)
    if isinstance(outcome, Dead) or failed.attempt >= settings.attempts:
        return [Write("d", dead_key(origin, group), failed.wire(), outcome.reason, outcome.error)]
    pause = backoff_s(failed.attempt, settings.backoff_base_s, settings.backoff_limit_s, jitter)
    return [Write("z", delay_key(origin, group), failed.wire(), str(now_ms + int(pause * 1000)))]


def _key_of(event: Event[Any], group: str, shards: int) -> str:
    stream = stream_of(event)
    if stream.said_by != group:
        raise ValueError(f"{group} may not say {stream.name}; FLOW gives it to {stream.said_by}")
    return key_for(event, shards)


def arguments(
    stream: str, group: str, fuse: int, writes: Mapping[bytes, Sequence[Write]]
) -> tuple[list[str], list[bytes | str | int]]:
    """Return KEYS and ARGV of commit.lua. Pure."""
    keys = [stream]
    index: dict[str, int] = {}
    argv: list[bytes | str | int] = [group, fuse, len(writes)]
    for entry, rows in writes.items():
        argv += [entry, len(rows)]
        for row in rows:
            if row.key not in index:
                keys.append(row.key)
                index[row.key] = len(keys)
            argv += [row.kind, index[row.key], row.payload, row.last, row.error]
    return keys, argv


class Committer:
    """Settles batches of one group on one server."""

    def __init__(self, redis: Redis, settings: BusSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._commit = script(redis, "commit")
        self._admit = script(redis, "admit")

    async def settle(
        self,
        stream: str,
        group: str,
        entries: Sequence[tuple[bytes, Event[Any] | Malformed, Outcome]],
        *,
        origin: str,
    ) -> int:
        """Write what follows from each entry and acknowledge it; return how many entries were still ours.

        Erasures are asked for first: asking twice is harmless, and a crash before the acknowledgement repeats it.
        """
        erase = {subject for *_, outcome in entries if isinstance(outcome, Done) for subject in outcome.erase}
        if erase:
            await ask_erasure(self._redis, *sorted(erase), shards=self._settings.shards)
        now = millis()
        writes = {
            entry: writes_of(
                item,
                outcome,
                origin=origin,
                group=group,
                settings=self._settings,
                now_ms=now,
                jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
            )
            for entry, item, outcome in entries
        }
        return await self.write(stream, group, writes)

    async def write(self, stream: str, group: str, writes: Mapping[bytes, Sequence[Write]]) -> int:
        """Do the given writes for each entry that is still pending in the group.

        No step spans two shards of a cluster. What is said in another shard is said before, once per event id: a crash
        in between repeats the batch, and the second time it is known there already.
        """
        if is_cluster(self._redis):
            writes = await self._say_elsewhere(shard_in(stream), writes)
        keys, argv = arguments(stream, group, self._settings.fuse, writes)
        return int(await self._commit(keys=keys, args=argv))

    async def _say_elsewhere(
        self, shard: int, writes: Mapping[bytes, Sequence[Write]]
    ) -> Mapping[bytes, Sequence[Write]]:
        """Say what belongs in other shards and return what is left to write in this one."""
        window, said = self._settings.dedup_window_s, dict[str, list[bytes | int]]()
        for rows in writes.values():
            for row in rows:
                if shard_in(row.key) != shard:
                    argv = said.setdefault(row.key, [self._settings.fuse, 2 * window])
                    argv += [UUID(row.event_id).bytes, row.payload]
        for key, argv in said.items():
            await self._admit(keys=[key, *seen_keys(key, millis() / 1000, window)], args=argv)
        if not said:
            return writes
        return {entry: [row for row in rows if shard_in(row.key) == shard] for entry, rows in writes.items()}


def letter(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return a dead letter as people read it: event, reason, class of the error, original entry id."""
    raw = fields.get(b"__data__", b"")
    try:
        event: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        event = raw.decode("utf-8", "replace")
    return {
        "event": event,
        "reason": fields.get(b"reason", b"").decode("utf-8", "replace"),
        "error": fields.get(b"error", b"").decode("utf-8", "replace"),
        "entry": fields.get(b"entry", b"").decode("utf-8", "replace"),
    }
