"""Corrections as lines and as numbers: what the person said, no more and no less."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO

import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.trainer.feedback import Alike, Position, from_cursor, in_utc, line_of, summarise, to_cursor
from services.trainer.labels import Correction
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FP, FN, OTHER = FeedbackType.FALSE_POSITIVE, FeedbackType.FALSE_NEGATIVE, FeedbackType.OTHER


def correction(**fields) -> Correction:  # type: ignore[no-untyped-def]
    return Correction(
        **{"correction_id": "a", "verdict": Verdict.INCORRECT, "corrected_at": NOON, "text": "You fool"} | fields
    )


def test_a_line_says_what_the_person_said_in_a_stable_order() -> None:
    line = line_of(correction(feedback_type=FP, expected=("toxic", "insult"), actual=("threat", "insult", "threat")))
    assert line is not None
    assert (line.feedback_type, line.timestamp) == ("false_positive", "2026-03-01T12:00:00+00:00")
    assert (line.expected_categories, line.actual_categories) == (["insult", "toxic"], ["insult", "threat"])
    assert line.spoke_about == ["insult", "threat", "toxic"]


def test_one_false_positive_leaves_eleven_categories_unknown() -> None:
    line = line_of(correction(feedback_type=FP, actual=("insult",)))
    assert line is not None
    assert (line.expected_categories, line.spoke_about) == ([], ["insult"])


def test_whoever_says_that_a_score_was_correct_expects_what_it_said() -> None:
    line = line_of(correction(verdict=Verdict.CORRECT, actual=("insult",)))
    assert line is not None
    assert (line.expected_categories, line.spoke_about) == (["insult"], ["insult"])


@pytest.mark.parametrize(
    "gone",
    [
        {"text": None},
        {"text": " \n"},
        {"text": None, "post_text": "You fool", "post_revision": int(NOON.timestamp() * 1000) + 1},
    ],
    ids=["erased", "blank", "edited since"],
)
def test_without_its_text_there_is_no_line(gone) -> None:  # type: ignore[no-untyped-def]
    assert line_of(correction(**gone)) is None


def test_a_correction_of_a_post_has_the_text_of_the_post() -> None:
    line = line_of(correction(text=None, post_id="p", post_text="Nice goal", post_revision=5))
    assert line is not None
    assert line.text == "Nice goal"


def test_pandas_reads_lines_that_were_written_one_by_one() -> None:
    told = [correction(text=text) for text in ("one", 'with "quotes"', "zwei\nZeilen", "😀")]
    file = b"\n".join(orjson.dumps(line_of(each)) for each in told).decode()
    frame = pd.read_json(StringIO(file), lines=True)
    assert list(frame["text"]) == [each.text for each in told]


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T00:30:00", "2026-03-01T00:30:00+00:00"),
        ("2026-03-01T00:30:00+02:00", "2026-02-28T22:30:00+00:00"),
        ("2026-02-28T23:30:00-02:00", "2026-03-01T01:30:00+00:00"),
    ],
)
def test_moments_count_in_utc_and_are_never_relabelled(moment: str, utc: str) -> None:
    assert in_utc(datetime.fromisoformat(moment)).isoformat() == utc


def test_a_moment_that_is_none_in_utc_is_refused() -> None:
    with pytest.raises(ValueError, match="year"):
        in_utc(datetime.min.replace(tzinfo=timezone(timedelta(hours=1))))


@given(some.datetimes(timezones=some.just(UTC)), some.text())
def test_a_cursor_leads_back_to_its_position(at: datetime, correction_id: str) -> None:
    position = Position(at, correction_id)
    assert from_cursor(to_cursor(position)) == position


@given(some.text(alphabet=some.characters(max_codepoint=300)))
def test_no_foreign_cursor_is_more_than_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(from_cursor(text), Position)


def alike(count: int, at: datetime = NOON, **fields) -> Alike:  # type: ignore[no-untyped-def]
    return Alike(correction(**fields), count, at, at + timedelta(hours=count))


def test_the_summary_counts_types_and_mistakes() -> None:
    found = summarise(
        [
            alike(3, feedback_type=FP, expected=(), actual=("insult", "threat")),
            alike(2, NOON - timedelta(days=1), feedback_type=FN, expected=("racism", "insult"), actual=("insult",)),
            alike(1, expected=("toxic",), actual=("sexism",), spoke_about=("toxic",)),
            alike(5, verdict=Verdict.CORRECT, actual=("insult",)),
        ]
    )
    assert found.total == 11
    assert found.by_type == {FP: 3, FN: 2, OTHER: 6}
    wrong = {
        name: (each.false_positive, each.false_negative)
        for name, each in found.by_category.items()
        if each.false_positive or each.false_negative
    }
    assert wrong == {"insult": (3, 0), "threat": (3, 0), "racism": (0, 2), "toxic": (0, 1)}
    assert (found.first, found.last) == (NOON - timedelta(days=1), NOON + timedelta(hours=5))


def test_the_summary_of_nothing_names_every_category() -> None:
    found = summarise([])
    assert (found.total, found.first, found.last) == (0, None, None)
    assert tuple(found.by_category) == CATEGORIES
    assert list(found.by_type) == list(FeedbackType)
