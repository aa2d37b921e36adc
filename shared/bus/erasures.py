"""Under which names text is erased, and how that is asked for.

Invariant: asking twice is harmless, so whoever is not sure asks again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.cluster import on_primaries
from shared.bus.keys import ERASURES
from shared.bus.shards import subjects_apart
from shared.errors import Unavailable
from shared.streams import shard_key

AT_ONCE = 1000
AUTHOR = "author:"


def subjects(raw: bytes) -> set[str]:
    """Return what an event's text belongs to: its post id and `author:<platform>:<pseudonym>`. Pure."""
    try:
        data = orjson.loads(raw)["data"]
        post: dict[str, Any] = data.get("post") or data
        names = {str(post["post_id"])} if post.get("post_id") else set()
        if post.get("author"):
            names.add(author_subject(str(post.get("platform")), str(post["author"])))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return set()
    return names


def doomed(raw: bytes, pending: Mapping[str, float]) -> set[str]:
    """Return which pending erasures (subject -> asked for when, ms) an event falls under. Pure.

    What an author wrote after the erasure of everything of theirs is a new post.
    """
    found = subjects(raw) & pending.keys()
    written = _written_ms(raw) if any(map(is_author, found)) else None
    if written is None:
        return found
    return {name for name in found if not (is_author(name) and written > pending[name])}


def _written_ms(raw: bytes) -> float | None:
    try:
        return datetime.fromisoformat(orjson.loads(raw)["data"]["post"]["created_at"]).timestamp() * 1000
    except (KeyError, TypeError, ValueError):
        return None


def author_subject(platform: str, author: str) -> str:
    """Return the name under which an author's erasure is pending."""
    return f"{AUTHOR}{platform}:{author}"


def is_author(subject: str) -> bool:
    """Return whether a subject is an author, not a post."""
    return subject.startswith(AUTHOR)


def author_of(subject: str) -> tuple[str, str]:
    """Return the platform and the pseudonym of an author's subject; a pseudonym holds no colon."""
    platform, _, author = subject.removeprefix(AUTHOR).rpartition(":")
    return platform, author


async def ask_erasure(redis: Redis, *subjects: str, shards: int = 1) -> None:
    """Note that everything of these subjects (post ids, author_subjects) has to leave the streams.

    For what was said already; `Publisher.withdraw` says a deletion and asks in one step. Raises Unavailable.
    """
    try:
        now = await server_millis(redis)
        for shard, names in subjects_apart(subjects, shards).items():
            for start in range(0, len(names), AT_ONCE):
                key = shard_key(ERASURES, shard, shards)
                await redis.zadd(key, dict.fromkeys(names[start : start + AT_ONCE], now))
    except RedisError as error:
        raise Unavailable("broker") from error


async def pending_among(redis: Redis, names: Collection[str], shards: int = 1) -> dict[str, float]:
    """Return which of these subjects are being erased, and since when (ms): what `doomed` asks for."""
    found = dict[str, float]()
    for shard, known in subjects_apart(sorted(names), shards).items():
        for start in range(0, len(known), AT_ONCE):
            some = known[start : start + AT_ONCE]
            scores: Any = await redis.zmscore(shard_key(ERASURES, shard, shards), some)
            found |= {name: float(at) for name, at in zip(some, scores, strict=True) if at is not None}
    return found


async def all_pending(redis: Redis, shards: int = 1) -> dict[str, float]:
    """Return every erasure that is not over: subject -> asked for when, ms."""
    pending = dict[str, float]()
    for shard in range(shards):
        asked: Any = await redis.zrange(shard_key(ERASURES, shard, shards), 0, -1, withscores=True)
        pending |= {name.decode(): float(at) for name, at in asked}
    return pending


async def server_millis(redis: Redis) -> int:
    """Return the broker's time in ms: entry ids are made of it, so what is compared with them has to be, too.

    Clocks of a cluster differ: it is that of the slowest, because no node hands out ids before it any more.
    """
    times: Any = await on_primaries(redis, "TIME")
    return min(int(seconds) * 1000 + int(micros) // 1000 for seconds, micros in times)
