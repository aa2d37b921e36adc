"""Which scores wait for a round, what becomes of it, and how its flips are counted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.auditor.status.gating import (
    ALL,
    Decision,
    Fate,
    Place,
    Round,
    State,
    System,
    Tally,
    Terms,
    fate_of,
    lineage_of,
    place_in,
    subsets_of,
    waits_in,
)
from services.auditor.status.live import Policy, PostRecord, hear
from services.auditor.status.posts import MODEL, REVIEWER, Judgement
from shared.vocabulary import Status

NOW = datetime(2026, 11, 22, tzinfo=UTC)
POLICY = Policy()
OLD = System("old", "old", False, NOW - timedelta(days=9))
NEW = System("new", "new", True, NOW - timedelta(days=1))
REPLAYED = System("replayed", "new", True, NOW)
KNOWN = {each.version: each for each in (OLD, NEW, REPLAYED)}


@pytest.mark.parametrize(
    ("layer", "replaces", "own", "parent", "found"),
    [
        ("start", None, None, None, ("v", False)),
        ("refit", "old", None, OLD, ("v", True)),
        ("replay", "new", None, NEW, ("new", True)),
        ("replay", "old", None, OLD, ("old", False)),
        ("replay", "unheard", None, None, ("unheard", False)),
        ("rollback", "new", NEW, NEW, ("new", False)),
        (None, None, None, None, ("v", False)),
    ],
)
def test_a_model_is_of_the_training_it_goes_on_from(
    layer: str | None, replaces: str | None, own: System | None, parent: System | None, found: tuple[str, bool]
) -> None:
    assert lineage_of("v", layer, replaces, own, parent) == found


@pytest.mark.parametrize(
    ("version", "before", "found"),
    [
        ("new", "old", "new"),  # a full training moves what another lineage scored
        ("replayed", "old", "new"),  # and so does what was learned on top of it
        ("replayed", "new", None),  # which is free to correct its own training
        ("old", "new", None),  # whoever was put in force by a person, or first, is free
        ("new", "new", None),
        ("new", None, None),
        ("unheard", "old", "unheard"),
    ],
)
def test_a_score_waits_if_a_full_training_of_another_lineage_says_it(
    version: str, before: str | None, found: str | None
) -> None:
    assert waits_in(version, before, KNOWN) == found


def waiting(state: State, decision: Decision | None = None, version: str = "new") -> Round:
    return Round("r", version, 1, state, decision, NOW, NOW if decision else None)


@pytest.mark.parametrize(
    ("latest", "found"),
    [
        (None, Place.OPEN),
        (waiting(State.GATHERING), Place.STAGE),
        (waiting(State.HELD), Place.STAGE),
        (waiting(State.APPLYING, Decision.PASSED), Place.STAGE),
        (waiting(State.APPLIED, Decision.PASSED), Place.STAGE),
        (waiting(State.APPLYING, Decision.CONFIRMED), Place.PASS),
        (waiting(State.APPLIED, Decision.CONFIRMED), Place.PASS),
        (waiting(State.DISCARDED, Decision.ROLLED_BACK), Place.DROP),
        (waiting(State.DISCARDED, Decision.SUPERSEDED), Place.DROP),
    ],
)
def test_the_round_of_a_training_says_what_becomes_of_its_scores(latest: Round | None, found: Place) -> None:
    assert place_in(latest, NEW) is found
    if latest is not None and latest.decision is not None and latest.state is not State.APPLYING:
        once_more = replace(NEW, promoted_at=NOW + timedelta(days=1))
        assert place_in(latest, once_more) is Place.OPEN


@pytest.mark.parametrize(
    ("version", "in_force", "found"),
    [
        ("new", NEW, Fate.JUDGE),
        ("new", REPLAYED, Fate.JUDGE),
        ("new", System("next", "next", True, NOW), Fate.DISCARD),
        ("new", replace(OLD, promoted_at=NOW), Fate.DISCARD),
        ("replayed", REPLAYED, Fate.JOIN),
        ("old", OLD, Fate.APPLY),
        ("unheard", NEW, Fate.JUDGE),
    ],
)
def test_what_is_to_be_done_with_a_round_follows_from_what_is_known_of_its_model(
    version: str, in_force: System, found: Fate
) -> None:
    assert fate_of(waiting(State.GATHERING, version=version), KNOWN, in_force) is found


def says(name: str, flagged: bool, *, rule: str = MODEL, day: int = 0) -> Judgement:
    status = Status.FLAGGED if flagged else Status.CLEARED
    return Judgement(name, rule, f"{name}{rule}{day}", NOW + timedelta(days=day), f"{name}{rule}{day}", status)


def standing(name: str, flagged: bool, policy: Policy = POLICY) -> PostRecord:
    return hear(PostRecord(name), says(name, flagged), policy)[0]


def tally_of(changes: list[tuple[bool, bool]], subset: str = "platform:forum") -> Tally:
    tally = Tally()
    for n, (before, after) in enumerate(changes):
        tally.count(standing(f"p{n}", before), [says(f"p{n}", after, day=1)], (ALL, subset), POLICY)
    return tally


def test_flips_are_counted_by_subset_and_the_side_that_is_too_many_is_named() -> None:
    tally = tally_of([(True, True)] * 10 + [(False, True)] * 30 + [(True, False)] * 5 + [(False, False)] * 170)
    found = {each.name: each for each in tally.judge(Terms())}
    assert [found[ALL].before, found[ALL].after, found[ALL].gained, found[ALL].lost] == [15, 40, 30, 5]
    assert found[ALL].failed == "gained"  # 30 of 115
    assert {each.failed for each in tally.judge(Terms(gained=0.3, lost=0.01))} == {"lost"}
    assert {each.failed for each in tally.judge(Terms(above=215))} == {None}
    assert len(tally.examples[ALL]["gained"]) == 10


def test_a_small_subset_fails_where_the_whole_does_not() -> None:
    tally = tally_of([(True, True)] * 200 + [(False, False)] * 100)
    for n in range(40):
        name = f"nl{n}"
        tally.count(standing(name, n < 5), [says(name, True, day=1)], (ALL, "language:nl"), POLICY)
    found = {each.name: each.failed for each in tally.judge(Terms())}
    assert found == {ALL: None, "platform:forum": None, "language:nl": "gained"}


def test_counting_goes_on_where_a_part_of_the_round_ended() -> None:
    whole = tally_of([(True, True)] * 10 + [(False, True)] * 30 + [(False, False)] * 170)
    first = tally_of([(True, True)] * 10 + [(False, True)] * 15)
    second = Tally(first.judge(Terms()), first.rows)
    for n, after in enumerate([True] * 15 + [False] * 170):
        name = f"later{n}"
        second.count(standing(name, False), [says(name, after, day=1)], (ALL, "platform:forum"), POLICY)
    assert second.judge(Terms()) == whole.judge(Terms())
    assert second.rows == whole.rows


def test_a_reviewers_word_a_lock_and_a_late_score_flip_nothing() -> None:
    reviewed = hear(standing("a", True), says("a", True, rule=REVIEWER, day=1), POLICY)[0]
    locked = hear(reviewed, says("a", True, rule=REVIEWER, day=20), POLICY)[0]
    assert locked.marks.locked
    late = standing("b", True)
    tally = Tally()
    tally.count(reviewed, [says("a", False, day=2)], (ALL,), POLICY)
    tally.count(locked, [says("a", False, day=21)], (ALL,), POLICY)
    tally.count(late, [says("b", False, day=-1)], (ALL,), POLICY)
    (found,) = tally.judge(Terms(above=0, lost=0))
    assert (found.before, found.after, found.lost, tally.rows) == (2, 2, 0, 3)


def test_a_flag_that_waits_in_a_hold_counts_as_one() -> None:
    policy = Policy(hold_s=3600)
    tally = Tally()
    held = standing("a", True, policy)
    assert held.status is Status.NEEDS_REVIEW
    tally.count(held, [says("a", False, day=1)], (ALL,), policy)
    (found,) = tally.judge(Terms(above=0, lost=0))
    assert (found.before, found.lost, found.failed) == (1, 1, "lost")


def test_the_subsets_of_a_score_are_its_platform_its_language_and_its_highest_category() -> None:
    assert subsets_of("forum", "nl", {"insult": 0.4, "threat": 0.6, "toxic": None}) == (
        ALL,
        "platform:forum",
        "language:nl",
        "category:threat",
    )
    assert subsets_of("forum", None, {}) == (ALL, "platform:forum", "language:unknown")
