"""Data sets are told by their fields, and of a row only the post is taken."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.cli.layouts import BY_NAME, LAYOUTS, POSTS, Mapper, chosen, fields_of, recognised, unknown

NOTE = {
    "noteId": "1576080654568358821",
    "noteAuthorParticipantId": "A0FA",
    "createdAtMillis": "1664601884868",
    "tweetId": "1575",
    "classification": "NOT_MISLEADING",
    "trustworthySources": "1",
    "summary": "This is &quot;old&quot; news",
}
CIVIL = {
    "id": "239607",
    "comment_text": "Fine by me",
    "target": "0.0",
    "severe_toxicity": "0.0",
    "identity_attack": "0.0",
    "created_date": "2015-09-29 10:50:41.987077+00",
    "publication_id": "2",
    "parent_id": "239606.0",
    "article_id": "26",
}
JIGSAW = {"id": "0000997932d777bf", "comment_text": "Why was this edit undone?", "toxic": "0", "severe_toxic": "0"}
DAVIDSON = {
    "": "0",
    "count": "3",
    "hate_speech": "0",
    "offensive_language": "0",
    "neither": "3",
    "class": "2",
    "tweet": "RT @ada: tea &amp; cake",
}
HATEXPLAIN = {
    "post_id": "1179055004553900032_twitter",
    "annotators": [{"label": "normal", "annotator_id": 1, "target": ["None"]}],
    "rationales": [],
    "post_tokens": ["lovely", "day", "<user>"],
}
HATEXPLAIN_CSV = {
    "comment": "lovely day",
    "label": "normal",
    "Race": "No_race",
    "Religion": "Nonreligious",
    "Gender": "No_gender",
    "Sexual Orientation": "No_orientation",
    "Miscellaneous": "None",
}


def post_of(row: dict[str, Any], number: int = 7) -> tuple[str, Any]:
    """Return which layout a row has, and its post."""
    found = recognised(tuple(row))
    assert found
    return found[0].name, Mapper(found[0], None, "abc").post(row, number)


@pytest.mark.parametrize(
    ("row", "name", "post"),
    [
        (
            NOTE,
            "communitynotes",
            {
                "platform": "communitynotes",
                "external_id": "1576080654568358821",
                "text": 'This is "old" news',
                "author": "A0FA",
                "created_at": "2022-10-01T05:24:44.868000+00:00",
            },
        ),
        (
            CIVIL,
            "civilcomments",
            {
                "platform": "civilcomments",
                "external_id": "239607",
                "text": "Fine by me",
                "reply_to": "239606",
                "created_at": "2015-09-29T10:50:41.987077+00:00",
            },
        ),
        (
            {"text": "Fine by me", "toxicity": 0.0, "severe_toxicity": 0.0, "identity_attack": 0, "sexual_explicit": 0},
            "civilcomments",
            {"platform": "civilcomments", "external_id": "abc-7", "text": "Fine by me"},
        ),
        (
            JIGSAW,
            "jigsaw",
            {"platform": "jigsaw", "external_id": "0000997932d777bf", "text": "Why was this edit undone?"},
        ),
        (
            {"id": "0", "comment_text": "Bu bir deneme", "lang": "tr", "toxic": "0"},
            "jigsaw",
            {"platform": "jigsaw", "external_id": "0", "text": "Bu bir deneme", "language": "tr"},
        ),
        (DAVIDSON, "davidson", {"platform": "davidson", "external_id": "0", "text": "RT @ada: tea & cake"}),
        (
            HATEXPLAIN,
            "hatexplain",
            {"platform": "hatexplain", "external_id": "1179055004553900032_twitter", "text": "lovely day <user>"},
        ),
        (
            HATEXPLAIN_CSV,
            "hatexplain",
            {"platform": "hatexplain", "external_id": "abc-7", "text": "lovely day"},
        ),
        (
            {"Tweet": "hello", "Label": "1", "lang": "English"},
            "posts",
            {"platform": "file", "external_id": "abc-7", "text": "hello"},
        ),
        (
            {"id": 0, "body": "hello", "author": 12, "created_at": "2026-01-01 10:00", "language": None, "score": 3},
            "posts",
            {
                "platform": "file",
                "external_id": "0",
                "text": "hello",
                "author": "12",
                "created_at": "2026-01-01T10:00:00+00:00",
            },
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_data_set_is_told_by_its_fields_and_leaves_its_labels_behind(
    row: dict[str, Any], name: str, post: dict[str, Any]
) -> None:
    assert post_of(row) == (name, post)


def test_the_order_of_fields_and_further_ones_change_nothing() -> None:
    for row in (NOTE, CIVIL, JIGSAW, DAVIDSON, HATEXPLAIN, HATEXPLAIN_CSV):
        turned = {"fold": "1", **dict(reversed(row.items()))}
        assert post_of(turned) == post_of(row)


def test_of_two_fields_that_differ_only_in_case_the_first_counts() -> None:
    assert post_of({"Text": "first", "id": "1", "text": "second"})[1]["text"] == "first"


def test_what_lacks_a_sign_is_something_else() -> None:
    assert recognised(("noteId", "createdAtMillis")) is None
    assert recognised(("weather", "mood")) is None
    assert recognised(()) is None
    found = recognised(("hate_speech", "neither", "tweet"))
    assert found and found[0] is POSTS


def test_an_unknown_file_is_told_what_was_found_and_what_is_known() -> None:
    said = unknown("columns between commas", ("weather", "mood" * 50))
    assert "`weather`" in said and "mood" * 11 not in said
    assert all(layout.name in said for layout in LAYOUTS)
    assert "--text" in said
    assert "summary" in unknown("columns between tabs", ("noteId", "participantId", "helpfulnessLevel"))


def test_a_person_can_name_the_fields() -> None:
    layout = chosen(POSTS, "Utterance", "turn")
    post = Mapper(layout, "chat", "abc").post({"turn": 4, "utterance": "hello", "text": "not this"}, 1)
    assert post == {"platform": "chat", "external_id": "4", "text": "hello"}
    assert chosen(POSTS, None, None).signs == POSTS.signs


def test_a_row_without_an_id_or_a_text_says_so() -> None:
    mapper = Mapper(POSTS, None, "abc")
    assert mapper.post({"id": "", "text": ""}, 3) == {"platform": "file", "external_id": "abc-3", "text": None}
    assert mapper.post(["no", "row"], 3) == ["no", "row"]
    assert mapper.post({"text": "x", "platform": "forum"}, 1)["platform"] == "forum"
    assert Mapper(POSTS, "mine", "abc").post({"text": "x", "platform": "forum"}, 1)["platform"] == "forum"


def test_every_part_a_layout_reads_is_one_it_names() -> None:
    for layout in BY_NAME.values():
        assert set(layout.parse) <= set(layout.parts)
        for signs in layout.signs:
            assert "text" in fields_of(layout, signs), layout.name


json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda of: some.lists(of, max_size=3) | some.dictionaries(some.text(max_size=5), of, max_size=3),
    max_leaves=5,
)
NAMES = sorted({name for layout in LAYOUTS for wanted in layout.parts.values() for name in wanted})


@settings(deadline=None)
@given(some.sampled_from(LAYOUTS), json | some.dictionaries(some.sampled_from(NAMES) | some.text(max_size=9), json))
def test_any_row_becomes_something_the_server_can_judge(layout: Any, row: Any) -> None:
    post = Mapper(layout, None, "abc").post(row, 1)
    assert not isinstance(row, dict) or {"platform", "external_id", "text"} <= set(post)
