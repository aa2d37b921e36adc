"""How often each category really occurs, told by randomly drawn reviews, and the shift that follows. Pure.

People correct what is wrong, so their corrections say nothing about how common a category is. Only reviews of posts
that were drawn at random do: below FEWEST of them everything stays as it is.

Invariant: a review that does not say that its post was drawn at random counts for nothing here. Slopes, ranks and, in
logits, thresholds stay: only what a probability means moves. Source: learning.md section 6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from services.trainer.labels import Lesson
from services.trainer.shipping import BASE_RATE
from shared.model import Model
from shared.text_key import key_of

FEWEST = 200
"""Reviews drawn at random from which a live rate is told."""
RATES = "base_rates"
"""Under this name a model's facts hold the rates its probabilities mean."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a category occurred among `n` randomly drawn posts that were reviewed for it."""

    share: float
    n: int


def live_rates(drawn: Iterable[Lesson], fewest: int = FEWEST) -> dict[str, Rate]:
    """Return category -> its live rate, for categories with enough random reviews; a text counts once per category.

    `drawn` are the lessons of reviews of randomly drawn posts, oldest first. The share is half a review away from 0
    and 1 (Jeffreys' prior), so that a category nobody has met yet is rare and not impossible. Guesses do not count.
    """
    newest = {
        (key_of(lesson.text), category): label
        for lesson in drawn
        if lesson.sampled and not lesson.weak
        for category, label in lesson.labels.items()
    }
    counts: dict[str, list[int]] = {}
    for (_, category), label in newest.items():
        counts.setdefault(category, []).append(label)
    return {
        category: Rate((sum(labels) + 0.5) / (len(labels) + 1), len(labels))
        for category, labels in sorted(counts.items())
        if len(labels) >= fewest
    }


def shifted(model: Model, rates: Mapping[str, Rate]) -> Model:
    """Return a model whose probabilities mean the live rates; of categories without one they mean what they meant.

    The logit moves by the difference of log-odds between the live rate and the one it was calibrated to, and the
    threshold with it, so that the same posts are flagged as before.
    """
    before = {category: float(rate) for category, rate in model.facts.get(RATES, {}).items()}
    told = {category: rate.share for category, rate in rates.items() if category in model.categories}
    if not told:
        return model
    calibration, thresholds = np.array(model.calibration, np.float64), dict(model.thresholds)
    for category, share in told.items():
        move = _log_odds(share) - _log_odds(before.get(category, BASE_RATE))
        calibration[model.categories.index(category), 1] += move
        thresholds[category] = 1 / (1 + exp(-(_log_odds(thresholds[category]) + move)))
    return replace(
        model,
        calibration=calibration.astype(np.float32),
        thresholds=thresholds,
        facts={**model.facts, RATES: {**before, **told}},
    )


def _log_odds(share: float) -> float:
    return log(share / (1 - share))
