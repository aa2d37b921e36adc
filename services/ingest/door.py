"""Lets events in or asks the caller to wait: back-pressure before the append, then once per id.

Invariant: nothing is acknowledged to a caller before the broker has it.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from prometheus_client import Counter

from services.ingest.settings import IngestSettings
from shared.errors import Problem
from shared.events import Event, Payload, said
from shared.runtime import Platform
from shared.streams import stream_of

ADMITTED = Counter(
    "ombud_ingest_admitted_events", "Events let in, by stream and whether they were new.", ["stream", "new"]
)


class Door:
    """Admits what callers bring."""

    def __init__(self, platform: Platform, settings: IngestSettings) -> None:
        self._platform = platform
        self._settings = settings

    def refusal(self, stream: str) -> Problem | None:
        """Return why nothing more is let in for now, if so: 429 behind a backlog, 503 near the fuse."""
        retry = {"Retry-After": str(self._settings.retry_after_s)}
        fuse = self._settings.fuse_share * self._platform.settings.bus.fuse
        if self._platform.length(stream) > fuse and self._platform.backlog(stream) > fuse / 2:
            return Problem(503, "stream_full", "The stream is nearly full; try again later.", headers=retry)
        if self._platform.backlog(stream) > self._settings.backlog_limit:
            return Problem(429, "backlog", "More posts wait than we handle; slow down.", headers=retry)
        return None

    async def admit(self, events: Sequence[Event[Any]]) -> list[bool]:
        """Append events of one stream and return which were new. Raises Problem 429 or 503 with Retry-After."""
        if not events:
            return []
        stream = stream_of(events[0]).name
        if refusal := self.refusal(stream):
            raise refusal
        fresh = await self._platform.publisher.publish_once(events)
        new = sum(fresh)
        ADMITTED.labels(stream, "yes").inc(new)
        ADMITTED.labels(stream, "no").inc(len(fresh) - new)
        return fresh


def spoken_by(request: Request, data: Payload, cause: str) -> Event[Any]:
    """Return the event a request caused; correlation id and trace come from the request."""
    return said(
        data,
        by="ingest",
        cause=cause,
        correlation_id=request.state.correlation_id,
        traceparent=request.state.traceparent,
    )
