"""What becomes of a Mastodon status: everything people read of it, and nothing of boosts and private words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.changes import PostGone
from services.ingest.mastodon_posts import Status, change_of, text_of
from services.ingest.posts import check
from tests.support.mastodon import snowflake, status

NOON = datetime(2026, 11, 14, 12, tzinfo=UTC)
NUMBER = snowflake(NOON)
PUBLIC = ("public", "unlisted")


def read(**changed: Any) -> Status:
    return Status.model_validate(status(NUMBER, **changed))


def post(**changed: Any) -> dict[str, Any]:
    change = change_of(read(**changed), PUBLIC, "nl")
    assert isinstance(change, dict)
    return change


def test_a_status_becomes_a_post_that_the_door_takes() -> None:
    change = post(content="<p>Hi <b>all</b></p>", in_reply_to_id="7", edited_at="2026-11-14T12:30:00.000Z")
    assert change == {
        "external_id": NUMBER,
        "text": "Hi all",
        "language": "en",
        "author": "ada",
        "url": f"https://town.example/@ada/{NUMBER}",
        "reply_to": "7",
        "created_at": NOON,
        "edited_at": datetime(2026, 11, 14, 12, 30, tzinfo=UTC),
    }
    assert check({"platform": "town", **change}, 20_480).external_id == NUMBER


def test_people_read_the_warning_first_then_the_text_the_answers_and_the_pictures() -> None:
    text = text_of(
        read(
            spoiler_text="Food ",
            content="<p>Which soup?</p>",
            poll={"options": [{"title": "leek"}, {"title": "pea"}]},
            media_attachments=[{"description": "A pan."}, {"description": None}, {"description": "A spoon."}],
        )
    )
    assert text == "Food\n\nWhich soup?\n\nleek\npea\n\nA pan.\n\nA spoon."


def test_a_picture_is_taken_by_its_description_and_not_without_one() -> None:
    assert post(content="", media_attachments=[{"description": "A pan."}])["text"] == "A pan."
    assert change_of(read(content="<p></p>", media_attachments=[{"description": " "}]), PUBLIC) is None


def test_a_boost_is_skipped() -> None:
    assert change_of(read(reblog=status("1"), content="<p>RT</p>"), PUBLIC) is None


@pytest.mark.parametrize(
    ("visibility", "taken"),
    [("public", True), ("unlisted", True), ("private", False), ("direct", False), ("list", False)],
)
def test_only_what_everybody_may_read_is_taken(visibility: str, taken: bool) -> None:
    assert (change_of(read(visibility=visibility), PUBLIC) is not None) is taken


def test_an_operator_may_take_more() -> None:
    assert change_of(read(visibility="private"), (*PUBLIC, "private")) is not None


def test_an_edit_that_leaves_no_words_takes_the_old_ones_away() -> None:
    edited = "2026-11-14T12:30:00.000Z"
    gone = change_of(read(content="", edited_at=edited), PUBLIC)
    assert gone == PostGone(NUMBER, datetime(2026, 11, 14, 12, 30, tzinfo=UTC))


@pytest.mark.parametrize("language", [None, "", "not a language", "en\n"])
def test_a_status_without_a_language_gets_the_source_s(language: str | None) -> None:
    assert post(language=language)["language"] == "nl"


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "https://a.example/" + "x" * 2048, "https://a\x00"])
def test_an_address_that_is_none_is_left_out(url: str | None) -> None:
    assert post(url=url)["url"] is None


def test_an_id_may_be_a_number() -> None:
    assert Status.model_validate(status(NUMBER) | {"id": 7}).id == "7"
