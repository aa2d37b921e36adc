"""From correction lines to training lines: time zones, masks, unknown names, one line per text, what was taken back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.trainer.feedback import line_of
from services.trainer.harvest import Found, hear, joined, training_lines
from services.trainer.labels import Correction, labels_of
from services.trainer.sets.lines import row_of
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict
from tests.unit.trainer.spoken import NOON

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def line(text: str = "you lot", **fields: Any) -> dict[str, Any]:
    return {"text": text, "feedback_type": "false_positive", "actual_categories": ["insult"]} | fields


def heard(*lines: Any, since: datetime | None = None) -> Found:
    found = Found()
    for number, value in enumerate(lines, 1):
        hear(found, number, value, since)
    return found


def taught(*lines: Any, since: datetime | None = None) -> list[dict[str, Any]]:
    return training_lines(heard(*lines, since=since).said, harvested_at="2026-03-02T00:00:00+00:00", run_id="run")


def test_a_false_positive_on_insult_leaves_eleven_categories_unknown() -> None:
    (found,) = taught(line(timestamp="2026-03-01T12:00:00+01:00"))
    assert found == {
        "text": "you lot",
        "labels": {"insult": 0},
        "source": "platform_feedback",
        "feedback_type": "false_positive",
        "original_prediction": ["insult"],
        "corrected_to": [],
        "harvested_at": "2026-03-02T00:00:00+00:00",
        "corrected_at": "2026-03-01T11:00:00+00:00",
        "run_id": "run",
        "corrections": [],
    }


@pytest.mark.parametrize("kind", list(FeedbackType))
def test_one_rule_counts_for_every_type_of_feedback(kind: str) -> None:
    said = line(feedback_type=kind, expected_categories=["threat"], actual_categories=["insult", "threat"])
    assert taught(said)[0]["labels"] == {"threat": 1, "insult": 0}
    assert taught(said | {"spoke_about": ["racism"]})[0]["labels"] == {"racism": 0}
    whole = taught(said | {"spoke_about": "all"})[0]["labels"]
    assert whole == {category: int(category == "threat") for category in CATEGORIES}


@pytest.mark.parametrize(
    ("timestamp", "counts"),
    [
        ("2026-03-01T00:30:00+02:00", False),
        ("2026-02-28T23:30:00-02:00", True),
        ("2026-03-01", True),
        ("2026-03-01T00:00:00", True),
        ("2026-02-28T23:59:59Z", False),
        (None, True),
        ("", True),
    ],
)
def test_a_day_begins_at_midnight_in_utc_and_who_names_none_is_kept(timestamp: str | None, counts: bool) -> None:
    found = heard(line(timestamp=timestamp), since=MARCH)
    assert (len(found.said), found.too_old) == ((1, 0) if counts else (0, 1))


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (line(timestamp="yesterday"), "timestamp", "timestamp"),
        (line(timestamp=1772323200), "timestamp", "timestamp"),
        (line(timestamp="0001-01-01T00:00:00+14:00"), "timestamp", "timestamp"),
        (line(text=None), "text", "no_text"),
        (line(text=" \n"), "text", "no_text"),
        (line(feedback_type="praise"), "feedback_type", "feedback_type"),
        (line(feedback_type=["other"]), "feedback_type", "feedback_type"),
        (line(expected_categories="insult"), "expected_categories", "no_list"),
        (line(actual_categories=[["insult"]]), "actual_categories", "no_list"),
        (line(id=7), "id", "no_string"),
        (["insult"], "", "no_object"),
        ("insult", "", "no_object"),
    ],
)
def test_a_malformed_line_is_named_by_number_and_field_and_its_neighbours_count(
    value: Any, field: str, reason: str
) -> None:
    found = heard(line("one"), value, line("two"))
    (fault,) = found.malformed
    assert (fault.number, fault.field, fault.reason) == (2, field, reason)
    assert [each.text for each in found.said] == ["one", "two"]


def test_an_unknown_category_is_reported_and_the_known_ones_count() -> None:
    found = heard(line(expected_categories=["rudeness", "threat", "Ünsagbar <script>"]))
    assert found.said[0].labels == {"threat": 1, "insult": 0}
    assert [(each.number, each.field) for each in found.unknown] == [(1, "expected_categories")] * 2
    assert [each.detail for each in found.unknown] == [
        "`rudeness` is none of the twelve categories.",
        "A name is none of the twelve categories.",
    ]
    assert heard(line(actual_categories=["rudeness"])).silent == 1


def test_a_text_has_one_line_and_of_each_category_the_newest_word_counts() -> None:
    older = line("You lot!", timestamp="2026-03-01T10:00:00+02:00", expected_categories=["toxic"], id="a")
    newer = line(timestamp="2026-03-01T09:00:00Z", actual_categories=["toxic"], id="b")
    for order in ([older, newer], [newer, older]):
        (found,) = taught(*order, line(timestamp=None, actual_categories=["toxic"], expected_categories=["threat"]))
        assert found["labels"] == {"toxic": 0, "threat": 1, "insult": 0}
        assert (found["text"], found["original_prediction"], found["corrections"]) == ("you lot", ["toxic"], ["a", "b"])


def test_a_guess_weighs_half_and_takes_nothing_from_a_clear_word() -> None:
    clear, guess = (
        line(timestamp="2026-03-01"),
        line(timestamp="2026-03-02", spoke_about=["insult", "toxic"], weak=True),
    )
    guess |= {"expected_categories": ["insult", "toxic"]}
    for order in ([clear, guess], [guess, clear]):
        (found,) = taught(*order)
        assert (found["labels"], found["weights"]) == ({"toxic": 1, "insult": 0}, {"toxic": 0.5})
    again = joined([found], taught(clear, guess), set())
    assert (again.added, again.replaced) == (0, 0)


def test_the_same_harvest_again_changes_nothing() -> None:
    first = taught(line("one", id="a"), line("two", id="b"))
    again = joined(first, taught(line("two", id="b"), line("one", id="a")), set())
    assert (again.lines, again.added, again.replaced, again.removed) == (tuple(first), 0, 0, 0)


def test_what_an_earlier_harvest_wrote_stays_until_something_newer_is_said_of_its_text() -> None:
    kept = taught(line("one", timestamp="2026-03-02", id="a"), line("two", timestamp="2026-03-02", id="b"))
    new = training_lines(
        heard(
            line("one", timestamp="2026-03-03", actual_categories=["threat"], id="c"),
            line("two", timestamp="2026-03-01", feedback_type="other", expected_categories=["insult"], id="d"),
            line("three", id="e"),
        ).said,
        harvested_at="later",
        run_id="second",
    )
    found = joined(kept, new, set())
    assert (found.added, found.replaced, found.removed) == (1, 2, 0)
    by_text = {each["text"]: each for each in found.lines}
    assert by_text["one"]["labels"] == {"threat": 0, "insult": 0}
    assert (by_text["one"]["run_id"], by_text["one"]["corrections"]) == ("second", ["a", "c"])
    assert by_text["two"]["labels"] == {"insult": 0}  # said later, though it was harvested before
    assert by_text["two"]["feedback_type"] == "false_positive"


def test_a_correction_that_was_taken_back_leaves_no_label_in_an_earlier_harvest() -> None:
    kept = taught(line("one", id="a"), line("two", id="b"))
    found = joined(kept, taught(line("two", id="c", actual_categories=["threat"])), {"a", "b"})
    assert (found.removed, found.added) == (2, 1)
    assert [(each["text"], each["labels"]) for each in found.lines] == [("two", {"threat": 0})]


def test_a_training_line_is_one_for_the_trainer_too() -> None:
    row = row_of("harvest.jsonl", 1, taught(line(expected_categories=["threat"]))[0])
    assert (row.source, {name: mark.label for name, mark in row.marks.items()}) == (
        "platform_feedback",
        {"threat": 1, "insult": 0},
    )


NAMES = st.lists(st.sampled_from([*CATEGORIES[:4], "rudeness"]), max_size=4)
VALUES = st.none() | st.integers() | st.text(max_size=5) | NAMES
LINES = st.fixed_dictionaries(
    {},
    optional={
        "text": VALUES | st.sampled_from(["one", "One!", "two"]),
        "feedback_type": VALUES | st.sampled_from(list(FeedbackType)),
        "expected_categories": VALUES,
        "actual_categories": VALUES,
        "spoke_about": VALUES | st.just("all"),
        "timestamp": VALUES | st.datetimes().map(datetime.isoformat),
        "id": VALUES,
        "weak": st.booleans(),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES | VALUES, max_size=8))
def test_whatever_comes_every_line_is_counted_once_and_no_category_is_made_up(values: list[Any]) -> None:
    found = heard(*values)
    assert found.read == len(values) == len(found.said) + len(found.malformed) + found.silent
    lines = training_lines(found.said, harvested_at="now", run_id="run")
    for each in lines:
        row_of("h.jsonl", 1, each)
    spoken = {name for each in found.said for name in each.labels}
    assert {name for each in lines for name in each["labels"]} == spoken
    again = joined(lines, training_lines(found.said, harvested_at="later", run_id="second"), set())
    assert (list(again.lines), again.added + again.replaced + again.removed) == (lines, 0)


CORRECTIONS = st.builds(
    Correction,
    st.just("c"),
    st.sampled_from([Verdict.CORRECT, Verdict.INCORRECT]),
    st.just(NOON),
    text=st.just("some words"),
    expected=st.lists(st.sampled_from(CATEGORIES), max_size=3).map(tuple),
    actual=st.lists(st.sampled_from(CATEGORIES), max_size=3).map(tuple),
    spoke_about=st.lists(st.sampled_from(CATEGORIES), max_size=3).map(tuple),
    feedback_type=st.sampled_from(FeedbackType),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CORRECTIONS)
def test_a_correction_given_out_and_harvested_says_what_it_said(correction: Correction) -> None:
    given_out = line_of(correction)
    assert given_out is not None
    lines = training_lines(
        heard({name: getattr(given_out, name) for name in given_out.__slots__}).said, harvested_at="now", run_id="r"
    )
    assert [each["labels"] for each in lines] == ([labels_of(correction)] if labels_of(correction) else [])
