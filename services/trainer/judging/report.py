"""The document of an evaluation: every figure there is evidence for, by category, slice, group and template. Pure.

Invariant: it holds numbers and the names of slices, never a text; what the file does not ask about is not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score, roc_curve

from services.trainer.calibration import BINS
from services.trainer.figures import HALF, RESAMPLES, Figures, Names, gap, judged, sliced, worst
from services.trainer.judging.cases import Case, categories_of, labels_of
from shared.perspective import ATTRIBUTES
from shared.vocabulary import CATEGORIES

POINTS = 200
"""Most points of a drawn curve."""
FEWEST = 3
"""Pairs below which a rank correlation says nothing."""

Numbers = NDArray[np.float64]
Limits = Mapping[str, float | Numbers]
Document = dict[str, Any]


def report(
    cases: Sequence[Case],
    scores: Numbers,
    thresholds: Limits,
    category: str,
    *,
    only: str | None = None,
    found_spans: Sequence[frozenset[int]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Document:
    """Return every figure of scores (n, 12) of the cases, NaN where unknown.

    `thresholds` gives each category one number or one per case, `category` is whose slices are shown, `only` leaves out
    the other ones. `found_spans` are the code points of each case that the scorer would mark.
    """
    asked = [name for name in categories_of(cases) if only is None or name == only]
    document: Document = {"n": len(cases), "category": category, "seed": seed, "categories": {}}
    for name in asked:
        mine, labels = scores[:, CATEGORIES.index(name)], labels_of(cases, name)
        document["categories"][name] = asdict(
            judged(mine, labels, thresholds[name], resamples=resamples, seed=seed)
        ) | _curves(mine, labels)
    if category in asked:
        document |= _slices(cases, scores[:, CATEGORIES.index(category)], thresholds[category], category)
    if any(case.references for case in cases):
        document["correlations"] = correlations(cases, scores)
    if found_spans is not None:
        document["spans"] = span_figures([case.spans for case in cases], found_spans, resamples, seed)
    return document


def _slices(cases: Sequence[Case], scores: Numbers, limit: float | Numbers, category: str) -> Document:
    """Return the tables of one category: functionalities, groups, templates, languages, where the cases name any."""
    labels = labels_of(cases, category)
    found: Document = {}
    groups = [case.groups for case in cases]
    if functionalities := _named(cases, "functionality"):
        table = sliced(scores, labels, limit, functionalities)
        found["functionalities"] = {name: asdict(each) for name, each in table.items()}
        found["worst"] = {"shipped": _worst(table, half=False), "half": _worst(table, half=True)}
    templates = _named(cases, "template")
    if any(groups) and templates is None:
        found["groups"] = {name: asdict(each) for name, each in sliced(scores, labels, limit, groups).items()}
        found["gap"] = _gaps(scores, labels, limit, groups)
    if templates:
        found["templates"] = {}
        for name, rows in _rows(templates).items():
            mine = [groups[row] for row in rows]
            one = limit if np.ndim(limit) == 0 else np.asarray(limit)[rows]
            found["templates"][name] = asdict(judged(scores[rows], labels[rows], one, resamples=0)) | {
                "gap": _gaps(scores[rows], labels[rows], one, mine) if any(mine) else None
            }
    languages = _named(cases, "language")
    if languages and len({name for names in languages for name in names}) > 1:
        table = sliced(scores, labels, limit, languages)
        found["languages"] = {name: asdict(each) for name, each in table.items()}
    return found


def _worst(table: Mapping[str, Figures], *, half: bool) -> Document | None:
    lowest = worst(table, half=half)
    return None if lowest is None else {"name": lowest[0], "accuracy": lowest[1], "n": table[lowest[0]].n}


def _gaps(scores: Numbers, labels: Numbers, limit: float | Numbers, names: Names) -> Document:
    return {
        "shipped": asdict(gap(scores, labels, limit, names)),
        "half": asdict(gap(scores, labels, HALF, names)),
    }


def _named(cases: Sequence[Case], what: str) -> list[tuple[str, ...]] | None:
    """Return the slice each case is in, None where no case names one."""
    values = [getattr(case, what) for case in cases]
    names: list[tuple[str, ...]] = [(str(value),) if value else () for value in values]
    return names if any(names) else None


def _rows(names: Names) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for at, mine in enumerate(names):
        for name in mine:
            found.setdefault(name, []).append(at)
    return dict(sorted(found.items()))


def _curves(scores: Numbers, labels: Numbers) -> Document:
    """Return what is drawn: ROC points (false-positive rate, recall), and per bin (mean score, share of 1, rows)."""
    known = ~np.isnan(scores) & ~np.isnan(labels)
    mine, truth = scores[known], labels[known]
    at = np.minimum((mine * BINS).astype(int), BINS - 1)
    bins = [
        (float(mine[here].mean()), float(truth[here].mean()), int(here.sum()))
        for here in (at == each for each in range(BINS))
        if here.any()
    ]
    roc: list[tuple[float, float]] = []
    if 0 < truth.sum() < len(truth):
        wrong, right, _ = roc_curve(truth, mine)
        kept = np.unique(np.linspace(0, len(wrong) - 1, POINTS).astype(int))
        roc = [(round(float(x), 5), round(float(y), 5)) for x, y in zip(wrong[kept], right[kept], strict=True)]
    return {"roc": roc, "reliability": bins}


def correlations(cases: Sequence[Case], scores: Numbers) -> Document:
    """Return Spearman's rank correlation with another system's attributes, None where there is nothing to rank.

    An attribute's score is that of its categories' largest, as comments:analyze gives it. `auc` is how well it tells
    the `high` ones, at 0.5 or over there, from the rest.
    """
    found: Document = {}
    for attribute in sorted({name for case in cases for name in case.references}):
        parts = [CATEGORIES.index(part) for part in ATTRIBUTES[attribute].parts]
        theirs = np.array([case.references.get(attribute, np.nan) for case in cases])
        ours = np.fmax.reduce(scores[:, parts], axis=1)
        known = ~np.isnan(theirs) & ~np.isnan(ours)
        told = known.sum() >= FEWEST and np.ptp(theirs[known]) > 0 and np.ptp(ours[known]) > 0
        rho = float(spearmanr(ours[known], theirs[known]).statistic) if told else None
        high = theirs[known] >= HALF
        auc = float(roc_auc_score(high, ours[known])) if 0 < high.sum() < len(high) else None
        found[attribute] = {"n": int(known.sum()), "spearman": rho, "high": int(high.sum()), "auc": auc}
    return found


def span_figures(
    marked: Sequence[frozenset[int] | None], found: Sequence[frozenset[int]], resamples: int, seed: int
) -> Document:
    """Return the mean character F1 of SemEval 2021 task 5 over the cases whose spans were marked, with its interval."""
    each = np.array([span_f1(mine, theirs) for theirs, mine in zip(marked, found, strict=True) if theirs is not None])
    if not len(each):
        return {"n": 0, "f1": None, "f1_interval": None}
    random = np.random.default_rng(seed)
    means = [float(each[random.integers(0, len(each), len(each))].mean()) for _ in range(resamples)]
    interval = [float(value) for value in np.quantile(means, [0.025, 0.975])] if means else None
    return {"n": len(each), "f1": float(each.mean()), "f1_interval": interval}


def span_f1(found: frozenset[int], marked: frozenset[int]) -> float:
    """Return the F1 of two sets of characters; 1 where both are empty."""
    return 2 * len(found & marked) / (len(found) + len(marked)) if found or marked else 1.0
