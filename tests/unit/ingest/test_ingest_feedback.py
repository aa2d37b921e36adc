"""What people may say about a score, and what it means."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from pydantic import ValidationError

from services.ingest.feedback import FeedbackIn, RatingIn, aware, corrected, rated, spoken, verdict_of
from shared.vocabulary import CATEGORIES, FeedbackType, Standing, Verdict

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def say(**fields: Any) -> FeedbackIn:
    """Feedback on post p."""
    return FeedbackIn(**{"post_id": "p", **fields})


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"verdict": "correct"}, Verdict.CORRECT),
        ({"verdict": "unsure", "feedback_type": "false_positive"}, Verdict.UNSURE),
        ({"feedback_type": "false_positive"}, Verdict.INCORRECT),
        ({"feedback_type": "false_negative"}, Verdict.INCORRECT),
        ({"expected_categories": ["insult"], "actual_categories": ["insult"]}, Verdict.CORRECT),
        ({"expected_categories": ["insult", "toxic"], "actual_categories": ["toxic", "insult"]}, Verdict.CORRECT),
        ({"expected_categories": ["insult"], "actual_categories": ["toxic"]}, Verdict.INCORRECT),
        ({"expected_categories": ["insult"]}, Verdict.INCORRECT),
        ({}, Verdict.INCORRECT),
    ],
    ids=str,
)
def test_a_verdict_is_what_was_said_or_follows_from_it(fields: dict[str, Any], verdict: Verdict) -> None:
    assert verdict_of(say(**fields)) is verdict


def test_a_person_speaks_about_what_they_name() -> None:
    assert spoken(say(expected_categories=["insult"], actual_categories=["toxic", "insult"])) == ("toxic", "insult")
    assert spoken(say(spoke_about=["threat", "toxic", "threat"], expected_categories=["insult"])) == ("toxic", "threat")
    assert spoken(say(spoke_about="all")) == CATEGORIES
    assert spoken(say(spoke_about=[], expected_categories=["insult"])) == ()
    assert spoken(say()) == ()


@given(some.lists(some.sampled_from(CATEGORIES)), some.lists(some.sampled_from(CATEGORIES)))
def test_what_nobody_named_stays_unknown(expected: list[str], actual: list[str]) -> None:
    found = spoken(say(expected_categories=expected, actual_categories=actual))
    assert set(found) == set(expected) | set(actual)
    assert list(found) == sorted(found, key=CATEGORIES.index)


@pytest.mark.parametrize(
    "fields",
    [
        {"post_id": None},
        {"post_id": ""},
        {"post_id": "x" * 65},
        {"expected_categories": ["weather"]},
        {"actual_categories": ["weather"]},
        {"spoke_about": ["weather"]},
        {"spoke_about": "some"},
        {"verdict": "maybe"},
        {"feedback_type": "typo"},
        {"standing": "king"},
        {"batch_id": "x" * 129},
        {"language": "x" * 36},
        {"text": ""},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        say(**fields)


@pytest.mark.parametrize("about", [{"post_id": "p"}, {"text": "x"}, {"retracts": "c"}], ids=str)
def test_feedback_is_about_a_post_a_text_or_an_earlier_word(about: dict[str, str]) -> None:
    assert FeedbackIn(**about).standing is Standing.REVIEWER  # type: ignore[arg-type]


def test_a_moment_is_kept_in_utc() -> None:
    assert aware(datetime(2026, 11, 14, 12, 0), NOW) == datetime(2026, 11, 14, 12, 0, tzinfo=UTC)
    found = aware(datetime.fromisoformat("2026-11-14T12:00:00+02:00"), NOW)
    assert (found, found.tzinfo) == (datetime(2026, 11, 14, 10, 0, tzinfo=UTC), UTC)
    assert aware(None, NOW) is NOW


zones = some.none() | some.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)


@given(some.datetimes(timezones=zones))
@example(datetime.fromisoformat("0001-01-01T00:00:00+02:00"))
@example(datetime.fromisoformat("9999-12-31T23:59:59-02:00"))
def test_every_moment_that_can_be_written_down_is_refused_or_kept(moment: datetime) -> None:
    try:
        feedback, rating = say(timestamp=moment), RatingIn(post_id="p", rating=1, timestamp=moment)
    except ValidationError:
        return
    assert corrected(feedback, correction_id="c", reviewer="r", now=NOW).corrected_at.tzinfo is UTC
    assert rated(rating, rater="r", now=NOW).rated_at.tzinfo is UTC


def test_a_correction_carries_everything_that_was_said() -> None:
    feedback = say(
        feedback_type="false_negative",
        expected_categories=["threat", "insult", "threat"],
        actual_categories=["toxic"],
        standing="author",
        batch_id="b",
        language="nl",
        sampled=True,
        timestamp="2026-11-14T12:00:00+02:00",
    )
    data = corrected(feedback, correction_id="c", reviewer="r", now=NOW)
    assert data.model_dump() == {
        "correction_id": "c",
        "post_id": "p",
        "text": None,
        "language": "nl",
        "verdict": Verdict.INCORRECT,
        "feedback_type": FeedbackType.FALSE_NEGATIVE,
        "expected_categories": ("insult", "threat"),
        "actual_categories": ("toxic",),
        "spoke_about": ("toxic", "threat", "insult"),
        "reviewer": "r",
        "standing": Standing.AUTHOR,
        "batch_id": "b",
        "retracts": None,
        "weak": None,
        "sampled": True,
        "corrected_at": datetime(2026, 11, 14, 10, 0, tzinfo=UTC),
        "version": None,
        "hold_until": None,
    }


def test_taking_back_names_the_earlier_correction() -> None:
    data = corrected(FeedbackIn(retracts="c1"), correction_id="c2", reviewer="r", now=NOW)
    assert (data.retracts, data.post_id, data.corrected_at) == ("c1", None, NOW)


@pytest.mark.parametrize("rating", [-1, 5, 1.5, "bad"])
def test_a_rating_is_zero_to_four_or_unsure(rating: Any) -> None:
    with pytest.raises(ValidationError):
        RatingIn(post_id="p", rating=rating)
    with pytest.raises(ValidationError):
        RatingIn.model_validate({"post_id": "p"})
    assert [rated(RatingIn(post_id="p", rating=n), rater="r", now=NOW).rating for n in (0, 4, None)] == [0, 4, None]
