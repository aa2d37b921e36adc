"""Entries become events or say why not; nothing raises and nothing is quoted."""

from typing import Any

import orjson
import pytest

from shared.bus.envelope import MAX_EVENT_BYTES, CloudEvents, Malformed, reader
from shared.events import Event, Post, PostIngested, said
from shared.streams import FLOW

READ = reader(FLOW["posts.ingested"])
EVENT = said(
    PostIngested(post=Post(post_id="p", platform="forum", external_id="1", text="swordfish")), by="ingest", cause="c"
)
DOCUMENT: dict[str, Any] = orjson.loads(EVENT.wire())


def reason(raw: bytes) -> str:
    """Why an entry is malformed."""
    read = READ({b"__data__": raw})
    assert isinstance(read, Malformed)
    assert read.raw == raw
    return read.reason


def test_an_event_is_read_as_it_was_said() -> None:
    assert READ({b"__data__": EVENT.wire()}) == EVENT


def test_a_foreign_speaker_may_leave_out_what_has_a_default() -> None:
    least = {"id": "1", "source": "x", "type": EVENT.type, "data": DOCUMENT["data"]}
    read = READ({b"__data__": orjson.dumps(least)})
    assert isinstance(read, Event)
    assert (read.attempt, read.specversion, read.correlationid) == (0, "1.0", None)


def test_more_fields_of_an_entry_are_ignored() -> None:
    assert READ({b"__data__": EVENT.wire(), b"reason": b"x"}) == EVENT


def test_an_entry_without_our_field_keeps_what_it_has() -> None:
    read = READ({b"message": b"\xffhello"})
    assert read == Malformed(orjson.dumps({"message": "\ufffdhello"}), "no field __data__")


@pytest.mark.parametrize(
    ("change", "said_about_it"),
    [
        ({"id": ""}, "ValidationError: id: string_too_short"),
        ({"specversion": "0.3"}, "ValidationError: specversion: literal_error"),
        ({"time": "2026-11-21T10:00:00"}, "ValidationError: time: timezone_aware"),
        ({"type": "ombud.PostScored.v1"}, "type is not ombud.PostIngested.v1"),
        ({"type": "ombud.PostIngested.v2"}, "type is not ombud.PostIngested.v1"),
        ({"data": {"post": {"text": "swordfish"}}}, "ValidationError: data.post.post_id: missing"),
        ({"data": {"post": "swordfish"}}, "ValidationError: data.post: model_type"),
        ({"data": "swordfish"}, "ValidationError: data: model_type"),
        ({"attempt": "swordfish"}, "ValidationError: attempt: int_parsing"),
    ],
    ids=str,
)
def test_what_does_not_parse_says_field_and_kind_and_quotes_nothing(change: dict[str, Any], said_about_it: str) -> None:
    assert reason(orjson.dumps(DOCUMENT | change)) == said_about_it


def test_what_is_no_json_is_malformed() -> None:
    assert reason(b"{swordfish") == reason(b"\xff\xfe") == reason(b"") == "ValidationError: event: json_invalid"


def test_what_is_too_large_is_not_even_parsed() -> None:
    assert reason(b"x" * (MAX_EVENT_BYTES + 1)) == "larger than one MiB"
    assert reason(b"x" * MAX_EVENT_BYTES) == "ValidationError: event: json_invalid"


async def test_faststream_encodes_an_event_as_its_own_document() -> None:
    made = await CloudEvents.encode(message=EVENT, reply_to=None, headers={}, correlation_id="c")
    assert made == EVENT.wire()
    body, headers = CloudEvents.parse(made)
    assert (body, headers) == (made, {"content-type": "application/json"})


async def test_faststream_wraps_anything_else_as_data() -> None:
    made = orjson.loads(
        await CloudEvents.encode(message={"a": 1}, reply_to=None, headers={"source": "x"}, correlation_id="c")
    )
    assert made == {"specversion": "1.0", "correlationid": "c", "source": "x", "data": {"a": 1}}
