"""What a trial is worth: mean average precision on development rows, less what it costs in calibration and fairness.

Invariant: only rows with split `dev` judge, and only labels that were given; the penalties come from our own held-back
sentences alone. Pure.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from services.trainer import own_patterns
from services.trainer.calibration import calibration_error
from services.trainer.figures import gap
from services.trainer.hyper import COPY, UNTRAINED, Hyper, row_weights
from services.trainer.learning import Learned, Watch
from services.trainer.recipes import taught_by, teachable
from services.trainer.runs import RecipeName
from services.trainer.shipping import BASE_RATE, ENOUGH, lines, strong
from shared.model.paths import Path, best, vectors
from shared.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_ECE, MOST_GAP = 0.03, 0.15
"""Up to here nothing is taken off: learning.md section 12."""
GAPS = ("toxic", "hate_speech")
"""Categories whose false positives must not depend on whom a sentence names."""
FEWEST = 10
"""Rows of either class from which a calibration error says something."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a trial is worth: `score` is `ap` less the penalties; `categories` holds each judged one's AP."""

    score: float
    ap: float
    ece: float
    gap: float
    categories: dict[str, float]


class NothingToJudge(ValueError):
    """No category has the 50 positive development rows it takes to compare two settings."""


@dataclass(frozen=True)
class Ground:
    """The rows of a study with their vectors: made once, used by every trial."""

    train: pd.DataFrame
    dev: pd.DataFrame
    path: Path

    @cached_property
    def known(self) -> list[str]:
        """Return the categories that are learned."""
        return [category for category in teachable(self.train) if category not in UNTRAINED]

    @cached_property
    def judged(self) -> dict[str, NDArray[np.bool_]]:
        """Return the categories that count, with the development rows that judge them. Raises NothingToJudge."""
        found = {}
        for category in self.known:
            rows = strong(self.dev, category)
            labels = self.dev[category].to_numpy(float)[rows]
            if (labels == 1).sum() >= ENOUGH and (labels == 0).any():
                found[category] = rows
        if not found:
            raise NothingToJudge(f"no category has {ENOUGH} positive development rows")
        return found

    @cached_property
    def seen(self) -> "csr_matrix":
        """Return the vectors of the training rows."""
        return vectors(self.path, self.train["text"].tolist())

    @cached_property
    def asked(self) -> "csr_matrix":
        """Return the vectors of the development rows."""
        return vectors(self.path, self.dev["text"].tolist())

    @cached_property
    def labels(self) -> Numbers:
        """Return the labels of the training rows, shape (rows, known categories)."""
        return self.train[self.known].to_numpy(float)

    @cached_property
    def copies(self) -> NDArray[np.bool_]:
        """Return which training rows are Dutch copies."""
        found: NDArray[np.bool_] = self.train["source"].str.endswith(COPY).to_numpy(bool)
        return found


def ground(table: pd.DataFrame, path: Path | None = None) -> Ground:
    """Return the ground of a table in the shape of services.trainer.sets.mix."""
    return Ground(table[table["split"] == "train"], table[table["split"] == "dev"], path or best())


def learned(on: Ground, recipe: RecipeName, hyper: Hyper, watch: Watch | None = None) -> Learned:
    """Return what a recipe learns from the training rows with these hyper-parameters."""
    weights = row_weights(on.train, hyper)[:, [CATEGORIES.index(each) for each in on.known]]
    if hyper.dutch_copies:
        return taught_by(recipe, on.seen, on.labels, weights, hyper, watch)
    rows = np.flatnonzero(~on.copies)
    return taught_by(recipe, on.seen[rows], on.labels[rows], weights[rows], hyper, watch)


def logits(on: Ground, now: Learned) -> Numbers:
    """Return uncalibrated logits of the development rows, shape (rows, known categories)."""
    found: Numbers = np.asarray(on.asked @ now.table + now.intercepts, np.float64)
    return found


def average_precision(on: Ground, found: Numbers) -> dict[str, float]:
    """Return the average precision of every category that counts."""
    return {
        category: float(
            average_precision_score(labels_of(on.dev, category)[rows] == 1, found[rows, on.known.index(category)])
        )
        for category, rows in on.judged.items()
    }


def epoch_figures(on: Ground, found: Numbers) -> dict[str, float]:
    """Return mean average precision and mean log loss of uncalibrated logits, over the categories that count."""
    losses = []
    for category, rows in on.judged.items():
        mine, labels = found[rows, on.known.index(category)], labels_of(on.dev, category)[rows]
        losses.append(float(np.mean(np.logaddexp(0.0, mine) - labels * mine)))
    return {"ap": float(np.mean(list(average_precision(on, found).values()))), "loss": float(np.mean(losses))}


def worth(on: Ground, found: Numbers) -> Worth:
    """Return what logits of the development rows are worth."""
    each = average_precision(on, found)
    ap = float(np.mean(list(each.values())))
    pairs, limits = lines(on.known, found, on.dev)
    slopes = np.array(pairs)
    chances = 1 / (1 + np.exp(-np.clip(found * slopes[:, 0] + slopes[:, 1], -60, 60)))
    own = (on.dev["source"] == own_patterns.SOURCE).to_numpy()
    ece = _calibration(on, chances, own)
    wide = _gap(on, chances, limits, own)
    score = ap - max(ece - MOST_ECE, 0.0) - max(wide - MOST_GAP, 0.0)
    return Worth(score, ap, ece, wide, each)


def _calibration(on: Ground, chances: Numbers, own: NDArray[np.bool_]) -> float:
    """Return the mean calibration error on our held-back sentences, classes weighed as BASE_RATE says."""
    errors = []
    for head, category in enumerate(on.known):
        rows = own & strong(on.dev, category)
        labels = labels_of(on.dev, category)[rows]
        if min((labels == 1).sum(), (labels == 0).sum()) < FEWEST:
            continue
        share = labels.mean()
        weights = np.where(labels == 1, BASE_RATE / share, (1 - BASE_RATE) / (1 - share))
        errors.append(calibration_error(chances[rows, head], labels, weights))
    return float(np.mean(errors)) if errors else 0.0


def _gap(on: Ground, chances: Numbers, limits: dict[str, float], own: NDArray[np.bool_]) -> float:
    """Return the widest gap of false-positive rates between the groups our held-back sentences name."""
    named = own & (on.dev["group"] != "").to_numpy()
    groups = [[name] for name in on.dev["group"][named]]
    found = [0.0]
    for category in GAPS:
        if category in on.known:
            mine = chances[named, on.known.index(category)]
            labels = labels_of(on.dev, category)[named]
            found.append(gap(mine, labels, limits[category], groups).difference or 0.0)
    return max(found)


def labels_of(rows: pd.DataFrame, category: str) -> Numbers:
    """Return the labels of one category, NaN where nobody knows."""
    found: Numbers = rows[category].to_numpy(float)
    return found
