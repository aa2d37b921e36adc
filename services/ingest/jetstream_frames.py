"""What Bluesky's Jetstream says, frame by frame, on both wires. Pure.

Invariant: whatever a frame holds, `read` gives what it says or raises Malformed; no frame stops a collector.
Sources: bluesky-social/jetstream (docs/README.md section 5, lexicon subscribeEvents), atproto's word on TIDs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from services.ingest.changes import AuthorGone, AuthorSeen, Change, PostGone

Wire = Literal["v1", "v2"]
V2 = "network.bsky.jetstream.subscribeEvents#"
POSTS = "app.bsky.feed.post"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAST_CLOCK = timedelta(minutes=10)
"""How far a client's clock may be ahead of the server's before its times are not believed."""
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
TID_DIGITS = {digit: value for value, digit in enumerate("234567abcdefghijklmnopqrstuvwxyz")}
LONGEST_ID = 512
KINDS = ("commit", "account", "identity", "sync")


class Malformed(ValueError):
    """A frame that says nothing; `reason` is a stable word for the metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame. `at` and `seq` are its place in the stream; a notice (`info`, `error`) has none."""

    kind: str
    body: Mapping[str, Any]
    did: str = ""
    at: datetime = EPOCH
    seq: int | None = None


def read(raw: bytes | str, wire: Wire) -> Heard:
    """Return what a frame says. Raises Malformed."""
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("not_json") from None
    if not isinstance(frame, dict):
        raise Malformed("not_an_object")
    return _read_v1(frame) if wire == "v1" else _read_v2(frame)


def _read_v1(frame: Mapping[str, Any]) -> Heard:
    kind, time_us = frame.get("kind"), frame.get("time_us")
    if kind not in KINDS:
        raise Malformed("unknown_kind")
    if not isinstance(time_us, int) or not 0 <= time_us < 2**53:
        raise Malformed("no_time")
    return _event(str(kind), frame.get(str(kind)), frame, EPOCH + timedelta(microseconds=time_us))


def _read_v2(frame: Mapping[str, Any]) -> Heard:
    if frame.get("$type") == "error":
        return Heard("error", {"name": _word(frame.get("error"))})
    payload = frame.get("payload")
    if frame.get("$type") != "message" or not isinstance(payload, dict):
        raise Malformed("unknown_kind")
    kind = str(payload.get("$type")).removeprefix(V2)
    if kind == "info":
        return Heard("info", {"name": _word(payload.get("name"))})
    if kind not in KINDS:
        raise Malformed("unknown_kind")
    at, seq = moment(payload.get("witnessedAt")) or moment(payload.get("time")), payload.get("seq")
    if at is None:
        raise Malformed("no_time")
    if not isinstance(seq, int):
        raise Malformed("no_seq")
    return _event(kind, payload if kind == "commit" else payload.get(kind), payload, at, seq)


def _event(kind: str, body: Any, frame: Mapping[str, Any], at: datetime, seq: int | None = None) -> Heard:
    did = frame.get("did")
    if not isinstance(did, str) or not did.startswith("did:") or len(did) > LONGEST_ID:
        raise Malformed("no_did")
    if not isinstance(body, dict):
        raise Malformed("no_body")
    return Heard(kind, body, did, at, seq)


def _word(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", str(value))[:40]


def change_of(heard: Heard, language: str | None = None) -> Change | None:
    """Return what has to be done because of an event, or None if it is no business of ours. Raises Malformed.

    `language` is that of posts which do not say theirs.
    """
    if heard.kind == "account":
        return _of_account(heard)
    if heard.kind != "commit":
        return None
    operation = heard.body.get("operation")
    uri = _uri(heard)
    if operation == "delete":
        return PostGone(uri, heard.at)
    if operation not in ("create", "update"):
        raise Malformed("unknown_operation")
    record = heard.body.get("record")
    if not isinstance(record, dict):
        raise Malformed("no_record")
    text = text_of(record)
    if not text:  # nothing to score; what an edit emptied must not stand with us either
        return PostGone(uri, heard.at) if operation == "update" else None
    return {
        "external_id": uri,
        "text": text,
        "language": _language(record.get("langs")) or language,
        "author": heard.did,
        "url": _url(heard),
        "reply_to": _parent(record.get("reply")),
        "created_at": _believable(moment(record.get("createdAt")), heard.at),
        "edited_at": edited_at(heard) if operation == "update" else None,
    }


def _of_account(heard: Heard) -> Change:
    """Return what becomes of an author; the upstream's time, which every host repeats, tells repetitions."""
    active, at = heard.body.get("active"), moment(heard.body.get("time")) or heard.at
    if not isinstance(active, bool):
        raise Malformed("no_active")
    if not active and heard.body.get("status") == "deleted":
        return AuthorGone(heard.did, at)
    return AuthorSeen(heard.did, at, hidden=not active)


