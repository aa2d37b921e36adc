"""The gate's part of a run: the frozen rows of its table, both models judged on them, and the decision as plain data.

Invariant: candidate, champion and shipped model are judged on the same rows, none of which taught the candidate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from services.trainer.gate.decision import LIMITS, decide
from services.trainer.gate.facts import Learned
from services.trainer.gate.frozen import Frozen, freeze
from services.trainer.gate.metrics import judge
from services.trainer.labels import Lesson
from services.trainer.own_rows import probes
from services.trainer.proving import prove
from shared import model
from shared.text_key import key_of
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES


def frozen_of(table: pd.DataFrame) -> Frozen:
    """Return what a gate judges on: the table's rows of side `dev`, and our sentences that only judge."""
    return freeze(table, probes())


def figures(judged: model.Model, frozen: Frozen) -> dict[str, Any]:
    """Return a model's metrics on the frozen rows as plain data."""
    return asdict(judge(judged, frozen).metrics)


def learned(taught: Sequence[Lesson], made: model.Model, receipts: Iterable[str]) -> Learned | None:
    """Return how much of what people taught is right now; None if nobody taught anything.

    A reviewer's own word stands in place of a score (services/classifier/overrides.py): of several about one text the
    newest. A guess does not, so it is right only if the model says so.
    """
    if not taught:
        return None
    newest = {
        (key_of(lesson.text), category): label
        for lesson in taught
        if not lesson.weak
        for category, label in lesson.labels.items()
    }
    scores = dict(zip((lesson.correction_id for lesson in taught), _said(taught, made), strict=True))
    pairs = right = alone = 0
    for lesson in taught:
        for category, label in lesson.labels.items():
            if category not in made.categories and lesson.weak:
                continue  # nobody could say it
            pairs += 1
            by_model = scores[lesson.correction_id].get(category) == label
            alone += by_model
            right += by_model or newest.get((key_of(lesson.text), category)) == label
    named = {*receipts}
    return Learned(pairs, right, len(taught), sum(lesson.correction_id in named for lesson in taught), alone)


def decided(
    candidate: bytes,
    champion: model.Model | None,
    shipped: model.Model,
    frozen: Frozen,
    training: pd.DataFrame,
    *,
    tolerance: float,
    held_out: Sequence[Path],
    taught: Learned | None,
    root: model.Model | None = None,
) -> dict[str, Any]:
    """Return the gate's decision about an artifact as plain data: `passed`, `reasons`, `checks`.

    `root` is the full training that the champion goes on from, if it is a replay.
    """
    anchor = judge(shipped, frozen)
    decision = decide(
        judge(model.load(candidate), frozen),
        None if champion is None else judge(champion, frozen),
        replace(LIMITS, macro=tolerance),
        proof=prove(candidate, frozen, training, held_out),
        anchor=anchor,
        root=None if root is None else judge(root, frozen),
        learned=taught,
    )
    return {
        "passed": decision.passed,
        "reasons": list(decision.reasons),
        "checks": [asdict(check) for check in decision.checks],
    }


def _said(taught: Sequence[Lesson], made: model.Model) -> list[dict[str, int]]:
    """Return per lesson what the model says of its text: known category -> 1 or 0 at its threshold."""
    columns = [(name, CATEGORIES.index(name), threshold_of(name, made.thresholds)) for name in made.categories]
    scores = made.score([lesson.text for lesson in taught])
    return [{name: int(row[column] >= limit) for name, column, limit in columns} for row in scores]
