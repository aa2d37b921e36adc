"""Holds, locks, consensus and replays of posts: Ombud's own policy on what the opinions say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auditor.rows import judgement_of, judgement_row, record_of, row_of
from services.auditor.status.live import (
    Policy,
    PostRecord,
    Step,
    due_at,
    from_log,
    hear,
    hear_all,
    hold_until,
    marks_of,
    policy_of,
    replayed,
    settle,
)
from services.auditor.status.posts import CONSENSUS, MODEL, PERSON, REVIEWER, Judgement
from services.auditor.status.record import Kind
from shared.vocabulary import Status
from tests.unit.auditor.conftest import minute

CLEARED, FLAGGED, NEEDS_REVIEW = Status.CLEARED, Status.FLAGGED, Status.NEEDS_REVIEW
HOLD = Policy(hold_s=600)
DAY = 24 * 60
OLD = 15 * DAY
PLAIN = Policy()


def score(status: Status, at: float, edited: int = 0, post: str = "p") -> Judgement:
    name = f"score {post} {status} {at} {edited}"
    edited_at = minute(edited) if edited else None
    return Judgement(post, MODEL, name, minute(at), name, status, revision=edited, edited_at=edited_at)


def word(status: Status, at: float, name: str = "c", post: str = "p") -> Judgement:
    return Judgement(post, REVIEWER, name, minute(at), f"says {post} {name} {status} {at}", status)


def undo(at: float, name: str = "c", post: str = "p") -> Judgement:
    return Judgement(post, REVIEWER, name, minute(at), f"undo {post} {name} {at}", retracts=True)


def rating(rater: str, toxic: bool | None, at: float, post: str = "p") -> Judgement:
    name = f"rating {post} {rater} {toxic} {at}"
    return Judgement(post, CONSENSUS, name, minute(at), name, rater=rater, toxic=toxic)


def opened(at: float, post: str = "p") -> Judgement:
    name = f"opened {post} {at}"
    return Judgement(post, PERSON, name, minute(at), name, actor="noor", reason="a new word")


def told(policy: Policy, *judgements: Judgement) -> tuple[PostRecord, list[Step]]:
    record, steps = PostRecord("p"), list[Step]()
    for each in judgements:
        record, made = hear(record, each, policy)
        steps += made
    return record, steps


def kinds(steps: list[Step]) -> list[str]:
    return [change.kind.value for step in steps for change in step.changes]


# -- holds --------------------------------------------------------------------------------------------------


def test_an_automatic_flag_waits_and_shows_when_the_hold_is_over() -> None:
    record, steps = told(HOLD, score(FLAGGED, 1))
    assert (record.status, hold_until(record, HOLD), due_at(record, HOLD)) == (NEEDS_REVIEW, minute(11), minute(11))
    assert (steps[0].status, steps[0].hold_until, kinds(steps)) == (
        NEEDS_REVIEW,
        minute(11),
        ["status_changed", "hold_started"],
    )
    assert settle(record, minute(10.9), HOLD) == (record, [])
    after, (shown,) = settle(record, minute(99), HOLD)
    assert (after.status, shown.status, shown.changed_at, shown.hold_until) == (FLAGGED, FLAGGED, minute(11), None)
    assert kinds([shown]) == ["status_changed", "hold_ended", "first_decided"]
    assert settle(after, minute(999), HOLD) == (after, [])


def test_a_flag_that_is_taken_back_while_it_waits_never_shows() -> None:
    record, steps = told(HOLD, score(FLAGGED, 1), score(CLEARED, 5))
    assert FLAGGED not in {step.status for step in steps}
    assert (record.status, due_at(record, HOLD)) == (CLEARED, None)


def test_a_flag_said_again_while_it_waits_waits_no_longer() -> None:
    record, _ = told(HOLD, score(FLAGGED, 1), score(FLAGGED, 9))
    assert hold_until(record, HOLD) == minute(11)


def test_a_reviewer_waits_for_no_hold_and_ends_it() -> None:
    record, steps = told(HOLD, score(FLAGGED, 1), word(FLAGGED, 2))
    assert (record.status, record.rule, record.on_hold) == (FLAGGED, REVIEWER, False)
    assert steps[-1].changed_at == minute(2)
    assert told(HOLD, word(FLAGGED, 2))[0].status is FLAGGED


def test_what_fell_due_before_a_judgement_comes_before_it() -> None:
    _, steps = told(HOLD, score(FLAGGED, 1), score(CLEARED, 30))
    assert [(step.status, step.changed_at) for step in steps] == [
        (NEEDS_REVIEW, minute(1)),
        (FLAGGED, minute(11)),
        (CLEARED, minute(30)),
    ]


def test_without_a_hold_a_flag_shows_at_once() -> None:
    record, steps = told(PLAIN, score(FLAGGED, 1))
    assert (record.status, len(steps), due_at(record, PLAIN)) == (FLAGGED, 1, None)


# -- locks --------------------------------------------------------------------------------------------------


def test_a_reviewers_word_locks_when_the_post_is_old_enough_and_a_models_never() -> None:
    record, _ = told(PLAIN, score(FLAGGED, 0), word(CLEARED, 5))
    assert not settle(record, minute(14 * DAY), PLAIN)[1]  # exactly the age does not lock
    after, (locked,) = settle(record, minute(14 * DAY + 1), PLAIN)
    assert (after.marks.locked, locked.locked, kinds([locked])) == (True, True, ["locked"])
    assert locked.previous is locked.status is CLEARED
    flagged, _ = told(PLAIN, score(FLAGGED, 0))
    assert settle(flagged, minute(99 * DAY), PLAIN)[1] == []


def test_a_word_on_an_old_post_locks_at_once() -> None:
    record, steps = told(PLAIN, score(FLAGGED, 0), word(CLEARED, OLD))
    assert record.marks.locked
    assert kinds(steps[1:]) == ["status_changed", "locked", "latest_changed"]


def test_a_locked_status_stays_and_every_other_opinion_is_a_conflict() -> None:
    record, steps = told(PLAIN, score(FLAGGED, 0), word(CLEARED, OLD), word(FLAGGED, OLD + 1, "d"), undo(OLD + 2, "d"))
    assert (record.status, record.rule) == (CLEARED, REVIEWER)
    assert kinds(steps[2:]) == ["lock_conflict"]
    again, steps = told(PLAIN, score(FLAGGED, 0), word(CLEARED, OLD), undo(OLD + 9))
    assert (again.status, kinds(steps[2:])) == (CLEARED, ["lock_conflict"])


def test_an_edit_ends_the_lock_of_the_old_text_and_nobody_s_lock_of_the_new() -> None:
    locked = (score(FLAGGED, 0), word(CLEARED, OLD))
    edited = score(FLAGGED, OLD + 9, OLD + 8)
    record, steps = told(PLAIN, *locked, edited)
    assert (record.status, record.rule, record.marks.locked) == (FLAGGED, MODEL, False)
    assert (kinds(steps[2:]), steps[-1].actor) == (["unlocked", "status_changed", "latest_changed"], None)
    # also where the new text looks as harmless as the old: what was decided about other words does not cover these
    harmless, steps = told(PLAIN, *locked, score(CLEARED, OLD + 9, OLD + 8))
    assert (harmless.status, harmless.marks.locked, kinds(steps[2:])) == (CLEARED, False, ["unlocked"])
    assert settle(harmless, minute(OLD + 99 * DAY), PLAIN)[1] == []  # a model's word never locks
    # a word about the new text locks when the age is reached that began with it
    spoken, _ = hear(record, word(CLEARED, OLD + 20, "d"), PLAIN)
    assert not spoken.marks.locked
    assert settle(spoken, minute(OLD + 30 + 15 * DAY), PLAIN)[0].marks.locked_status == CLEARED
    # of the text before the edit nothing is news, nor is the edit a second time
    for late in (score(FLAGGED, OLD + 30), edited):
        assert hear(record, late, PLAIN)[1] == []


def test_a_lock_that_is_about_the_edited_text_stays_however_late_the_edit_is_heard() -> None:
    spoken = (score(FLAGGED, 0), word(CLEARED, OLD))  # about the text of an edit that nobody here heard of yet
    record, steps = told(PLAIN, *spoken, score(FLAGGED, OLD + 1, OLD - 5))
    assert (record.status, record.marks.locked, kinds(steps[2:])) == (CLEARED, True, [])
    # a word on the old text locked by time, and the edit from before that moment is heard late: the lock covers nothing
    early = (score(FLAGGED, 0), word(CLEARED, 5), score(FLAGGED, OLD + 1, DAY))
    record, steps = told(PLAIN, *early)
    assert (record.status, record.marks.locked) == (FLAGGED, False)
    assert [kind for kind in kinds(steps[2:]) if "lock" in kind] == ["locked", "unlocked"]


def test_what_was_heard_before_edits_opened_locks_is_taken_again_as_it_was() -> None:
    then = replace(PLAIN, edits_open=False)
    heard = [score(FLAGGED, 0), word(CLEARED, OLD), score(FLAGGED, OLD + 9, OLD + 8)]
    record, steps = told(then, *heard)
    assert (record.status, kinds(steps[2:])) == (CLEARED, ["lock_conflict"])
    assert "edit" not in then.version and policy_of(then.version) == then
    assert replayed("p", [(each, then.version) for each in heard]) == (record, steps)


def test_what_was_said_during_a_lock_counts_when_a_person_opens_it() -> None:
    record, steps = told(PLAIN, score(FLAGGED, 0), word(CLEARED, OLD), word(FLAGGED, OLD + 1, "d"), opened(OLD + 2))
    assert (record.status, record.marks.locked) == (FLAGGED, False)
    assert (kinds(steps[-1:])[:2], steps[-1].actor, steps[-1].reason) == (
        ["unlocked", "status_changed"],
        "noor",
        "a new word",
    )
    after, (again,) = settle(record, minute(OLD + 2 + 15 * DAY), PLAIN)
    assert after.marks.locked_status == FLAGGED  # the age began anew
    assert again.changed_at == minute(OLD + 2 + 14 * DAY) + timedelta(milliseconds=1)


def test_opening_what_is_not_locked_changes_nothing() -> None:
    record, _ = told(PLAIN, score(FLAGGED, 0))
    assert hear(record, opened(5), PLAIN) == (record, [])


# -- consensus ----------------------------------------------------------------------------------------------


def test_enough_people_of_one_mind_decide_over_the_model_and_under_a_reviewer() -> None:
    said = [rating(f"r{n}", True, 2 + n) for n in range(5)]
    record, steps = told(PLAIN, score(CLEARED, 1), *said[:4])
    assert (record.status, len(steps)) == (CLEARED, 1)
    record, (step,) = hear(record, said[4], PLAIN)
    assert (record.status, step.rule) == (FLAGGED, CONSENSUS)
    record, (step,) = hear(record, word(CLEARED, 3), PLAIN)
    assert (step.status, step.rule) == (CLEARED, REVIEWER)


def test_a_split_house_and_unsure_people_decide_nothing() -> None:
    split = [rating(f"r{n}", n % 2 == 0, 2) for n in range(10)]
    unsure = [rating(f"u{n}", None, 2) for n in range(10)]
    record, _ = told(PLAIN, score(CLEARED, 1), *split, *unsure)
    assert (record.status, record.rule) == (CLEARED, MODEL)


def test_who_changes_their_mind_may_end_a_consensus() -> None:
    said = [rating(f"r{n}", True, 2) for n in range(5)]
    record, _ = told(PLAIN, score(CLEARED, 1), *said, rating("r0", False, 9), rating("r1", False, 9))
    assert (record.status, record.rule) == (CLEARED, MODEL)
    late, _ = told(PLAIN, score(CLEARED, 1), rating("r0", False, 9), *said)
    assert late.rule == CONSENSUS  # four of five agree: the older word of the fifth is late
    assert late.held.ratings["r0"].toxic is False


def test_ratings_of_the_text_before_an_edit_are_about_another_text() -> None:
    said = [rating(f"r{n}", True, 2) for n in range(5)]
    record, _ = told(PLAIN, *said, score(CLEARED, 9, edited=5))
    assert (record.status, record.rule) == (CLEARED, MODEL)


def test_ratings_alone_say_no_status_until_they_agree() -> None:
    said = [rating(f"r{n}", False, 2) for n in range(5)]
    record, steps = told(PLAIN, *said[:4])
    assert (record.status, steps) == (None, [])
    record, (step,) = hear(record, said[4], PLAIN)
    assert (step.status, step.previous) == (CLEARED, None)


# -- replays ------------------------------------------------------------------------------------------------

POLICIES = st.builds(
    Policy,
    hold_s=st.sampled_from([0.0, 600.0]),
    lock_age_s=st.sampled_from([14 * 86_400.0, 900.0]),
    raters=st.sampled_from([2, 3]),
    share=st.sampled_from([0.6, 1.0]),
    edits_open=st.booleans(),
)
MINUTES = st.integers(0, 40)
ANY = st.one_of(
    st.builds(score, st.sampled_from(Status), MINUTES, st.sampled_from([0, 0, 10]), st.sampled_from("pq")),
    st.builds(word, st.sampled_from(Status), MINUTES, st.sampled_from("ab"), st.sampled_from("pq")),
    st.builds(undo, MINUTES, st.sampled_from("ab"), st.sampled_from("pq")),
    st.builds(
        rating, st.sampled_from("xyz"), st.sampled_from([True, True, False, None]), MINUTES, st.sampled_from("pq")
    ),
    st.builds(opened, MINUTES, st.sampled_from("pq")),
)
HEARD = st.lists(ANY, max_size=14, unique_by=lambda each: each.cause_id)


def all_told(policy: Policy, heard: list[Judgement]) -> dict[str, tuple[PostRecord, list[Step]]]:
    found: dict[str, tuple[PostRecord, list[Step]]] = {}
    for said in heard:
        record, steps = found.get(said.post_id, (PostRecord(said.post_id), []))
        after, made = hear(record, said, policy)
        found[said.post_id] = after, steps + made
    return found


@given(heard=HEARD, policy=POLICIES)
def test_the_log_of_changes_replays_to_the_record(heard: list[Judgement], policy: Policy) -> None:
    for record, steps in all_told(policy, heard).values():
        found = from_log(steps)
        conflicts = sum(change.kind is Kind.LOCK_CONFLICT for step in steps for change in step.changes)
        assert found.pop("conflicts") == conflicts
        assert found == marks_of(record)
        assert [step.sequence for step in steps] == list(range(1, record.sequence + 1))
        shown = None
        for step in steps:
            assert step.previous is shown
            shown = step.status


@given(heard=HEARD, policy=POLICIES)
def test_judgements_as_stored_fold_to_the_same_record_field_by_field(heard: list[Judgement], policy: Policy) -> None:
    """Through rows and back, also with what time did written down as a judgement of its own."""
    for post, (record, steps) in all_told(policy, heard).items():
        rows = [judgement_row(each, policy) for each in heard if each.post_id == post]
        received = [(judgement_of(jsonable(row)), row["policy"]) for row in rows]
        assert replayed(post, received) == (record, steps)
        kept = record_of(jsonable(row_of(record, policy)))
        assert row_of(kept, policy) == row_of(record, policy)


NEW = st.builds(
    score, st.sampled_from(Status), st.sampled_from([0, 0, 10]), st.sampled_from([0, 5]), st.sampled_from("pqrst")
)


@given(heard=st.lists(st.one_of(NEW, ANY), max_size=14, unique_by=lambda each: each.cause_id), policy=POLICIES)
def test_a_batch_is_heard_as_one_judgement_after_the_other(heard: list[Judgement], policy: Policy) -> None:
    records, steps = hear_all({}, heard, policy)
    alone = all_told(policy, heard)
    for record in records:
        found = [step for step in steps if step.post_id == record.post_id]
        assert (record, found) == alone.pop(record.post_id)
    assert all(not made for _, made in alone.values())
    assert len({id(record.marks) for record in records}) == len(records)


@given(heard=HEARD, policy=POLICIES, parts=st.integers(1, 3))
def test_sharding_by_post_gives_the_same_histories(heard: list[Judgement], policy: Policy, parts: int) -> None:
    whole = all_told(policy, heard)
    shards = [all_told(policy, [each for each in heard if ord(each.post_id) % parts == part]) for part in range(parts)]
    assert whole == {post: found for shard in shards for post, found in shard.items()}


@given(
    heard=st.lists(ANY.filter(lambda each: each.rule != PERSON), max_size=10),
    hold=st.sampled_from([0.0, 600.0]),
    data=st.data(),
)
def test_every_order_ends_in_the_same_status_once_holds_are_over(
    heard: list[Judgement], hold: float, data: st.DataObject
) -> None:
    """Younger than the lock age: a lock is by arrival, because what it refuses is refused for good."""
    policy = Policy(hold_s=hold, raters=2)
    mine = [replace(each, post_id="p") for each in heard]
    mine = list({(each.rule, each.id, each.retracts): each for each in mine}.values())
    one, other = told(policy, *mine)[0], told(policy, *data.draw(st.permutations(mine)))[0]
    one, other = (settle(each, minute(DAY), policy)[0] for each in (one, other))
    assert (one.status, one.held) == (other.status, other.held)


@given(policy=POLICIES)
def test_a_policys_version_says_all_of_it(policy: Policy) -> None:
    assert policy_of(policy.version) == policy


def test_a_strange_policy_is_refused() -> None:
    for name in ("", "2024-12", "ombud-1", "ombud-1 hold=0"):
        with pytest.raises(ValueError, match=r"policy|unpack"):
            policy_of(name)


def jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a database gives it back: JSON columns went through JSON."""
    columns = {"opinions", "ratings", "marks", "extra", "changes"}
    return {name: orjson.loads(orjson.dumps(each)) if name in columns else each for name, each in row.items()}
