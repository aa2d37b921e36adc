"""Draws of posts to rate: all different, never seen before, of every severity, the same again for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auditor.audits.labelling import Way, first_draw, informative, next_draw, replacement, seed_of
from shared.judgement import DRAWN, severity
from tests.support.audits import judge_of, made_corpus

CORPUS = made_corpus(600)
JUDGE = judge_of(CORPUS, labels=0)


def severities(posts: tuple[str, ...]) -> list[int]:
    return [int(severity(float(CORPUS.system[CORPUS.places[post]]))) for post in posts]


def test_the_first_draw_has_two_four_eight_four_two_in_no_order_of_severity() -> None:
    found = first_draw(CORPUS, seed_of("a", "m", 1), ())
    assert tuple(np.bincount(severities(found.posts), minlength=5)) == DRAWN
    assert severities(found.posts) != sorted(severities(found.posts))
    assert found.way is Way.STRATIFIED and not found.short


def test_a_draw_is_the_same_again_and_another_for_another_number_model_or_person() -> None:
    seeds = [
        seed_of("a", "m", 1),
        seed_of("a", "m", 2),
        seed_of("a", "n", 1),
        seed_of("b", "m", 1),
        seed_of("am", "", 1),
    ]
    assert len(set(seeds)) == 5
    drawn = [first_draw(CORPUS, seed, ()).posts for seed in seeds]
    assert len(set(drawn)) == 5
    assert first_draw(CORPUS, seed_of("a", "m", 1), ()).posts == drawn[0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), seen=st.integers(0, 600), topic=st.sampled_from([None, 0, 3, 99]))
def test_nothing_is_drawn_twice_and_as_many_as_are_left(seed: int, seen: int, topic: int | None) -> None:
    known = set(np.random.default_rng(seed).permutation(np.array(CORPUS.posts))[:seen].tolist())
    free = [
        post for post, of in zip(CORPUS.posts, CORPUS.topics, strict=True) if post not in known and topic in (None, of)
    ]
    found = first_draw(CORPUS, seed, known, topic)
    assert set(found.posts) <= set(free)
    assert len(set(found.posts)) == len(found.posts) == min(20, len(free))
    assert found.short == (len(free) < 20)
    more = next_draw(CORPUS, JUDGE, seed, known, topic)
    assert set(more.posts) <= set(free) and len(set(more.posts)) == min(5, len(free))


def test_further_draws_ask_what_is_uncertain_near_the_cut_with_ties_by_id() -> None:
    found = next_draw(CORPUS, JUDGE, 0, ())
    worth = informative(JUDGE)
    assert list(found.posts) == [CORPUS.posts[row] for row in np.lexsort((np.arange(600), -worth))[:5]]
    assert np.abs(JUDGE.prediction[[CORPUS.places[post] for post in found.posts]] - 2.0).max() < 0.5
    flat = judge_of(CORPUS, labels=0)
    flat.sd[:], flat.prediction[:], flat.sd_of_one[:] = 0.3, 2.0, 0.8
    assert next_draw(CORPUS, flat, 0, CORPUS.posts[:7]).posts == CORPUS.posts[7:12]


@pytest.mark.parametrize("row", [0, 100, 350])
def test_a_post_somebody_is_unsure_of_is_replaced_by_one_of_its_severity(row: int) -> None:
    unsure = CORPUS.posts[row]
    found = replacement(CORPUS, 5, (), unsure)
    assert len(found.posts) == 1 and unsure not in found.posts
    assert severities(found.posts) == severities((unsure,))
    assert len(replacement(CORPUS, 5, CORPUS.posts[1:], CORPUS.posts[1]).posts) == 1
