"""Whose text an entry holds."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.bus.erasures import author_subject, doomed, subjects
from shared.events import Post, PostDeleted, PostIngested, said
from tests.contract import speech

json = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text(),
    lambda of: some.lists(of) | some.dictionaries(some.text() | some.sampled_from(["data", "post", "post_id"]), of),
)


def of(data: Any) -> set[str]:
    """The subjects of an event with this payload."""
    return subjects(orjson.dumps({"data": data}))


def test_a_post_belongs_to_itself_and_its_author() -> None:
    post = Post(post_id="p1", platform="forum", external_id="1", text="x", author="abc")
    event = said(PostIngested(post=post), by="ingest", cause="c")
    assert subjects(event.wire()) == {"p1", author_subject("forum", "abc")} == {"p1", "author:forum:abc"}


def test_a_post_without_an_author_belongs_to_itself() -> None:
    assert of({"post": {"post_id": "p1", "platform": "forum", "text": "x"}}) == {"p1"}


def test_a_correction_belongs_to_its_post() -> None:
    assert subjects(speech.corrected(1, name="a").wire()) == {speech.post(1).post_id}


def test_what_names_no_post_belongs_to_nobody() -> None:
    # a correction of a bare text; otherwise erasing a post called "None" would take all of them along
    assert of({"text": "x", "verdict": "incorrect"}) == set()
    assert of({"text": "x", "post_id": None}) == set()


def test_an_erasure_of_an_author_is_about_the_author() -> None:
    erased = PostDeleted(platform="forum", author="abc", deleted_at=speech.at(0))
    assert author_subject("forum", "abc") in subjects(said(erased, by="ingest", cause="c").wire())


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"1", b'"data"', b"{}", b'{"data": null}', b'{"data": [1]}'])
def test_what_is_no_event_belongs_to_nobody(raw: bytes) -> None:
    assert subjects(raw) == set()


@given(some.binary() | json.map(orjson.dumps) | json.map(lambda data: orjson.dumps({"data": data})))
def test_nothing_makes_it_raise(raw: bytes) -> None:
    assert all(isinstance(each, str) for each in subjects(raw))


@pytest.mark.parametrize(
    ("created_at", "theirs"),
    [("2026-01-01T00:00:00Z", True), (None, True), ("no date", True), ("2026-01-03T00:00:00+00:00", False)],
)
def test_what_an_author_wrote_after_the_erasure_stays_unless_it_was_asked_for_itself(
    created_at: str | None, theirs: bool
) -> None:
    asked = datetime(2026, 1, 2, tzinfo=UTC).timestamp() * 1000
    post = {"post_id": "p1", "platform": "forum", "author": "abc", "created_at": created_at}
    raw = orjson.dumps({"data": {"post": post}})
    author = author_subject("forum", "abc")
    assert doomed(raw, {author: asked, "other": asked}) == ({author} if theirs else set())
    assert doomed(raw, {author: asked, "p1": asked}) == ({author, "p1"} if theirs else {"p1"})
