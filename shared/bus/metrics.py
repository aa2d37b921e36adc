"""What the bus tells Prometheus, and the one look at lag, pending and dead letters that everybody shares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from redis.asyncio import Redis

from shared.bus.keys import dead_key, delay_key, retry_key
from shared.clock import millis
from shared.streams import name_of

LAG = Gauge("ombud_bus_lag_events", "Entries a group has not read yet.", ["stream", "group"])
PENDING = Gauge("ombud_bus_pending_events", "Entries read but not acknowledged.", ["stream", "group"])
DELAYED = Gauge("ombud_bus_delayed_events", "Events waiting for another attempt.", ["stream", "group"])
OLDEST = Gauge("ombud_bus_oldest_pending_seconds", "Age of the oldest unacknowledged entry.", ["stream", "group"])
OLDEST_EVENT = Gauge(
    "ombud_bus_oldest_event_seconds",
    "Age of the oldest event a group has not settled, read or not.",
    ["stream", "group"],
)
FUSE = Gauge("ombud_bus_fuse_events", "Length of a stream; at the fuse its oldest entries go.", ["stream"])
DEAD_LETTERS = Gauge("ombud_bus_dead_letters_events", "Dead letters kept for a group.", ["stream", "group"])
DEAD = Counter("ombud_bus_dead_events", "Events a group gave up on.", ["stream", "group"])
RECLAIMED = Counter("ombud_bus_reclaimed_events", "Entries taken over from a worker that is gone.", ["stream", "group"])
TRIMMED = Counter("ombud_bus_trimmed_events", "Acknowledged entries dropped by the janitor.", ["stream"])
ERASED = Counter("ombud_bus_erased_events", "Entries removed because their post was deleted.", ["stream"])
OLDEST_ERASURE = Gauge("ombud_bus_oldest_erasure_seconds", "Age of the oldest erasure that is not over.")
SCRUBBED = Counter(
    "ombud_bus_scrubs",
    "Times somebody cleaned its files of erased bytes; the broker counts as a service.",
    ["service", "outcome"],
)
LOST = Counter(
    "ombud_bus_lost_events", "Entries or groups that vanished before they were handled.", ["stream", "group"]
)
RESTARTS = Counter("ombud_bus_subscriber_restarts", "Subscribers started again by the watchdog.", ["stream", "group"])
HANDLED = Counter("ombud_bus_handled_events", "Events settled, by outcome.", ["stream", "group", "outcome"])
BATCH_SECONDS = Histogram(
    "ombud_bus_batch_seconds",
    "Time from a batch that was read to its commit.",
    ["stream", "group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


@dataclass(frozen=True, slots=True)
class GroupState:
    """How one group stands on one stream. `missing` means that the group does not exist.

    `oldest_s` is the age of the oldest event it has not settled, whether it was read or not; seconds. `shards` are the
    parts that a sum over a stream's shards is of, each with its key as `stream`.
    """

    stream: str
    group: str
    length: int
    lag: int
    pending: int
    delayed: int
    dead: int
    oldest_pending_s: float
    missing: bool = False
    oldest_s: float = 0.0
    shards: tuple["GroupState", ...] = ()

    @property
    def backlog(self) -> int:
        """Return how many events the group still has before it."""
        return self.lag + self.pending + self.delayed


async def sweep(redis: Redis, groups: Iterable[tuple[str, str]], *, gauges: bool = True) -> list[GroupState]:
    """Return how every given group stands; one round trip, and one more where something waits.

    `groups` are (key, group) pairs; what is said of a stream is the sum over its shards. `gauges`: set them. Who only
    looks leaves them to the service whose group it is.
    """
    pairs = list(groups)
    async with redis.pipeline(transaction=False) as pipe:
        for stream, group in pairs:
            retry = retry_key(stream, group)
            pipe.xlen(stream)
            pipe.xinfo_stream(stream)
            pipe.xinfo_groups(stream)
            pipe.xpending(stream, group)
            pipe.xinfo_groups(retry)
            pipe.zcard(delay_key(stream, group))
            pipe.xlen(dead_key(stream, group))
        answers = await pipe.execute(raise_on_error=False)
    now = millis()
    states = [_state(pair, answers[7 * n : 7 * n + 7], now) for n, pair in enumerate(pairs)]
    unread = await _first_unread(redis, states, [_of(answers[7 * n + 2], pair[1]) for n, pair in enumerate(pairs)])
    states = [
        replace(state, oldest_s=max(state.oldest_pending_s, (now - unread.get(n, now)) / 1000))
        for n, state in enumerate(states)
    ]
    states = _summed(states)
    for state in states if gauges else ():
        _publish(state)
    return states


def parts_of(states: Iterable[GroupState]) -> list[GroupState]:
    """Return how groups stand on each key: the parts of sums, and what is no sum as it is."""
    return [part for state in states for part in state.shards or (state,)]


def _summed(states: Sequence[GroupState]) -> list[GroupState]:
    """Return one state for each stream and group, in the order in which they come first."""
    parts: dict[tuple[str, str], list[GroupState]] = {}
    for state in states:
        parts.setdefault((name_of(state.stream), state.group), []).append(state)
    return [
        some[0]
        if (some[0].stream, len(some)) == (name, 1)
        else GroupState(
            name,
            group,
            length=sum(each.length for each in some),
            lag=sum(each.lag for each in some),
            pending=sum(each.pending for each in some),
            delayed=sum(each.delayed for each in some),
            dead=sum(each.dead for each in some),
            oldest_pending_s=max(each.oldest_pending_s for each in some),
            missing=any(each.missing for each in some),
            oldest_s=max(each.oldest_s for each in some),
            shards=tuple(some),
        )
        for (name, group), some in parts.items()
    ]


async def _first_unread(
    redis: Redis, states: Sequence[GroupState], infos: Sequence[dict[str, Any] | None]
) -> dict[int, int]:
    """Return place in `states` -> when the first entry was said that the group has not read, in ms."""
    behind = [(n, state.stream, info) for n, (state, info) in enumerate(zip(states, infos, strict=True)) if state.lag]
    async with redis.pipeline(transaction=False) as pipe:
        for _, stream, info in behind:
            pipe.xrange(stream, "(" + _text(info["last-delivered-id"]) if info else "-", "+", count=1)
        answers = await pipe.execute(raise_on_error=False) if behind else []
    return {
        n: int(_text(found[0][0]).partition("-")[0])
        for (n, _, _), found in zip(behind, answers, strict=True)
        if isinstance(found, list) and found
    }


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _state(pair: tuple[str, str], answers: list[Any], now_ms: int) -> GroupState:
    stream, group = pair
    length, about, infos, pending, retries, delayed, dead = answers
    info = _of(infos, group)
    if info is None:
        return GroupState(stream, group, _int(length), _int(length), 0, _int(delayed), _int(dead), 0.0, missing=True)
    retry = _of(retries, group) or {}
    oldest = pending.get("min") if isinstance(pending, dict) else None
    age = (now_ms - int(oldest.split(b"-")[0])) / 1000 if oldest else 0.0
    return GroupState(
        stream,
        group,
        _int(length),
        _lag(about, info) + int(retry.get("lag") or 0),
        int(info["pending"]) + int(retry.get("pending") or 0),
        _int(delayed),
        _int(dead),
        max(0.0, age),
    )


def _lag(about: Any, info: dict[str, Any]) -> int:
    """Return how many entries a group has not read.

    Erasing the entry a group read last makes the server say None until it reads the next one. We never remove an
    unread entry, so the difference of the two counters is the truth then.
    """
    if info["lag"] is not None:
        return int(info["lag"])
    added = _int(about["entries-added"]) if isinstance(about, dict) else 0
    return max(0, added - _int(info["entries-read"]))


def _of(infos: Any, group: str) -> dict[str, Any] | None:
    if not isinstance(infos, list):
        return None
    return next((info for info in infos if info["name"] in (group, group.encode())), None)


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _publish(state: GroupState) -> None:
    labels = (state.stream, state.group)
    LAG.labels(*labels).set(state.lag)
    PENDING.labels(*labels).set(state.pending)
    DELAYED.labels(*labels).set(state.delayed)
    OLDEST.labels(*labels).set(state.oldest_pending_s)
    OLDEST_EVENT.labels(*labels).set(state.oldest_s)
    DEAD_LETTERS.labels(*labels).set(state.dead)
    FUSE.labels(state.stream).set(state.length)
