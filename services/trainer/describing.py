"""What is logged of a model: numbers it was made with, what it learned from, how good it is, where. Pure.

Invariant: a description holds numbers, names and digests, and no text of anybody's. Shape and names: learning.md
section 12.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer import own_patterns
from services.trainer.calibration import calibration_error
from services.trainer.figures import gap, judged
from services.trainer.hyper import UNTRAINED, Hyper, params
from services.trainer.runs import RecipeName
from services.trainer.shipping import BASE_RATE, ENOUGH, strong
from shared.model import Model
from shared.model.text import NORMALISER
from shared.vocabulary import CATEGORIES

FORMAT = "ombud-model-facts-1"
ALL = "all"
"""Name of the rows of every language together, and of every source."""
GAPS = ("toxic", "hate_speech")
"""Categories whose false positives are compared between the groups that our held-back sentences name."""

Numbers = NDArray[np.float64]


def category_figures(scores: Numbers, rows: pd.DataFrame, category: str, threshold: float) -> dict[str, Any]:
    """Return the figures of one category on its strong labels; ECE as if BASE_RATE of them were positive."""
    known = strong(rows, category) & ~np.isnan(scores)
    labels, mine = rows[category].to_numpy(float)[known], scores[known]
    each = judged(mine, labels, threshold, resamples=0)
    share = labels.mean() if len(labels) else 0.0
    two = 0 < share < 1
    weights = np.where(labels == 1, BASE_RATE / share, (1 - BASE_RATE) / (1 - share)) if two else None
    return {
        "n": each.n,
        "positives": each.positives,
        "auc": each.auc,
        "ap": each.average_precision,
        "f1": each.shipped.f1,
        "balanced": each.shipped.balanced_accuracy,
        "ece": calibration_error(mine, labels, weights) if two else None,
        "threshold": threshold,
    }


def described(
    model: Model,
    recipe: RecipeName,
    hyper: Hyper,
    table: pd.DataFrame,
    hashes: Mapping[str, str],
    *,
    made: Mapping[str, Any],
    epochs: Sequence[Mapping[str, float]] = (),
    tuning: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything that is logged of a model that learned from a table in the shape of sets.mix.

    `hashes` are sets.fingerprints.data_hashes of the table, `made` what only the process knows: seconds, bytes,
    versions. `tuning` is a study's report. Figures are of development rows; those without an AUC are left out.
    """
    dev = table[table["split"] == "dev"]
    scores = model.score(dev["text"].tolist())
    figures = {
        category: rows
        for category in model.categories
        if (rows := _by_language(scores[:, CATEGORIES.index(category)], dev, category, model.thresholds[category]))
    }
    macro = _macro({name: rows[ALL] for name, rows in figures.items()})
    groups = _groups(scores, dev, model)
    numbers = {
        **{
            f"{name}_{language}_{category}": value
            for category, rows in figures.items()
            for language, row in rows.items()
            for name, value in row.items()
            if value is not None
        },
        **macro,
        **{name: float(made[name]) for name in ("train_s", "texts_per_s", "artifact_bytes") if name in made},
        **({"identity_gap": groups["difference"]} if groups["difference"] is not None else {}),
    }
    facts = {
        "format": FORMAT,
        "params": {
            **params(recipe, hyper),
            "base_rate": BASE_RATE,
            "normaliser": NORMALISER,
            "untrained": ",".join(UNTRAINED),
            **made.get("params", {}),
        },
        "metrics": numbers,
        "epochs": [dict(each) for each in epochs],
        "inputs": _inputs(table, hashes),
        "data_hash": hashes[ALL],
        "categories": list(model.categories),
        "figures": figures,
        "groups": groups,
        "masked": {name: int(table[name].isna().sum()) for name in CATEGORIES},
        "made": {name: value for name, value in made.items() if name != "params"},
    }
    if tuning is not None:
        kept = ("adopted", "reason", "gain", "best", "searched", "seconds")
        facts["tuning"] = {name: tuning[name] for name in kept if name in tuning}
    return facts


def _by_language(scores: Numbers, dev: pd.DataFrame, category: str, threshold: float) -> dict[str, dict[str, Any]]:
    """Return the figures over all rows, and of each language that can be told apart; empty without an AUC."""
    whole = category_figures(scores, dev, category, threshold)
    if whole["auc"] is None:
        return {}
    found = {ALL: whole}
    for language in sorted(set(dev["language"])):
        here = (dev["language"] == language).to_numpy()
        row = category_figures(scores[here], dev[here], category, threshold)
        if row["auc"] is not None:
            found[language] = row
    return found


def _macro(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return means over the categories with 50 positives; their number is in the name."""
    counted = [row for row in rows.values() if row["positives"] >= ENOUGH]
    names = ("auc", "ap", "f1", "ece")
    return {f"macro_{name}_{len(counted)}": float(np.mean([row[name] for row in counted])) for name in names if counted}


def _groups(scores: Numbers, dev: pd.DataFrame, model: Model) -> dict[str, Any]:
    """Return false-positive rates of the groups our held-back sentences name, for the category with the widest gap."""
    named = ((dev["source"] == own_patterns.SOURCE) & (dev["group"] != "")).to_numpy()
    names = [[group] for group in dev["group"][named]]
    found: dict[str, Any] = {"difference": None, "category": None, "worst": None, "rates": {}}
    for category in GAPS:
        if category in model.categories:
            mine = scores[named, CATEGORIES.index(category)]
            labels = dev[category].to_numpy(float)[named]
            each = gap(mine, labels, model.thresholds[category], names)
            if each.difference is not None and each.difference >= (found["difference"] or 0.0):
                rates = {name: {"rate": rate, "n": n} for name, (rate, n) in sorted(each.rates.items())}
                found = {
                    "difference": each.difference,
                    "category": category,
                    "worst": each.largest,
                    "rates": rates,
                }
    return found


def _inputs(table: pd.DataFrame, hashes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what was learned from, source by source: rows of either side and their hash."""
    counts = table.groupby(["source", "split"]).size()
    sides = {name: {side: int(counts.get((name, side), 0)) for side in ("train", "dev")} for name in hashes}
    sides[ALL] = {side: int((table["split"] == side).sum()) for side in ("train", "dev")}
    return [{"source": name, "hash": digest, **sides[name]} for name, digest in hashes.items()]
