"""Frozen rows and judged models by hand, for tests of the gate."""

import numpy as np
from numpy.typing import NDArray

from services.trainer.gate.facts import Proof
from services.trainer.gate.frozen import Frozen
from services.trainer.gate.metrics import Judged
from services.trainer.own_patterns import PROBES
from shared.vocabulary import CATEGORIES

Numbers = NDArray[np.float64]

TOXIC, HATE = CATEGORIES.index("toxic"), CATEGORIES.index("hate_speech")
KNOWN = tuple(name for name in CATEGORIES if name != "extremism")
PROOF = Proof(bytes=5_000_000, leaks=0, held_out=100, difference=1e-6, compared=200, loads=True)


def posts(n: int = 400, seed: int = 0) -> Frozen:
    """Return posts of people, half of them known to have each category, in turns."""
    labels = np.full((n, len(CATEGORIES)), np.nan)
    for column, name in enumerate(CATEGORIES):
        if name in KNOWN:
            labels[:, column] = (np.arange(n) // (1 + column % 3) + column) % 2
    keys = tuple(f"key {number:05d}" for number in range(n))
    some = ("",) * n
    languages = tuple(("en", "nl")[number % 2] for number in range(n))
    return Frozen(keys, keys, labels, languages, ("people",) * n, some, some, some)


def probes(groups: int = 12, benign: int = 10, hostile: int = 8) -> Frozen:
    """Return sentences that are said of every group in two languages; the hostile ones are toxic and hateful."""
    rows = []
    for language in ("en", "nl"):
        for number in range(benign + hostile):
            bad = number >= benign
            for group in range(groups):
                labels = np.zeros(len(CATEGORIES))
                labels[[TOXIC, HATE]] = bad
                labels[CATEGORIES.index("extremism")] = np.nan
                construct = f"people-hostile-{number}" if bad else f"people-{number}"
                pattern = f"{language}-{number}"
                rows.append((f"{pattern} {group:02d}", labels, language, pattern, construct, f"group{group:02d}"))
    rows.sort(key=lambda row: row[0])
    keys, labels_, languages, patterns, constructs, names = zip(*rows, strict=True)
    return Frozen(keys, keys, np.stack(labels_), languages, (PROBES,) * len(keys), patterns, constructs, names)


def scored(frozen: Frozen, *, noise: float = 0.12, seed: int = 0, know: tuple[str, ...] = KNOWN) -> Judged:
    """Return a model that is right most of the time: scores about 0.3 and 0.7 with noise."""
    random = np.random.default_rng(seed)
    scores = np.where(np.nan_to_num(frozen.labels) == 1, 0.7, 0.3)
    scores = np.clip(scores + random.normal(0, noise, scores.shape), 0.001, 0.999)
    for column, name in enumerate(CATEGORIES):
        if name not in know:
            scores[:, column] = np.nan
    return Judged(frozen, scores, np.full(len(CATEGORIES), 0.5))


def changed(judged: Judged, column: int, scores: Numbers) -> Judged:
    """Return a model that says something else of one category."""
    made = judged.scores.copy()
    made[:, column] = scores
    return Judged(judged.frozen, made, judged.thresholds)
