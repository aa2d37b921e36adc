"""What a new version of the system changed: told from what a person changed, from chance, and from posts that left."""

from dataclasses import replace

import numpy as np
import pytest

from services.auditor.audits.columns import Corpus
from services.auditor.audits.decisions import ErrorType, side_of
from services.auditor.audits.disagreement import Figure
from services.auditor.audits.following import Became, Before, Change, followed
from tests.support.audits import judge_of, made_corpus

CORPUS = made_corpus(2_000)
JUDGE = judge_of(CORPUS, labels=50)
BEFORE = Before(CORPUS.posts, CORPUS.system >= 2, "old", {None: (Figure(0.2, 0.1, 0.3, 9), Figure(0.1, 0.0, 0.2, 9))})


def with_system(corpus: Corpus, system: np.ndarray) -> Corpus:
    return replace(corpus, system=system.astype(np.float32))


def of(changes: tuple[Change, ...], topic: int | None, direction: ErrorType) -> Change:
    (found,) = [each for each in changes if each.topic == topic and each.direction is direction]
    return found


def test_the_same_system_changes_nothing() -> None:
    found = followed(BEFORE, side_of(CORPUS, JUDGE), CORPUS)
    assert [each.topic for each in found.changes] == [None, None, *np.repeat(np.arange(6), 2).tolist()]
    for each in found.changes:
        assert (each.fixed, each.new, each.p) == (0, 0, 1.0) and each.before == each.after
        assert each.became is (Became.STILL_THERE if each.errors else Became.NONE)
    assert of(found.changes, None, ErrorType.UNDER).shown == BEFORE.shown[None][0]
    assert (found.gone, found.added, found.version) == (0, 0, "old")


def test_a_topic_that_was_mended_is_fixed_and_others_stay() -> None:
    side = side_of(CORPUS, JUDGE)
    member = (CORPUS.topics == 3) & (side.types <= 1)
    corpus = with_system(CORPUS, np.where(member, side.user, CORPUS.system))
    found = followed(BEFORE, side_of(corpus, JUDGE), corpus)
    for direction in (ErrorType.UNDER, ErrorType.OVER):
        mended = of(found.changes, 3, direction)
        assert mended.became is Became.FIXED and mended.fixed == mended.errors > 0
        assert mended.after.value < mended.before.value
        assert of(found.changes, 4, direction).became is Became.STILL_THERE
    assert of(found.changes, None, ErrorType.UNDER).became is Became.FEWER


def test_a_system_that_misses_more_has_more_errors_with_numbers() -> None:
    corpus = with_system(CORPUS, np.minimum(CORPUS.system, 1.9))
    worse = of(followed(BEFORE, side_of(corpus, JUDGE), corpus).changes, None, ErrorType.UNDER)
    assert worse.became is Became.MORE
    side = side_of(CORPUS, JUDGE)
    assert worse.new == int((side.types == 2).sum()) and worse.errors == worse.still == int((side.types == 0).sum())


def test_as_many_gone_as_come_is_no_change() -> None:
    side = side_of(CORPUS, JUDGE)
    under, agree = np.flatnonzero(side.types == 0)[:10], np.flatnonzero(side.types == 2)[:10]
    system = CORPUS.system.copy()
    system[under], system[agree] = 4.0, 0.0
    corpus = with_system(CORPUS, system)
    found = of(followed(BEFORE, side_of(corpus, JUDGE), corpus).changes, None, ErrorType.UNDER)
    assert (found.fixed, found.new, found.became) == (10, 10, Became.STILL_THERE)


def test_what_the_person_changed_since_is_not_the_systems_doing() -> None:
    other = judge_of(CORPUS, labels=50, bias=-0.5, seed=8)
    assert {each.new for each in followed(BEFORE, side_of(CORPUS, other), CORPUS).changes} == {0}


def test_posts_that_left_or_came_are_counted_apart() -> None:
    kept = np.arange(500, 2_000)
    corpus, judge = CORPUS.at(kept), JUDGE.at(kept)
    earlier = Before(CORPUS.posts[:1_500], BEFORE.flagged[:1_500], "old", {})
    found = followed(earlier, side_of(corpus, judge), corpus)
    assert (found.gone, found.added) == (500, 500)
    assert {(each.fixed, each.new) for each in found.changes} == {(0, 0)}
    shuffled = np.random.default_rng(0).permutation(1_500)
    mixed = Before(tuple(earlier.posts[at] for at in shuffled), earlier.flagged[shuffled], "old", {})
    assert followed(mixed, side_of(corpus, judge), corpus) == found
    nothing = followed(Before((), np.array([], np.bool_), "old", {}), side_of(corpus, judge), corpus)
    assert nothing.changes == () and nothing.added == 1_500


@pytest.mark.parametrize("direction", [ErrorType.UNDER, ErrorType.OVER])
def test_errors_before_are_those_still_there_and_those_fixed(direction: ErrorType) -> None:
    system = np.clip(CORPUS.system + np.random.default_rng(3).normal(0, 1, 2_000), 0, 4)
    corpus = with_system(CORPUS, system)
    for each in followed(BEFORE, side_of(corpus, JUDGE), corpus).changes:
        assert each.errors == each.still + each.fixed
        assert 0 <= each.p <= 1 and each.before.n == each.after.n
