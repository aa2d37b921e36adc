"""Follows a Bluesky Jetstream over its websocket. The only file that knows websockets.

Invariant: a batch holds every frame since the cursor in order, so that going on from a saved cursor misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
import structlog
from prometheus_client import Counter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from services.ingest.changes import Batch, Change
from services.ingest.jetstream_frames import Heard, Malformed, change_of, read
from services.ingest.jetstream_place import address, cursor_after, time_of, was_clamped
from services.ingest.sources import Jetstream

log = structlog.get_logger("ombud.ingest")

SKIPPED = Counter("ombud_ingest_skipped_frames", "Frames of a stream that say nothing.", ["source", "reason"])
GAPS = Counter("ombud_ingest_stream_gaps", "Times a platform no longer had what we asked for.", ["source"])
DIVERGED = Counter("ombud_ingest_diverged_authors", "Authors whose posts have to be read again.", ["source"])

FRAMES_AT_ONCE = 500
"""Frames of one batch at most: one append on the broker and one move of the cursor for all of them."""
SOON_S = 0.2
"""How long the first frame of a batch waits for others."""
LARGEST_FRAME = 32 * 1024 * 1024
OPEN_S = 15.0
CLOSE_S = 2.0
V2 = Subprotocol("xrpc.v1.json")


class Dropped(Exception):
    """The host ended the connection; the collector goes on from its cursor after a pause."""


class Refused(Exception):
    """The host did not open the connection."""


def following(name: str, source: Jetstream) -> Callable[[Mapping[str, Any] | None], AsyncGenerator[Batch, None]]:
    """Return what follows a source from a cursor (None: from now on) until the connection ends."""

    async def follow(cursor: Mapping[str, Any] | None) -> AsyncGenerator[Batch, None]:
        reading = Reading(name, source, cursor)
        async with await _open(reading) as connection:
            while True:
                batch = reading.batch_of(await _frames(connection, name))
                if batch is not None:
                    yield batch
                if reading.ended is not None:
                    raise Dropped

    return follow


class Reading:
    """One connection: turns frames into batches and notices what is missing."""

    def __init__(self, name: str, source: Jetstream, cursor: Mapping[str, Any] | None) -> None:
        self.name = name
        self.source = source
        self.cursor = cursor
        self.ended: str | None = None
        self._began = False
        self._gap: str | None = None

    def lost(self, reason: str) -> None:
        """Note that the host cannot go on where the cursor stands; the first event tells where it does."""
        self._gap = reason

    def batch_of(self, raws: Sequence[bytes | str]) -> Batch | None:
        """Return what frames bring, up to an error frame; None if they bring nothing, not even a place."""
        changes: list[Change] = []
        last: Heard | None = None
        for raw in raws:
            try:
                heard = read(raw, self.source.wire)
                if heard.kind == "error":
                    self.ended = str(heard.body["name"])
                    log.warning("jetstream ended", source=self.name, reason=self.ended)
                    break
                if heard.kind == "info":
                    self.lost(str(heard.body["name"]))
                    continue
                last = heard
                self._begin(heard.at, heard)
                change = change_of(heard, self.source.language)
            except Malformed as malformed:
                SKIPPED.labels(self.name, malformed.reason).inc()
                continue
            if change is not None:
                changes.append(change)
            elif heard.kind == "sync":
                DIVERGED.labels(self.name).inc()
                log.info("author diverged, read again", source=self.name, author=heard.did)
        return Batch(changes, cursor_after(self.source, last, self.cursor)) if last is not None else None

    def _begin(self, until: datetime, first: Heard) -> None:
        """Say once per connection what is missing before its first event."""
        if self._began:
            return
        self._began = True
        if self.cursor and self._gap is None and was_clamped(self.source, self.cursor, first):
            self._gap = "clamped"
        if self.cursor and self._gap:
            since = time_of(self.cursor).isoformat()
            GAPS.labels(self.name).inc()
            log.warning("gap", source=self.name, reason=self._gap, since=since, until=until.isoformat())


async def _open(reading: Reading) -> ClientConnection:
    """Return a connection that begins at the cursor, or now where the host has no longer what is before."""
    try:
        return await _connect(reading.source, reading.cursor)
    except InvalidStatus as refusal:
        reason = _reason(refusal)
        if reason != "CursorTooOld":
            log.warning("jetstream refused", source=reading.name, status=refusal.response.status_code, reason=reason)
            raise Refused from None
        reading.lost(reason)
        return await _connect(reading.source, None)


async def _connect(source: Jetstream, cursor: Mapping[str, Any] | None) -> ClientConnection:
    return await connect(
        address(source, cursor),
        subprotocols=[V2] if source.wire == "v2" else None,
        compression=None,  # v2 hosts never do it, and for v1 hosts it is the dearest part of serving
        max_size=LARGEST_FRAME,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=source.ping_s,
        ping_timeout=source.ping_s,
        user_agent_header="ombud",
    )


def _reason(refusal: InvalidStatus) -> str:
    try:
        body = orjson.loads(refusal.response.body or b"")
        return str(body["error"])[:40]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unknown"


async def _frames(connection: ClientConnection, name: str) -> list[bytes | str]:
    """Wait for a frame and return it with what follows soon. Raises Dropped."""
    try:
        raws: list[bytes | str] = [await connection.recv(decode=False)]
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        log.info("jetstream closed", source=name, code=code)
        raise Dropped from None
    with suppress(TimeoutError, ConnectionClosed):  # what came before is good; the next call says that it ended
        async with asyncio.timeout(SOON_S):
            while len(raws) < FRAMES_AT_ONCE:
                raws.append(await connection.recv(decode=False))
    return raws
