"""Addresses of review queues: one form, what is wrong is named, a forged place is none."""

from datetime import UTC, date, datetime

import pytest

from services.reporter.console.contexts.reviewing import spoken
from services.reporter.queue import ALL, Filters, Place, ReviewStatus, asked, from_cursor, to_cursor
from shared.vocabulary import FeedbackType, ScoreSource, Verdict

FULL = Filters(
    category=("threat", "insult"),
    account="acct03",
    since=date(2026, 9, 1),
    until=date(2026, 9, 30),
    review_status=ReviewStatus.UNSURE,
    lang="nl",
    source=ScoreSource.LLM,
    min=0.7,
    q="plein & <b>",
    sort="insult",
)


@pytest.mark.check("CON-12")
def test_what_an_address_says_comes_back_in_one_order_without_defaults() -> None:
    assert Filters().query() == ""
    assert asked(FULL.pairs()).filters == FULL
    assert asked(FULL.pairs()).canonical
    turned = asked(reversed(FULL.pairs()))
    assert (turned.filters, turned.canonical) == (FULL, False)
    assert asked([("review_status", "unreviewed"), ("sort", "overall"), ("q", "")]).filters.query() == ""
    assert asked([("review_status", ALL)]).filters.review_status is None


@pytest.mark.check("CON-12")
@pytest.mark.parametrize(
    ("pair", "name"),
    [
        (("category", "rude"), "category"),
        (("from", "soon"), "from"),
        (("min", "2"), "min"),
        (("min", "nan"), "min"),
        (("sort", "luck"), "sort"),
        (("source", "moon"), "source"),
        (("colour", "red"), "colour"),
        (("q", "x" * 201), "q"),
    ],
)
def test_what_is_not_valid_is_named_and_the_rest_counts(pair: tuple[str, str], name: str) -> None:
    found = asked([("lang", "nl"), pair])
    assert (found.filters, found.wrong) == (Filters(lang="nl"), (name,))


def test_a_filter_is_taken_away_and_of_several_categories_one() -> None:
    assert FULL.without("category", "insult").category == ("threat",)
    assert FULL.without("from").since is None
    assert FULL.without("review_status").review_status is ReviewStatus.UNREVIEWED


@pytest.mark.check("CON-13")
def test_a_place_comes_back_exactly_and_a_forged_one_is_none() -> None:
    for value in (0.1 + 0.2, datetime(2026, 9, 30, 19, 14, 5, 123456, tzinfo=UTC)):
        cursor = to_cursor(Place(value, "p"), "overall", "secret")
        assert from_cursor(cursor, "overall", "secret") == Place(value, "p")
        assert from_cursor(cursor, "newest", "secret") is None
        assert from_cursor(cursor, "overall", "another") is None
        assert from_cursor("A" + cursor[1:], "overall", "secret") is None
    assert from_cursor("é?", "overall", "secret") is None


@pytest.mark.check("CON-18")
def test_a_verdict_says_which_categories_were_judged() -> None:
    right = spoken(Verdict.CORRECT, ["insult"], None)
    assert (right.feedback_type, right.expected, right.actual) == (FeedbackType.OTHER, ("insult",), ("insult",))
    wrong = spoken(Verdict.INCORRECT, ["insult", "threat"], None)
    assert (wrong.feedback_type, wrong.expected, wrong.spoke_about) == (
        FeedbackType.FALSE_POSITIVE,
        (),
        ("threat", "insult"),
    )
    missed = spoken(Verdict.INCORRECT, ["insult"], ["insult", "racism"])
    assert (missed.feedback_type, missed.expected, missed.spoke_about) == (
        FeedbackType.FALSE_NEGATIVE,
        ("racism", "insult"),
        "all",
    )
    assert spoken(Verdict.INCORRECT, ["insult"], ["racism"]).feedback_type is FeedbackType.FALSE_POSITIVE
