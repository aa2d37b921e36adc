"""What learning did to the scores of the very texts that were corrected: what a receipt shows. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.trainer.labels import Lesson
from services.trainer.runs import Effect
from shared.model import Model
from shared.vocabulary import CATEGORIES


def effects(before: Model | None, after: Model, taught: Sequence[Lesson]) -> list[Effect]:
    """Return the scores of corrected texts with the model of before (if there is one) and of now."""
    texts = [lesson.text for lesson in taught]
    if not texts:
        return []
    earlier = before.score(texts) if before is not None else np.full((len(texts), len(CATEGORIES)), np.nan)
    later = after.score(texts)
    return [
        Effect(lesson.correction_id, _spoken(lesson, old), _spoken(lesson, new))
        for lesson, old, new in zip(taught, earlier, later, strict=True)
    ]


def _spoken(lesson: Lesson, scores: Any) -> dict[str, float]:
    """Return the known scores of the categories a person spoke about, to four places."""
    columns = {name: float(scores[CATEGORIES.index(name)]) for name in sorted(lesson.labels)}
    return {name: round(value, 4) for name, value in columns.items() if not np.isnan(value)}
