"""Where to go on in a Jetstream: from a saved cursor to an address, and back from what was heard. Pure.

Invariant: an address never asks for a later place than the cursor says; what comes again is a repetition, no harm.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from services.ingest.jetstream_frames import EPOCH, Heard
from services.ingest.sources import Jetstream

HOSTS = {
    "v1": "wss://jetstream2.us-east.bsky.network/subscribe",
    "v2": "wss://jetstream.us-east.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents",
}
KINDS = ("commit", "account", "sync")
MICROSECOND = timedelta(microseconds=1)
STEP_BACK = timedelta(seconds=1)
"""Frames of one commit may share a time, and not every host of the v1 wire sends the first of them again."""
OTHER_HOST = timedelta(minutes=1)
"""Sequence numbers are local to a host; another one saw the same events at about the same time."""
QUIET = timedelta(minutes=5)
"""The whole network is never silent for as long: somebody's account or posts change every second."""
Cursor = Mapping[str, Any]


def host(source: Jetstream) -> str:
    """Return the address a source is read from."""
    return source.url or HOSTS[source.wire]


def address(source: Jetstream, cursor: Cursor | None) -> str:
    """Return the address with filter and cursor in the words of the source's wire."""
    names = ("wantedCollections", "wantedDids") if source.wire == "v1" else ("collections", "dids")
    wanted = list(zip(names, (source.collections, source.dids), strict=True))
    if source.wire == "v2":
        wanted.append(("kinds", KINDS))
    query = [(name, value) for name, values in wanted for value in values]
    if cursor:
        query.append(("cursor", str(_start(source, cursor))))
    parts = urlsplit(host(source))
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(query))))))


def _start(source: Jetstream, cursor: Cursor) -> int:
    """Return a sequence number for the host that gave it, microseconds since 1970 for any other, and on v1."""
    same = _same(source, cursor)
    if same and source.wire == "v2" and cursor.get("seq") is not None:
        return int(cursor["seq"])
    return int(cursor["time_us"]) - (STEP_BACK if same else OTHER_HOST) // MICROSECOND


def _same(source: Jetstream, cursor: Cursor) -> bool:
    return cursor.get("host") == host(source) and cursor.get("wire") == source.wire


def cursor_after(source: Jetstream, heard: Heard, before: Cursor | None = None) -> dict[str, Any]:
    """Return where to go on once everything up to this frame is durable.

    What came again because an address steps back does not take the cursor back: else who is killed again and again
    right after a connection would drift into the past.
    """
    stepped_back = before and source.wire == "v1" and _same(source, before)
    if before and stepped_back and timedelta(0) < time_of(before) - heard.at <= STEP_BACK:
        return dict(before)
    time_us = (heard.at - EPOCH) // MICROSECOND
    return {"host": host(source), "wire": source.wire, "time_us": time_us, "seq": heard.seq}


def time_of(cursor: Cursor) -> datetime:
    """Return the moment a cursor stands at."""
    return EPOCH + int(cursor["time_us"]) * MICROSECOND


def was_clamped(source: Jetstream, cursor: Cursor, first: Heard) -> bool:
    """Return whether a v1 host, which says nothing, no longer had what the cursor asks for."""
    return source.wire == "v1" and not source.dids and first.at - time_of(cursor) > QUIET
