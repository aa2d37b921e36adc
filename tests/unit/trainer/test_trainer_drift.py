"""Drift: figures against values worked out by hand, and what resamples and shifts of the same posts say."""

from datetime import timedelta

import numpy as np
import pytest

from services.trainer.drift import (
    ENOUGH,
    Level,
    Look,
    Review,
    Words,
    agreement,
    counted,
    deciles,
    histogram,
    language_of,
    psi,
    signals,
    topic_spread,
    wanted,
    words_of,
)
from tests.unit.trainer.spoken import NOON

SPOKEN = "the tram was late again today and nobody knew why because it rained all day long".split()  # noqa: SIM905


def looks(
    n: int, seed: int, *, tilt: float = 0.0, link: float = 0.1, dutch: float = 0.2, longer: int = 0
) -> list[Look]:
    drawn = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        text = " ".join(drawn.choice(SPOKEN, 3 + longer + int(drawn.integers(9))))
        text += " https://example.org" if drawn.random() < link else ""
        score = 1 / (1 + np.exp(-(drawn.normal() - 1 + tilt)))
        made.append(Look(text, "nl-BE" if drawn.random() < dutch else "en", {"insult": float(score)}))
    return made


def levels(reference: list[Look], now: list[Look], words: Words | None = None) -> dict[str, Level]:
    thresholds = {"insult": 0.5}
    found = signals(counted(reference, thresholds, words), counted(now, thresholds, words))
    return {each.name: each.level for each in found}


def test_the_index_is_what_comes_out_by_hand() -> None:
    # 50.5/101 and 50.5/101 against 25.5/101 and 75.5/101: -0.247525 ln 0.504950 + 0.247525 ln 1.495050
    assert psi([50, 50], [25, 75]) == pytest.approx(0.268677, abs=1e-6)
    assert psi([7, 1, 4], [7, 1, 4]) == 0
    assert psi([10, 0], [0, 10]) == pytest.approx(psi([0, 10], [10, 0]))


def test_tenths_of_the_reference_are_the_groups() -> None:
    before, after = deciles(dict.fromkeys(range(100), 10), {0: 5, 99: 7, 200: 1})
    assert before == [100] * 10
    assert after == [5, *[0] * 8, 8]
    assert deciles({3: 900, 4: 50, 9: 50}, {3: 1, 9: 2})[0] == [900, 50, 50]


def test_other_posts_of_the_same_kind_are_no_drift() -> None:
    reference = looks(2000, 0)
    for seed in range(1, 8):
        assert set(levels(reference, looks(ENOUGH, seed)).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("name", "change"),
    [("scores", {"tilt": 1.5}), ("url", {"link": 0.6}), ("language", {"dutch": 0.7}), ("length", {"longer": 20})],
)
def test_posts_of_another_kind_are_a_drift_of_what_is_different(name, change) -> None:
    found = levels(looks(2000, 0), looks(ENOUGH, 1, **change))
    assert found[name] is Level.ACT
    others = set(found) - {name, "band", "length" if name == "url" else name}  # an address makes a text longer
    assert {found[each] for each in others} == {Level.OK}


def test_a_smaller_shift_is_to_be_watched() -> None:
    assert levels(looks(4000, 0), looks(2000, 1, tilt=0.45))["scores"] is Level.WATCH


def test_few_posts_say_nothing() -> None:
    assert set(levels(looks(2000, 0), looks(ENOUGH - 1, 1, tilt=3)).values()) == {Level.TOO_FEW}
    assert set(levels(looks(ENOUGH - 1, 0), looks(2000, 1, tilt=3)).values()) == {Level.TOO_FEW}


def test_words_nobody_used_before_are_new_per_language() -> None:
    words = Words()
    for look in looks(300, 0):
        words.learn(language_of(look), [word for word in words_of(look) if word not in {"rained", "why"}])
    reference = looks(2000, 1)
    assert levels(reference, looks(2000, 2), words)["words"] is Level.OK
    slang = [Look(f"{each.text} blorp zzyzx quux fnord", each.language, each.scores) for each in looks(2000, 2)]
    assert levels(reference, slang, words)["words"] is Level.ACT
    kept = Words(bytes(words.bits))
    assert kept.new("en", ["tram", "blorp", "rained"]) == 2
    assert kept.new("fr", ["tram"]) == 1


