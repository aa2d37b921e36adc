"""Falls of F1 and recall: what chance explains, what is no evidence, and which full training a refit answers to."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from services.trainer.gate import comparing, decisions
from services.trainer.gate.check import Check
from services.trainer.gate.decision import decide
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged
from shared.vocabulary import CATEGORIES
from tests.support.gate import PROOF, TOXIC, changed, posts, scored

LIMITS = replace(Limits(), resamples=200)
POSTS = posts()
GOOD = scored(POSTS)
THREAT = CATEGORIES.index("threat")


def by_name(checks: Iterable[Check], name: str) -> Check:
    return {check.name: check for check in checks}[name]


def test_a_threshold_out_of_reach_is_seen_in_recall_though_ranks_stay() -> None:
    thresholds = GOOD.thresholds.copy()
    thresholds[TOXIC] = 0.99
    found = {check.name: check for check in comparing.against(Judged(POSTS, GOOD.scores, thresholds), GOOD, LIMITS)}
    assert found["champion.auc.toxic"].passed
    assert not found["champion.recall.toxic"].passed
    assert "chance explains a fall of" in found["champion.recall.toxic"].reason


def test_a_fall_that_chance_explains_is_said_and_does_not_refuse() -> None:
    some = posts(120)
    good = scored(some, noise=0.01)
    hits = np.flatnonzero(some.labels[:, THREAT] == 1)
    worse = good.scores[:, THREAT].copy()
    worse[hits[:4]] = 0.4
    check = by_name(comparing.against(changed(good, THREAT, worse), good, LIMITS), "champion.recall.threat")
    assert "more than the fall" in check.reason
    thin = replace(LIMITS, decisions_first=0.0)
    one = good.scores[:, THREAT].copy()
    one[hits[0]] = 0.4
    check = by_name(comparing.against(changed(good, THREAT, one), good, thin), "champion.recall.threat")
    assert check.passed
    assert "it may be chance" in check.reason


def test_one_fall_among_many_figures_has_to_be_larger_than_one_alone() -> None:
    good = scored(posts(120), noise=0.01)
    rows = np.flatnonzero(good.frozen.known[:, THREAT])
    worse = good.scores[:, THREAT].copy()
    worse[np.flatnonzero(good.frozen.labels[:, THREAT] == 1)[:6]] = 0.4
    worse = changed(good, THREAT, worse)

    def recall(looked: int) -> Check:
        found = decisions.fell(worse, good, rows, THREAT, LIMITS, looked=looked)
        return by_name(found, "champion.recall.threat")

    assert not recall(1).passed
    assert recall(1000).passed
    assert "among 1000 figures, so it may be chance" in recall(1000).reason


def test_recall_of_too_few_patterns_is_no_evidence() -> None:
    some = replace(POSTS, patterns=tuple(f"pattern {number % 12}" for number in range(len(POSTS))))
    good = scored(some)
    dumb = Judged(some, good.scores, np.full(len(good.thresholds), 0.99))
    found = [
        check for check in comparing.against(dumb, good, LIMITS) if ".recall." in check.name or ".f1." in check.name
    ]
    assert {(check.passed, check.judged) for check in found} == {(True, False)}
    assert "fewer than 20" in found[0].reason


def test_recall_that_small_steps_gained_by_flagging_more_is_not_asked_of_a_full_training() -> None:
    def deciding_at(threshold: float) -> Judged:
        limits = GOOD.thresholds.copy()
        limits[THREAT] = threshold
        return Judged(POSTS, GOOD.scores, limits)

    full, champion, candidate, dull = (deciding_at(threshold) for threshold in (0.68, 0.5, 0.69, 0.8))

    def recall(one: Judged, root: Judged | None) -> Check:
        return by_name(decide(one, champion, LIMITS, proof=PROOF, root=root).checks, "champion.recall.threat")

    assert not recall(candidate, None).passed
    assert recall(candidate, full).passed
    assert "the full training that the champion goes on from" in recall(candidate, full).reason
    assert not recall(dull, full).passed  # worse than both
