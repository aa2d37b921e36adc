"""The transition of one record, case by case and in every order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auditor.status.live import Policy, PostRecord, Step, hear
from services.auditor.status.posts import MODEL, REVIEWER, Judgement, status_of_correction
from shared.vocabulary import Standing, Status, Verdict

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Policy(review_from=0.35)
CLEARED, FLAGGED, NEEDS_REVIEW = Status.CLEARED, Status.FLAGGED, Status.NEEDS_REVIEW


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def score(overall: float, minute: int, edited: int = 0, name: str = "s") -> Judgement:
    return Judgement(
        "p",
        MODEL,
        name,
        at(minute),
        f"{name} {overall} {minute} {edited}",
        POLICY.status_of(overall, overall >= 0.5),
        revision=edited,
        edited_at=at(edited) if edited else None,
        model_version=f"v{minute}",
    )


def correction(name: str, status: Status, minute: int) -> Judgement:
    return Judgement("p", REVIEWER, name, at(minute), f"says {name}", status)


def retraction(name: str, minute: int) -> Judgement:
    return Judgement("p", REVIEWER, name, at(minute), f"undo {name}", retracts=True)


def after(*judgements: Judgement) -> tuple[PostRecord, list[Step]]:
    record, changes = PostRecord("p"), list[Step]()
    for judgement in judgements:
        record, steps = hear(record, judgement, POLICY)
        changes += steps
    return record, changes


@pytest.mark.parametrize(
    ("overall", "status"),
    [(0.0, CLEARED), (0.349, CLEARED), (0.35, NEEDS_REVIEW), (0.499, NEEDS_REVIEW), (0.5, FLAGGED), (1.0, FLAGGED)],
)
def test_a_score_flags_clears_or_asks_for_review(overall: float, status: Status) -> None:
    record, changes = after(score(overall, 1))
    assert (record.status, record.rule, record.sequence) == (status, MODEL, 1)
    assert [(change.previous, change.status, change.changed_at) for change in changes] == [(None, status, at(1))]


def test_what_the_classifier_flagged_is_flagged_whatever_the_band_says() -> None:
    assert Policy(review_from=0.9).status_of(0.3, True) is FLAGGED
    assert Policy(review_from=0.2).status_of(0.3, False) is NEEDS_REVIEW


@pytest.mark.parametrize(
    ("verdict", "expected", "actual", "status"),
    [
        (Verdict.INCORRECT, ["insult"], [], FLAGGED),
        (Verdict.INCORRECT, ["insult"], ["threat"], FLAGGED),
        (Verdict.INCORRECT, [], ["threat"], CLEARED),
        (Verdict.INCORRECT, [], [], CLEARED),
        (Verdict.CORRECT, [], ["threat"], FLAGGED),
        (Verdict.CORRECT, [], [], CLEARED),
        (Verdict.CORRECT, ["threat"], ["threat"], FLAGGED),
        (Verdict.UNSURE, [], ["threat"], NEEDS_REVIEW),
        (Verdict.UNSURE, [], [], NEEDS_REVIEW),
    ],
)
def test_a_correction_says_what_the_person_expected(
    verdict: Verdict, expected: list[str], actual: list[str], status: Status
) -> None:
    assert status_of_correction(verdict, expected, actual) is status


def test_a_missed_post_is_flagged_even_if_no_category_was_named() -> None:
    assert status_of_correction(Verdict.INCORRECT, [], [], missed=True) is FLAGGED


def test_an_author_or_reporter_decides_nothing_but_asks_for_a_look() -> None:
    for standing in (Standing.AUTHOR, Standing.REPORTER):
        assert status_of_correction(Verdict.INCORRECT, [], ["insult"], standing=standing) is NEEDS_REVIEW
        assert status_of_correction(Verdict.CORRECT, ["threat"], ["threat"], standing=standing) is NEEDS_REVIEW


def test_a_reviewer_decides_over_an_earlier_and_a_later_score() -> None:
    record, changes = after(score(0.9, 1), correction("c", CLEARED, 2), score(0.8, 3))
    assert (record.status, record.rule) == (CLEARED, REVIEWER)
    assert [change.status for change in changes] == [FLAGGED, CLEARED]
    assert record.held.model is not None
    assert record.held.model.model_version == "v3"


def test_a_reviewer_who_agrees_takes_over_without_a_step_of_the_history() -> None:
    record, changes = after(score(0.9, 1), correction("c", FLAGGED, 2))
    assert (record.rule, record.sequence, len(changes)) == (REVIEWER, 1, 1)


def test_a_late_score_changes_nothing() -> None:
    before, _ = after(score(0.9, 5))
    record, steps = hear(before, score(0.1, 4), POLICY)
    assert record is before
    assert steps == []


def test_a_score_of_an_older_revision_changes_nothing_even_if_made_later() -> None:
    record, changes = after(score(0.9, 5, edited=4), score(0.1, 9))
    assert (record.status, len(changes)) == (FLAGGED, 1)


def test_a_retraction_goes_back_to_the_correction_before_and_then_to_the_model() -> None:
    record, changes = after(
        score(0.1, 1),
        correction("a", FLAGGED, 2),
        correction("b", NEEDS_REVIEW, 3),
        retraction("b", 4),
        retraction("a", 5),
    )
    assert [change.status for change in changes] == [CLEARED, FLAGGED, NEEDS_REVIEW, FLAGGED, CLEARED]
    assert [change.rule for change in changes] == [MODEL, REVIEWER, REVIEWER, REVIEWER, MODEL]
    assert changes[-1].changed_at == at(5)
    assert record.rule == MODEL


def test_the_retraction_of_an_older_correction_leaves_the_newer_one_in_force() -> None:
    record, changes = after(correction("a", FLAGGED, 2), correction("b", CLEARED, 3), retraction("a", 4))
    assert (record.status, len(changes)) == (CLEARED, 2)


def test_a_retraction_that_comes_first_takes_the_correction_back_when_it_comes() -> None:
    record, changes = after(score(0.9, 1), retraction("a", 3), correction("a", CLEARED, 2))
    assert (record.status, record.rule, len(changes)) == (FLAGGED, MODEL, 1)


def test_a_retraction_alone_says_no_status() -> None:
    record, changes = after(retraction("a", 3))
    assert (record.status, changes) == (None, [])


@pytest.mark.parametrize("retraction_first", [True, False])
def test_a_post_known_only_from_a_retracted_correction_needs_review(retraction_first: bool) -> None:
    judgements = [correction("a", FLAGGED, 2), retraction("a", 3)]
    record, _ = after(*(judgements[::-1] if retraction_first else judgements))
    assert (record.status, record.rule, record.held.last_judged_at) == (NEEDS_REVIEW, MODEL, None)


@pytest.mark.parametrize(("corrected", "rule"), [(3, MODEL), (4, REVIEWER), (5, REVIEWER)])
def test_an_edit_voids_only_corrections_made_before_it(corrected: int, rule: str) -> None:
    record, _ = after(score(0.9, 1), correction("c", CLEARED, corrected), score(0.8, 6, edited=4))
    assert record.rule == rule
    assert record.status is (FLAGGED if rule == MODEL else CLEARED)


def test_the_first_status_and_its_time_stay() -> None:
    record, changes = after(score(0.4, 1), correction("a", FLAGGED, 2), correction("b", CLEARED, 3))
    assert (record.first_status, record.first_changed_at, record.changed_at) == (NEEDS_REVIEW, at(1), at(3))
    assert {(change.first_status, change.first_changed_at) for change in changes} == {(NEEDS_REVIEW, at(1))}


MINUTES = st.integers(0, 20)
NAMES = st.sampled_from("abcd")
SCORES = st.builds(score, st.sampled_from([0.1, 0.4, 0.9]), MINUTES, st.sampled_from([0, 5, 10]), NAMES)
CORRECTIONS = st.dictionaries(NAMES, st.tuples(st.sampled_from(Status), MINUTES)).map(
    lambda made: [correction(name, *rest) for name, rest in made.items()]
)
RETRACTIONS = st.lists(st.builds(retraction, st.sampled_from("abcde"), MINUTES), max_size=3)
HEARD = st.tuples(
    st.lists(SCORES, max_size=4, unique_by=lambda each: (each.id, each.judged_at, each.revision)),
    CORRECTIONS,
    RETRACTIONS,
).map(lambda parts: [judgement for part in parts for judgement in part])


def current(record: PostRecord) -> tuple[object, ...]:
    held = record.held
    return record.status, record.rule, held.model, held.corrections, held.last_judged_at


@given(heard=HEARD, data=st.data())
def test_every_order_ends_in_the_same_status(heard: list[Judgement], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(heard))
    assert current(after(*heard)[0]) == current(after(*shuffled)[0])


@given(heard=HEARD, data=st.data())
def test_repeating_changes_nothing(heard: list[Judgement], data: st.DataObject) -> None:
    record, _ = after(*heard)
    for judgement in data.draw(st.permutations(heard)):
        again, steps = hear(record, judgement, POLICY)
        assert steps == []
        assert again == record


@given(heard=HEARD)
def test_the_history_replays_to_the_current_status(heard: list[Judgement]) -> None:
    record, changes = after(*heard)
    status = None
    for number, change in enumerate(changes, 1):
        assert (change.sequence, change.previous) == (number, status)
        assert change.status is not status
        status = change.status
    assert (status, len(changes)) == (record.status, record.sequence)


@given(heard=HEARD, undone=st.integers(0, 2))
def test_the_newest_corrections_are_enough_for_as_many_retractions(heard: list[Judgement], undone: int) -> None:
    record, _ = after(*heard)
    cut = replace(record, held=replace(record.held, corrections=record.held.corrections[: undone + 1]))
    for name in [each.id for each in record.held.corrections[:undone]]:
        record, _ = hear(record, retraction(name, 30), POLICY)
        cut, _ = hear(cut, retraction(name, 30), POLICY)
    assert (cut.status, cut.rule, cut.held.reviewer) == (record.status, record.rule, record.held.reviewer)
