"""Ids follow from causes alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as some

from shared.ids import NAMESPACE, digest, post_id, pseudonym, revision_of, stable_id


@given(some.lists(some.text() | some.integers(), max_size=4))
def test_an_id_is_the_uuid5_of_its_parts(parts: list[str | int]) -> None:
    assert stable_id(*parts) == str(uuid5(NAMESPACE, "|".join(map(str, parts))))


def test_an_id_that_was_given_out_never_changes() -> None:
    # written down once: whoever changes these loses every id that is stored anywhere
    assert stable_id("cause", "ombud.PostScored.v1", 0) == "9365910a-8613-57ab-a306-232808e17dc2"
    assert post_id("forum", "t-88/4711") == "dff706b8-16d1-5341-8005-ae123d0698aa"


def test_posts_of_two_platforms_have_two_ids() -> None:
    assert post_id("forum", "1") != post_id("mastodon", "1")
    assert UUID(post_id("forum", "1")).version == 5


def test_a_revision_is_the_edit_time_in_milliseconds_whatever_its_zone() -> None:
    edited = datetime(2026, 11, 14, 9, 31, 7, 250_000, UTC)
    assert revision_of(edited) == 1_794_648_667_250
    assert revision_of(datetime.fromisoformat("2026-11-14T11:31:07.250+02:00")) == revision_of(edited)
    assert revision_of(None) == 0 < revision_of(edited) < revision_of(edited + timedelta(milliseconds=1))


def test_a_pseudonym_depends_on_salt_platform_and_author() -> None:
    name = pseudonym("salt", "forum", "ada")
    assert name == pseudonym("salt", "forum", "ada")
    others = {pseudonym("pepper", "forum", "ada"), pseudonym("salt", "chat", "ada"), pseudonym("salt", "forum", "bo")}
    assert name not in others
    assert len(others) == 3
    assert "ada" not in name
    assert len(name) == 32


def test_a_digest_is_sha_256() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