def test_the_share_near_a_threshold_counts_in_points() -> None:
    reference = [Look(None, "en", {"insult": n / 1000}) for n in range(1000)]
    near = [Look(None, "en", {"insult": 0.5}) for _ in range(300)] + reference[:700]
    (band,) = [each for each in signals(*(counted(x, {}, None) for x in (reference, near))) if each.name == "band"]
    assert band.level is Level.ACT
    assert band.value == pytest.approx(0.44 - 0.16, abs=0.02)


def test_an_erased_post_counts_by_its_scores_only() -> None:
    counts = counted([Look(None, None, {"insult": 0.9, "threat": 0.1})], {}, Words())
    assert {key[0] for key in counts} == {"posts", "language", "scores", "margin"}
    assert histogram(counts, "language", "") == {"?": 1}


def test_topics_drift_when_their_shares_do() -> None:
    fitted = {-1: 300, 0: 1000, 1: 700}
    assert topic_spread(fitted, {-1: 310, 0: 990, 1: 700}).level is Level.OK
    assert topic_spread(fitted, {-1: 300, 0: 200, 1: 700, 2: 800}).level is Level.ACT
    assert topic_spread(fitted, {0: 20}).level is Level.TOO_FEW


def reviews(right: int, wrong: int, *, sampled: bool = True, groups: tuple[str, ...] = ()) -> list[Review]:
    """Return reviews of flagged and not flagged posts, a half each; so many are right, so many wrong of each half."""
    return [
        Review(flagged, flagged is not fails, 0.9 if flagged else 0.1, sampled, groups)
        for flagged in (True, False)
        for fails in (*[False] * right, *[True] * wrong)
    ]


def test_agreement_is_balanced_accuracy_with_an_interval() -> None:
    balanced, ece, *_ = agreement(reviews(90, 10), expected=0.88)
    assert (balanced.value, balanced.n, balanced.level) == (0.9, 200, Level.OK)
    assert balanced.low is not None and balanced.high is not None
    assert balanced.low == pytest.approx(0.9 - 1.96 * 0.3 / 200**0.5, abs=0.005)
    assert (ece.value, ece.level) == (0.0, Level.OK)
    worse, off, *_ = agreement(reviews(60, 40), expected=0.88)
    assert (worse.level, off.level) == (Level.ACT, Level.ACT)
    assert agreement(reviews(86, 14), expected=0.88)[0].level is Level.WATCH
    assert agreement(reviews(60, 39), expected=0.88)[0].level is Level.TOO_FEW


def test_what_people_chose_to_correct_is_shown_and_never_acts() -> None:
    found = agreement(reviews(10, 190, sampled=False, groups=("trans",)), expected=0.9)
    chosen = [each for each in found if each.biased]
    assert {each.name for each in chosen} == {"balanced_accuracy", "ece", "false_positives"}
    assert {each.level for each in chosen} == {Level.OK}
    assert wanted(found, None, NOON) == ()


def test_a_group_that_is_flagged_wrongly_more_often_than_others_acts() -> None:
    found = agreement([*reviews(95, 5), *reviews(20, 40, groups=("women",))], None)
    (gap,) = [each for each in found if each.name == "false_positives"]
    assert (gap.part, gap.level, gap.n) == ("women", Level.ACT, 60)
    assert not [each for each in agreement(reviews(5, 20, groups=("women",)), None) if each.part == "women"]


def test_a_run_is_asked_for_once_a_day() -> None:
    reference, now = counted(looks(2000, 0), {}, None), counted(looks(2000, 1, tilt=3), {}, None)
    found = signals(reference, now)
    (reason,) = [each for each in wanted(found, None, NOON) if each.startswith("scores")]
    assert reason.startswith("scores insult ")
    assert wanted(found, NOON - timedelta(hours=23), NOON) == ()
    assert wanted(found, NOON - timedelta(hours=24), NOON)
    assert wanted(signals(reference, reference), None, NOON) == ()