def _uri(heard: Heard) -> str:
    collection, rkey = heard.body.get("collection"), heard.body.get("rkey")
    if not isinstance(collection, str) or not isinstance(rkey, str) or not collection or not rkey:
        raise Malformed("no_key")
    uri = f"at://{heard.did}/{collection}/{rkey}"
    if len(uri) > LONGEST_ID or "\x00" in uri:
        raise Malformed("no_key")
    return uri


def text_of(record: Mapping[str, Any]) -> str:
    """Return what a post says: its text, and what describes its pictures."""
    said = record.get("text")
    parts = [said if isinstance(said, str) else "", *_alts(record.get("embed"))]
    return "\n".join(part for part in parts if part.strip())


def _alts(embed: Any) -> Iterator[str]:
    """Yield the descriptions of images and videos, also of those beside a quoted post (`recordWithMedia`)."""
    if not isinstance(embed, dict):
        return
    media = embed.get("media")
    for place in (embed, media if isinstance(media, dict) else {}):
        images = place.get("images")
        for described in (place, *(images if isinstance(images, list) else ())):
            alt = described.get("alt") if isinstance(described, dict) else None
            if isinstance(alt, str):
                yield alt


def _language(langs: Any) -> str | None:
    first = langs[0] if isinstance(langs, list) and langs else None
    return first if isinstance(first, str) and LANGUAGE.fullmatch(first) else None


def _url(heard: Heard) -> str | None:
    collection, rkey = heard.body["collection"], heard.body["rkey"]
    return f"https://bsky.app/profile/{heard.did}/post/{rkey}" if collection == POSTS else None


def _parent(reply: Any) -> str | None:
    parent = reply.get("parent") if isinstance(reply, dict) else None
    uri = parent.get("uri") if isinstance(parent, dict) else None
    named = isinstance(uri, str) and uri.startswith("at://") and len(uri) <= LONGEST_ID and "\x00" not in uri
    return uri if named else None


def edited_at(heard: Heard) -> datetime:
    """Return when a record was changed: its revision tells to the microsecond, the frame's time is the fallback."""
    return _believable(tid_time(heard.body.get("rev")), heard.at) or heard.at


def tid_time(tid: Any) -> datetime | None:
    """Return the moment in a TID (13 digits of base 32; the upper 53 bits count microseconds), None if it is none."""
    if not isinstance(tid, str) or len(tid) != 13 or not all(digit in TID_DIGITS for digit in tid):
        return None
    value = 0
    for digit in tid:
        value = value << 5 | TID_DIGITS[digit]
    return EPOCH + timedelta(microseconds=value >> 10) if value < 2**63 else None


def moment(value: Any) -> datetime | None:
    """Return an RFC 3339 time in UTC, None if it is none or has no zone."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _believable(found: datetime | None, now: datetime) -> datetime | None:
    """Return a time that a client claims, unless it lies in the future or before all computers."""
    return found if found is not None and EPOCH <= found <= now + FAST_CLOCK else None
