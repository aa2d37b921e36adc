"""Every check of the gate: what passes, what is refused, and that the reason says why."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from services.trainer.gate import comparing, facts, identity, slicing
from services.trainer.gate.areas import area, paired_bound
from services.trainer.gate.chance import Draws, mean_and_error, quantile
from services.trainer.gate.check import Check, absolute
from services.trainer.gate.decision import decide, guard
from services.trainer.gate.facts import Learned, Proof
from services.trainer.gate.frozen import Frozen
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import CategoryMetrics, Judged, evaluate
from services.trainer.runs import flat
from shared.vocabulary import CATEGORIES
from tests.support.gate import HATE, KNOWN, PROOF, TOXIC, changed, posts, probes, scored

LIMITS = replace(Limits(), resamples=200)
POSTS = posts()
SENTENCES = probes()
GOOD, ABOUT = scored(POSTS), scored(SENTENCES)
GOOD_ANCHOR = scored(SENTENCES, seed=3)
THREAT = CATEGORIES.index("threat")


def by_name(checks: Iterable[Check], name: str) -> Check:
    return {check.name: check for check in checks}[name]


def flipped(judged: Judged, column: int) -> Judged:
    return changed(judged, column, 1 - judged.scores[:, column])


# -- figures ------------------------------------------------------------------------------------------------


def test_unknown_labels_are_in_no_figure() -> None:
    labels = np.full((5, len(CATEGORIES)), np.nan)
    labels[:4, TOXIC] = [1, 1, 0, 0]
    scores = np.full(labels.shape, 0.99)
    scores[:4, TOXIC] = [0.9, 0.8, 0.2, 0.1]
    metrics = evaluate(scores, labels, np.full(len(CATEGORIES), 0.5))
    assert metrics.categories["toxic"].n == 4
    assert (metrics.categories["toxic"].auc, metrics.categories["toxic"].f1) == (1, 1)
    assert metrics.categories["threat"] == CategoryMetrics(0, 0)
    assert (metrics.macro.auc, metrics.macro.balanced_accuracy) == (1, 1)


def test_a_category_the_model_does_not_know_counts_as_a_guess() -> None:
    labels = np.full((4, len(CATEGORIES)), np.nan)
    labels[:, TOXIC] = [1, 0, 1, 0]
    toxic = evaluate(np.full(labels.shape, np.nan), labels, np.full(len(CATEGORIES), 0.5)).categories["toxic"]
    assert (toxic.auc, toxic.average_precision, toxic.f1, toxic.balanced_accuracy) == (0.5, 0.5, 0, 0.5)


def test_one_class_alone_has_no_auc() -> None:
    shape = (2, len(CATEGORIES))
    metrics = evaluate(np.full(shape, 0.5), np.ones(shape), np.full(len(CATEGORIES), 0.5))
    assert metrics.macro.auc is None
    assert metrics.categories["toxic"].positives == 2


def test_an_event_carries_the_figures_that_exist() -> None:
    metrics = {"macro": {"auc": 0.5, "f1": None}, "categories": {"toxic": {"auc": 0.7}}}
    assert flat(metrics) == {"auc": 0.5, "auc.toxic": 0.7}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=4, max_size=40))
def test_an_area_is_scikit_learns_ties_included(rows: list[tuple[float, bool]]) -> None:
    scores, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if truth.all() or not truth.any():
        assert area(scores, truth) is None
    else:
        assert area(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_the_bound_of_a_paired_bootstrap_is_that_of_resampling_by_hand() -> None:
    random = np.random.default_rng(1)
    truth = random.random(300) < 0.4
    theirs = np.round(truth + random.normal(0, 0.7, 300), 1)
    ours = theirs + random.normal(0, 0.4, 300)
    drawn = [random.integers(0, 300, 300) for _ in range(400)]
    by_hand = np.quantile(
        [roc_auc_score(truth[rows], ours[rows]) - roc_auc_score(truth[rows], theirs[rows]) for rows in drawn], 0.025
    )
    assert paired_bound(ours, theirs, truth, 1000, 0) == pytest.approx(by_hand, abs=0.01)
    assert paired_bound(ours, theirs, truth, 100, 0) == paired_bound(ours, theirs, truth, 100, 0)


def test_fillings_of_one_pattern_are_one_piece_of_evidence() -> None:
    differences = np.full(80, -1.0)
    assert mean_and_error(differences, np.zeros(80, np.int64)) == (-1.0, float("inf"), 1)
    alone, together = (Draws(np.repeat(np.arange(40), 80 // 40 if two else 1), 500, 0) for two in (False, True))
    one, two = np.tile([1.0, -1.0], 20)[:, None], np.repeat(np.tile([1.0, -1.0], 20), 2)[:, None]
    (low, high), (low_two, high_two) = (
        draws.interval(rows, lambda sums: sums[:, 0]) or (0, 0) for draws, rows in ((alone, one), (together, two))
    )
    assert high_two - low_two == pytest.approx(2 * (high - low))
    assert quantile(1000) > quantile(1)


# -- limits -------------------------------------------------------------------------------------------------


def test_where_the_champion_misses_a_limit_the_candidate_may_not_be_worse_and_the_check_says_so() -> None:
    def floor(value: float, champion: float | None) -> Check:
        return absolute("floor", value, 0.85, champion, 100, "AUC", least=True, slack=0.01)

    assert floor(0.85, None).passed
    assert not floor(0.84, None).passed
    assert not floor(0.84, 0.90).passed
    assert "champion" not in floor(0.84, 0.90).reason
    kept = floor(0.795, 0.80)
    assert kept.passed
    assert "below the limit 0.8500, where the champion has 0.8000" in kept.reason
    assert not floor(0.785, 0.80).passed


def test_floors_are_judged_on_peoples_posts_only() -> None:
    checks = [*comparing.floors(ABOUT, ABOUT, LIMITS)]
    assert all(check.passed and not check.judged for check in checks)
    checks = [*comparing.floors(GOOD, None, LIMITS)]
    assert by_name(checks, "floor.threat").judged
    weak = changed(GOOD, THREAT, np.random.default_rng(0).random(len(POSTS)))
    refused = by_name(comparing.floors(weak, GOOD, LIMITS), "floor.threat")
    assert not refused.passed
    assert "threat" in refused.reason


def test_insult_answers_on_a_source_that_was_left_out() -> None:
    assert not by_name(comparing.floors(GOOD, GOOD, LIMITS), "floor.insult").judged
    told = {"insult": (0.60, 200), "dehumanization": (0.70, 200)}
    checks = [*comparing.floors(GOOD, GOOD, LIMITS, told)]
    assert not by_name(checks, "floor.insult").passed
    assert by_name(checks, "floor.dehumanization").passed


def test_fewer_than_fifty_positives_judge_nobody_and_justify_nothing() -> None:
    few = posts(60)
    good = scored(few)
    found = [*comparing.against(flipped(good, TOXIC), good, LIMITS)]
    assert {check.passed for check in found} == {True}
    assert {check.judged for check in found} == {False}
    assert all(check.reason.startswith("no evidence") for check in found)
    decision = decide(good, good, LIMITS, proof=PROOF)
    assert not decision.passed
    assert "nothing can be compared" in decision.reasons[0]


def test_a_category_that_falls_is_refused_by_name() -> None:
    bad = changed(GOOD, THREAT, np.random.default_rng(0).random(len(POSTS)))
    refused = {check.name for check in comparing.against(bad, GOOD, LIMITS) if not check.passed}
    assert refused == {f"champion.{figure}.threat" for figure in ("auc", "bound", "f1", "recall")}
    assert all(check.passed for check in comparing.against(scored(POSTS, seed=5), GOOD, LIMITS))


def test_macro_is_better_or_equal_up_to_the_tolerance() -> None:
    names = dict.fromkeys(("toxic", "threat"), 0.80)
    assert comparing.macro({**names, "threat": 0.785}, names, 0.01, 10).passed
    refused = comparing.macro({**names, "threat": 0.775}, names, 0.01, 10)
    assert not refused.passed
    assert "0.7875" in refused.reason
    assert "the tolerance 0.01" in refused.reason
    assert refused.name == "champion.macro_auc_2"


def test_probabilities_that_mean_less_than_the_champions_are_refused() -> None:
    calibrated = changed(GOOD, TOXIC, np.where(POSTS.labels[:, TOXIC] == 1, 0.95, 0.05))
    loud = changed(GOOD, TOXIC, np.where(POSTS.labels[:, TOXIC] == 1, 0.95, 0.45))
    found = [*comparing.calibration(loud, calibrated, LIMITS)]
    assert not by_name(found, "calibration.toxic").passed
    assert not by_name(found, "calibration.macro_ece_11").passed
    assert by_name(comparing.calibration(calibrated, calibrated, LIMITS), "calibration.toxic").passed
    assert not any(check.judged for check in comparing.calibration(ABOUT, ABOUT, LIMITS))


def test_a_model_is_judged_by_the_rate_its_probabilities_mean() -> None:
    half = changed(GOOD, TOXIC, np.where(POSTS.labels[:, TOXIC] == 1, 0.95, 0.05))
    odds = half.scores[:, TOXIC] / (1 - half.scores[:, TOXIC]) * (0.02 / 0.98)
    rare = changed(half, TOXIC, odds / (1 + odds))
    told = replace(rare, rates={TOXIC: 0.02})
    assert by_name(comparing.calibration(told, half, LIMITS), "calibration.toxic").passed
    assert not by_name(comparing.calibration(rare, half, LIMITS), "calibration.toxic").passed


def test_what_nobody_can_answer_for_stays_unknown() -> None:
    bold = Judged(POSTS, np.nan_to_num(GOOD.scores, nan=0.5), GOOD.thresholds)
    assert not by_name(comparing.known_categories(bold, GOOD, LIMITS), "unknown.extremism").passed
    silent = scored(POSTS, know=KNOWN[1:])
    lost = by_name(comparing.known_categories(silent, GOOD, LIMITS), "known.toxic")
    assert not lost.passed
    assert lost.reason == "toxic is not known any more"


# -- groups -------------------------------------------------------------------------------------------------


def named(judged: Judged, name: str, scores: float, *, hostile: bool = False) -> Judged:
    """Return a model that calls sentences about one group hateful, or (hostile) finds nothing in them."""
    here = np.array([group == name for group in judged.frozen.groups])
    about = here & (judged.frozen.labels[:, HATE] == float(hostile))
    return changed(judged, HATE, np.where(about, scores, judged.scores[:, HATE]))


def test_a_gap_between_groups_is_refused_with_the_group() -> None:
    calm = scored(SENTENCES, noise=0.01)
    found = [*identity.gaps(named(calm, "group03", 0.9), calm, LIMITS)]
    refused = by_name(found, "identity.gap.en.hate_speech")
    assert not refused.passed
    assert "group03" in refused.reason
    assert by_name(found, "identity.gap.en.toxic").passed


def test_a_gap_the_champion_has_may_stay_and_not_grow() -> None:
    calm = scored(SENTENCES, noise=0.01)
    some = np.flatnonzero(
        np.array([group == "group03" for group in SENTENCES.groups]) & (SENTENCES.labels[:, HATE] == 0)
    )
    champion = calm.scores[:, HATE].copy()
    champion[some[::2]] = 0.9
    missed = changed(calm, HATE, champion)
    kept = by_name(identity.gaps(missed, missed, LIMITS), "identity.gap.en.hate_speech")
    assert kept.passed
    assert "above the limit 0.1500, where the champion has" in kept.reason
    assert not by_name(identity.gaps(named(calm, "group03", 0.9), missed, LIMITS), "identity.gap.en.hate_speech").passed
    # the better of champion and shipped model counts, so that a gap does not creep
    assert not by_name(identity.gaps(missed, missed, LIMITS, calm), "identity.gap.en.hate_speech").passed


def test_a_group_whose_benign_sentences_become_suspect_is_refused_before_any_is_flagged() -> None:
    calm = scored(SENTENCES, noise=0.01)
    pushed = named(calm, "group05", 0.49 + 0.0)
    strict = replace(LIMITS, rise=0.5)
    refused = by_name(identity.moves(pushed, calm, strict), "identity.rise.hate_speech")
    assert not refused.passed
    assert "group05" in refused.reason
    assert by_name(identity.moves(calm, calm, strict), "identity.rise.hate_speech").passed


def test_a_model_that_changes_its_mind_about_all_groups_alike_may() -> None:
    calm = scored(SENTENCES, noise=0.01)
    lower = changed(calm, HATE, calm.scores[:, HATE] * 0.5)
    assert by_name(identity.moves(lower, calm, LIMITS), "identity.rise.hate_speech").passed


def test_hate_against_one_group_that_is_found_no_more_is_refused() -> None:
    calm = scored(SENTENCES, noise=0.01)
    refused = by_name(
        identity.moves(named(calm, "group07", 0.2, hostile=True), calm, LIMITS), "identity.fall.hate_speech"
    )
    assert not refused.passed
    assert "hostile sentences about group07" in refused.reason


def test_many_small_pushes_are_seen_against_the_model_that_ships() -> None:
    calm = scored(SENTENCES, noise=0.01)
    further = [named(calm, "group01", score) for score in (0.3, 0.5, 0.7, 0.85)]
    steps = [
        by_name(identity.moves(after, before, LIMITS), "identity.rise.hate_speech").passed
        for before, after in pairwise(further)
    ]
    assert steps == [True, True, True]
    drifted = by_name(identity.moves(further[-1], calm, LIMITS, drift=True), "identity.drift.rise.hate_speech")
    assert not drifted.passed
    assert "shipped model" in drifted.reason
    assert "identity.drift.rise.hate_speech" in {
        check.name for check in guard(calm, further[-1], LIMITS, anchor=GOOD_ANCHOR).checks
    }


def test_ranks_within_a_group_may_not_fall() -> None:
    calm = scored(SENTENCES)
    here = np.array([group in ("group01", "group02") for group in SENTENCES.groups])
    mixed = np.where(here, np.random.default_rng(0).random(len(SENTENCES)), calm.scores[:, TOXIC])
    found = [*identity.subgroups(changed(calm, TOXIC, mixed), calm, LIMITS)]
    assert not by_name(found, "identity.subgroup.toxic").passed
    assert by_name(found, "identity.subgroup.hate_speech").passed


# -- slices -------------------------------------------------------------------------------------------------


def test_a_slice_that_gets_worse_is_named() -> None:
    dutch = np.array([language == "nl" for language in POSTS.languages])
    worse = np.where(dutch, 1 - GOOD.scores[:, TOXIC], GOOD.scores[:, TOXIC])
    refused = by_name(slicing.slices(changed(GOOD, TOXIC, worse), GOOD, LIMITS), "slice.toxic")
    assert not refused.passed
    assert "language nl" in refused.reason
    assert by_name(slicing.slices(GOOD, GOOD, LIMITS), "slice.toxic").passed


def test_one_sentence_that_turns_is_no_slice_that_fell() -> None:
    calm = scored(SENTENCES, noise=0.01)
    one = np.array([pattern == "en-0" for pattern in SENTENCES.patterns])
    found = [*slicing.own_groups(changed(calm, HATE, np.where(one, 0.9, calm.scores[:, HATE])), calm, LIMITS)]
    check = by_name(found, "groups.hate_speech")
    assert check.passed
    assert "chance" in check.reason
    benign = SENTENCES.labels[:, HATE] == 0
    found = [*slicing.own_groups(changed(calm, HATE, np.where(benign, 0.9, calm.scores[:, HATE])), calm, LIMITS)]
    assert not by_name(found, "groups.hate_speech").passed


def test_too_few_groups_of_sentences_are_said() -> None:
    check = by_name(slicing.own_groups(ABOUT, ABOUT, LIMITS), "groups.there.nl")
    assert check.passed
    assert not check.judged
    assert "fewer than 20" in check.reason


# -- facts --------------------------------------------------------------------------------------------------


def test_corrections_have_to_be_right_and_to_have_receipts() -> None:
    fine = [*facts.corrections(Learned(pairs=100, right=95, corrections=60, receipts=60), LIMITS)]
    assert all(check.passed for check in fine)
    wrong = [*facts.corrections(Learned(100, 94, 60, 59, right_by_model=80), LIMITS)]
    assert [check.passed for check in wrong] == [False, False]
    assert "0.8000 by the model alone" in wrong[0].reason
    assert "1 of 60" in wrong[1].reason
    assert not by_name(facts.corrections(None, LIMITS), "corrections.right").judged


@pytest.mark.parametrize(
    ("proof", "name"),
    [
        (replace(PROOF, leaks=1), "hard.leaks"),
        (replace(PROOF, bytes=6_000_001), "hard.bytes"),
        (replace(PROOF, difference=2e-4), "hard.paths"),
        (replace(PROOF, loads=False, error="no model"), "hard.loads"),
        (None, "hard.proof"),
    ],
)
def test_hard_checks_refuse(proof: Proof | None, name: str) -> None:
    assert [check.name for check in facts.hard(proof, LIMITS) if not check.passed] == [name]
    assert all(check.passed for check in facts.hard(PROOF, LIMITS))


def test_without_held_out_files_the_leak_check_says_that_there_is_no_evidence() -> None:
    check = by_name(facts.hard(replace(PROOF, leaks=None, held_out=0), LIMITS), "hard.leaks")
    assert check.passed
    assert not check.judged


def test_churn_counts_flips_beside_the_flags_before_and_a_hundred() -> None:
    before = np.zeros((300, len(CATEGORIES)))
    before[:100, TOXIC] = 0.9
    frozen = posts(300)
    champion = Judged(frozen, before, np.full(len(CATEGORIES), 0.5))
    after = before.copy()
    after[90:100, TOXIC], after[100:140, TOXIC] = 0.1, 0.9
    found = [*facts.churn(Judged(frozen, after, champion.thresholds), champion, LIMITS)]
    assert [check.value for check in found] == [40 / 200, 10 / 200]
    assert all(check.passed for check in found)
    after[140, TOXIC] = 0.9
    assert not by_name(facts.churn(Judged(frozen, after, champion.thresholds), champion, LIMITS), "churn.gained").passed
    nothing = Judged(frozen, np.zeros(before.shape), champion.thresholds)
    assert not by_name(facts.churn(nothing, champion, LIMITS), "churn.lost").passed


# -- decisions ----------------------------------------------------------------------------------------------


def both() -> Frozen:
    """Return posts of people and probes together."""
    people, sentences = posts(), probes()
    return Frozen(
        people.keys + sentences.keys,
        people.texts + sentences.texts,
        np.concatenate((people.labels, sentences.labels)),
        people.languages + sentences.languages,
        people.sources + sentences.sources,
        people.patterns + sentences.patterns,
        people.constructs + sentences.constructs,
        people.groups + sentences.groups,
    )


ALL = both()


def test_a_model_is_not_worse_than_itself() -> None:
    calm = scored(ALL, noise=0.01)
    decision = decide(calm, calm, LIMITS, proof=PROOF, anchor=calm)
    assert decision.passed, decision.reasons
    assert "checks passed" in decision.reasons[0]
    assert any(reason.startswith("no evidence for") for reason in decision.reasons)
    assert guard(calm, calm, LIMITS).passed


@pytest.mark.parametrize("category", ["toxic", "sexism", "threat"])
def test_flipped_labels_of_one_category_are_refused_with_its_name(category: str) -> None:
    calm = scored(ALL, noise=0.05)
    bad = flipped(calm, CATEGORIES.index(category))
    for decision in (decide(bad, calm, LIMITS, proof=PROOF), guard(calm, bad, LIMITS)):
        assert not decision.passed
        assert any(category in reason for reason in decision.reasons)
        assert all(check.reason for check in decision.checks)


def test_the_first_model_is_compared_with_the_one_that_ships() -> None:
    calm = scored(ALL, noise=0.01)
    assert decide(calm, None, LIMITS, proof=PROOF, anchor=calm).passed
    assert not decide(flipped(calm, TOXIC), None, LIMITS, proof=PROOF, anchor=calm).passed


def test_models_judged_on_other_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same frozen rows"):
        decide(GOOD, ABOUT, LIMITS, proof=PROOF)
    with pytest.raises(ValueError, match="same frozen rows"):
        guard(GOOD, ABOUT, LIMITS)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_decides_nothing(seed: int) -> None:
    limits = replace(LIMITS, resamples=20)
    calm, other = scored(ALL, noise=0.2), scored(ALL, noise=0.2, seed=1)
    order = np.random.default_rng(seed).permutation(len(ALL))
    mixed = ALL.only(order)
    turned = decide(
        Judged(mixed, other.scores[order], other.thresholds),
        Judged(mixed, calm.scores[order], calm.thresholds),
        limits,
        proof=PROOF,
    )
    here = decide(other, calm, limits, proof=PROOF)
    for one, two in zip(here.checks, turned.checks, strict=True):
        assert one.name == two.name
        if "bound" not in one.name:  # the frozen rows themselves are sorted: freeze() sees to that
            assert one.value == pytest.approx(two.value)
