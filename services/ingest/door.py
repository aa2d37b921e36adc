"""Lets events in or asks the caller to wait: back-pressure before the append, then once per id.

Invariant: nothing is acknowledged to a caller before the broker has it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from fastapi import Request
from prometheus_client import Counter
from redis.exceptions import RedisError

from services.ingest.posts import PostIn, all_ingested
from services.ingest.settings import IngestSettings
from shared import ids
from shared.bus.erasures import author_subject
from shared.bus.keys import note_key
from shared.clock import monotonic, utcnow
from shared.errors import Problem, Unavailable
from shared.events import Event, Payload, PostDeleted, said
from shared.runtime import Platform
from shared.streams import stream_of
from shared.vocabulary import DeletionCause, Visibility

ADMITTED = Counter(
    "ombud_ingest_admitted_events", "Events let in, by stream and whether they were new.", ["stream", "new"]
)


@dataclass(frozen=True, slots=True)
class Trail:
    """What ties everything together that one request, or one batch of a collector, led to."""

    correlation_id: str | None = None
    traceparent: str | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the trail of an HTTP request."""
        return cls(request.state.correlation_id, request.state.traceparent)


UNTRACED = Trail()
"""Each event begins a trail of its own."""


class Door:
    """Admits what callers and collectors bring; `salt()` gives the salt of author pseudonyms."""

    def __init__(self, platform: Platform, settings: IngestSettings, salt: Callable[[], str]) -> None:
        self._platform = platform
        self._settings = settings
        self._salt = salt

    def refusal(self, stream: str) -> Problem | None:
        """Return why nothing more is let in for now, if so: 429 behind a backlog, 503 near the fuse."""
        retry = {"Retry-After": str(self._settings.retry_after_s)}
        fuse = self._settings.fuse_share * self._platform.settings.bus.fuse
        if self._platform.length(stream) > fuse and self._platform.backlog(stream) > fuse / 2:
            return Problem(503, "stream_full", "The stream is nearly full; try again later.", headers=retry)
        if self._platform.backlog(stream) > self._settings.backlog_limit:
            return Problem(429, "backlog", "More posts wait than we handle; slow down.", headers=retry)
        return None

    async def room(self, stream: str, patience_s: float) -> None:
        """Wait while the stream has no room, so that the sender slows down. Raises Problem 429 or 503 in the end."""
        until = monotonic() + patience_s
        while refusal := self.refusal(stream):
            if monotonic() > until:
                raise refusal
            await asyncio.sleep(0.2)

    async def admit(self, events: Sequence[Event[Any]]) -> list[bool]:
        """Append events of one stream and return which were new. Raises Problem 429 or 503 with Retry-After."""
        if not events:
            return []
        stream = stream_of(events[0]).name
        if refusal := self.refusal(stream):
            raise refusal
        return await self._append(events)

    async def speak(self, word: Callable[[int], Event[Any]], subject: str, seen: int | None) -> tuple[bool, int]:
        """Append the next word on a subject and return whether it was new and which version stands.

        `word(version)` makes it. Most subjects are spoken about once, so the first try is that nobody has spoken; who
        is refused hears which version stands, and nobody asks for it beforehand. Raises Problem 409 if there is a word
        that who speaks has not `seen` (None: whoever does not say what they saw is next in any case), 429 or 503 with
        Retry-After.
        """
        stands = seen or 0
        while True:
            event = word(1 + stands)
            stream = stream_of(event).name
            if refusal := self.refusal(stream):
                raise refusal
            fresh, stands = await self._platform.publisher.publish_next(event, subject, event.data.version)
            if fresh is not None:
                ADMITTED.labels(stream, "yes" if fresh else "no").inc()
                return fresh, stands
            if seen is not None:
                detail = "Somebody has judged this post since you looked."
                raise Problem(409, "stale_version", detail, field="seen_version", version=stands)

    async def _append(self, events: Sequence[Event[Any]]) -> list[bool]:
        stream = stream_of(events[0]).name
        fresh = await self._platform.publisher.publish_once(events)
        new = sum(fresh)
        ADMITTED.labels(stream, "yes").inc(new)
        ADMITTED.labels(stream, "no").inc(len(fresh) - new)
        return fresh

    def events_of(self, posts: Sequence[PostIn], trail: Trail = UNTRACED) -> list[Event[Any]]:
        """Return the event of each post as it would be admitted; every way in passes here."""
        return all_ingested(
            posts, salt=self._salt(), correlation_id=trail.correlation_id, traceparent=trail.traceparent
        )

    async def take(self, posts: Sequence[PostIn], trail: Trail = UNTRACED) -> list[bool]:
        """Admit posts and return which were new. Raises Problem 429 or 503 with Retry-After."""
        return await self.admit(self.events_of(posts, trail))

    async def take_away(
        self,
        post_id: str,
        cause: DeletionCause,
        trail: Trail = UNTRACED,
        *,
        at: datetime | None = None,
    ) -> str:
        """Tell every service to erase one post's text and return the event's id. A full stream stops no deletion."""
        data = PostDeleted(post_id=post_id, cause=cause, deleted_at=at or utcnow())
        event = spoken(data, f"{post_id}|deleted", trail)
        return await self._withdraw(event, post_id)

    async def take_author_away(
        self,
        platform: str,
        author: str,
        trail: Trail = UNTRACED,
        *,
        cause: DeletionCause = DeletionCause.AUTHOR,
        at: datetime | None = None,
    ) -> str:
        """Tell every service to erase everything of an author (as the platform names them); return the event's id."""
        moment = at or utcnow()
        pseudonym = ids.pseudonym(self._salt(), platform, author)
        data = PostDeleted(platform=platform, author=pseudonym, cause=cause, deleted_at=moment)
        event = spoken(data, f"{platform}|{pseudonym}|{int(moment.timestamp() * 1000)}", trail)
        return await self._withdraw(event, author_subject(platform, pseudonym))

    async def _withdraw(self, event: Event[Any], subject: str) -> str:
        fresh = await self._platform.publisher.withdraw(event, subject)
        ADMITTED.labels(stream_of(event).name, "yes" if fresh else "no").inc()
        return event.id

    async def turn_author(
        self, platform: str, author: str, trail: Trail = UNTRACED, *, hidden: bool, at: datetime
    ) -> str:
        """Say that a platform hides an author's posts for a while, or shows them again; nothing is erased."""
        pseudonym = ids.pseudonym(self._salt(), platform, author)
        visibility = Visibility.HIDDEN if hidden else Visibility.SHOWN
        data = PostDeleted(platform=platform, account=pseudonym, visibility=visibility, deleted_at=at)
        event = spoken(data, f"{platform}|{pseudonym}|{int(at.timestamp() * 1000)}|{visibility}", trail)
        await self._append([event])
        return event.id

    async def take_back(self, event: Event[Any]) -> None:
        """Append that a person takes back what they said. A full stream stops no withdrawal."""
        await self._append([event])

    async def recall(self, channel: str, proofs: Sequence[str]) -> list[str | None]:
        """Return what was noted last of each. Raises Unavailable when the broker cannot be reached."""
        if not proofs:
            return []
        try:
            found: Any = await self._platform.redis.mget([note_key(channel, proof) for proof in proofs])
        except RedisError as error:
            raise Unavailable("broker") from error
        return [None if each is None else each.decode() for each in found]

    async def note(self, channel: str, values: Mapping[str, str], keep_s: int) -> None:
        """Note a short value of each, for the next one that comes. Only after what it speaks of is durable."""
        try:
            async with self._platform.redis.pipeline(transaction=False) as pipe:
                for proof, value in values.items():
                    pipe.set(note_key(channel, proof), value, ex=keep_s)
                await pipe.execute()
        except RedisError as error:
            raise Unavailable("broker") from error


def spoken(data: Payload, cause: str, trail: Trail = UNTRACED) -> Event[Any]:
    """Return the event that a request or a collector caused."""
    return said(data, by="ingest", cause=cause, correlation_id=trail.correlation_id, traceparent=trail.traceparent)
