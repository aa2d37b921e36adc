"""What a platform may send: anything is accepted whole or refused with a reason, and nothing else happens."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from services.ingest.posts import PostIn, Rejection, check, check_many, ingested
from shared import ids
from shared.bus.envelope import reader
from shared.errors import Problem
from shared.events import Event
from shared.streams import FLOW

LIMIT = 20_480
FIELDS = list(PostIn.model_fields)
LEAST = {"external_id": "1", "text": "Goal!"}

scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=50)
json = some.recursive(scalars, lambda of: some.lists(of, max_size=4) | some.dictionaries(some.text(), of, max_size=4))
zones = some.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(timezone)
moments = some.datetimes(timezones=zones | some.just(UTC)).map(datetime.isoformat) | some.integers() | some.floats()
nearly = some.fixed_dictionaries(
    {"external_id": some.text(min_size=1, max_size=20), "text": some.text(min_size=1, max_size=200)},
    optional={
        "platform": some.sampled_from(["forum", "Forum", "", "a" * 65, "a_b-c.d"]),
        "language": some.sampled_from(["nl", "en-GB", "NL", "dutch!", "zh-Hant-TW", ""]),
        "author": some.text(max_size=600),
        "url": some.sampled_from(["https://a", "ftp://a", "javascript:alert(1)", "http://" + "a" * 2050]),
        "reply_to": some.text(max_size=20),
        "created_at": moments | scalars,
        "edited_at": moments | scalars,
    },
)


def problem(raw: Any, limit: int = LIMIT) -> Problem:
    """Why a post is refused."""
    with pytest.raises(Problem) as refused:
        check(raw, limit)
    return refused.value


def outcome(raw: Any) -> PostIn | Problem:
    """What becomes of anything; nothing else may be raised."""
    try:
        return check(raw, LIMIT)
    except Problem as refused:
        return refused


@given(json | some.dictionaries(some.sampled_from(FIELDS), json) | nearly)
def test_anything_is_a_post_or_a_problem(raw: Any) -> None:
    answer = outcome(raw)
    if isinstance(answer, Problem):
        assert answer.status in (413, 422)
        assert answer.reason
        assert answer.detail


@given(nearly)
@example(LEAST | {"created_at": "0001-01-01T00:00:00+14:00"})
@example(LEAST | {"edited_at": "9999-12-31T23:59:59-14:00"})
def test_whatever_is_accepted_can_be_said_heard_and_stored(raw: Any) -> None:
    post = outcome(raw)
    if isinstance(post, Problem):
        return
    event = ingested(post, salt="salt")
    heard = reader(FLOW["posts.ingested"])({b"__data__": event.wire()})
    assert isinstance(heard, Event)
    assert heard.data == event.data
    stored = heard.data.post
    assert "\x00" not in stored.text
    for moment in (stored.created_at, stored.edited_at):
        assert moment is None or moment.astimezone(UTC) == moment  # as shared.db.Moment stores it


@given(nearly)
@example(LEAST | {"edited_at": "1969-07-20T20:17:40Z"})
def test_an_edited_post_is_never_older_than_the_one_that_was_not(raw: Any) -> None:
    post = outcome(raw)
    if isinstance(post, Problem):
        return
    event = ingested(post, salt="salt")
    # the stores start at revision 0, so a lower one would never be scored
    assert event.data.post.revision >= 0


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"text": None}, "string_type", "text"),
        ({"text": 7}, "string_type", "text"),
        ({"text": ""}, "string_too_short", "text"),
        ({"text": " \n\t"}, "text_empty", "text"),
        ({"external_id": ""}, "string_too_short", "external_id"),
        ({"external_id": "x" * 513}, "string_too_long", "external_id"),
        ({"external_id": 1}, "string_type", "external_id"),
        ({"platform": "Forum"}, "string_pattern_mismatch", "platform"),
        ({"platform": "a" * 65}, "string_pattern_mismatch", "platform"),
        ({"language": "dutch!"}, "string_pattern_mismatch", "language"),
        ({"url": "javascript:alert(1)"}, "string_pattern_mismatch", "url"),
        ({"created_at": "2026-11-14T09:30:00"}, "timezone_aware", "created_at"),
        ({"edited_at": "soon"}, "datetime_from_date_parsing", "edited_at"),
        ({"colour": "red"}, "extra_forbidden", "colour"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field_and_the_reason(change: dict[str, Any], reason: str, field: str) -> None:
    refused = problem(LEAST | change)
    assert (refused.status, refused.reason, refused.field) == (422, reason, field)


@pytest.mark.parametrize("missing", ["external_id", "text"])
def test_what_is_required_is_missed_by_name(missing: str) -> None:
    refused = problem({name: value for name, value in LEAST.items() if name != missing})
    assert (refused.status, refused.reason, refused.field) == (422, "missing", missing)


@pytest.mark.parametrize("raw", [None, 7, "text", [], [LEAST], math.nan], ids=str)
def test_what_is_no_object_is_no_post(raw: Any) -> None:
    assert problem(raw).status == 422


def test_the_limit_of_a_text_counts_bytes_of_utf_8() -> None:
    assert check(LEAST | {"text": "é" * 5}, 10).text == "é" * 5
    refused = problem(LEAST | {"text": "é" * 5 + "a"}, 10)
    assert (refused.status, refused.reason, refused.field) == (413, "text_too_long", "text")
    assert "11 bytes, 10 are allowed" in refused.detail


@given(some.text(min_size=12, alphabet=some.characters(categories=["Lu"])))
def test_a_refusal_never_repeats_the_text(text: str) -> None:
    for change in ({"text": [text]}, {"text": text * 2000}, {"url": text}, {"edited_at": text}, {"platform": text}):
        refused = problem(LEAST | change)
        assert text not in repr(refused.body())


def test_a_bad_post_harms_no_other() -> None:
    good, bad = check_many([LEAST, {"text": 1}, LEAST | {"external_id": "2"}, None], LIMIT)
    assert [post.external_id for post in good] == ["1", "2"]
    assert [(each.at, each.field, each.reason) for each in bad] == [
        (1, "external_id", "missing"),
        (3, "", "model_type"),
    ]


def test_of_many_each_refusal_has_the_position_it_was_given() -> None:
    _, bad = check_many([None, LEAST, None], LIMIT, [10, 11, 15])
    assert [each.at for each in bad] == [10, 15]
    assert isinstance(bad[0], Rejection)
    assert check_many([], LIMIT) == ([], [])


def test_an_accepted_post_becomes_an_event_of_its_own_id() -> None:
    sent = LEAST | {"platform": "forum", "author": "Ada", "reply_to": "0", "edited_at": "2026-11-14T10:00:00+01:00"}
    event = ingested(check(sent, LIMIT), salt="salt", correlation_id="c", traceparent=None)
    post = event.data.post
    assert (event.correlationid, event.source, event.subject) == ("c", "ombud/ingest", post.post_id)
    assert post.post_id == ids.post_id("forum", "1")
    assert post.reply_to == ids.post_id("forum", "0")
    assert post.revision == 1_794_646_800_000
    assert post.author == ids.pseudonym("salt", "forum", "Ada")
    assert b"Ada" not in event.wire()


def test_sending_the_same_revision_again_says_the_same_id_whatever_else_changed() -> None:
    first = ingested(check(LEAST, LIMIT), salt="salt")
    again = ingested(check(LEAST | {"text": "Other words", "author": "Bo"}, LIMIT), salt="salt")
    edited = ingested(check(LEAST | {"edited_at": "2026-11-14T10:00:00Z"}, LIMIT), salt="salt")
    elsewhere = ingested(check(LEAST | {"platform": "forum"}, LIMIT), salt="salt")
    assert first.id == again.id
    assert len({first.id, edited.id, elsewhere.id}) == 3


def test_a_nul_that_no_database_stores_becomes_a_sign_that_it_does() -> None:
    assert ingested(check(LEAST | {"text": "a\x00b"}, LIMIT), salt="s").data.post.text == "a\ufffdb"
