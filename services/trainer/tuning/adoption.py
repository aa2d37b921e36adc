"""Whether what a study found replaces the defaults. Pure.

Invariant: without a gain that three seeds agree on, the defaults stay, and the report says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.trainer.tuning.objective import Worth

SEEDS = (0, 1, 2)
LEAST_GAIN = 0.003
"""Gain in mean average precision; seeds alone differ by 0.0015 (learning.md section 12)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the found values are taken, the mean gain in AP and in the whole score, and why in words."""

    adopted: bool
    gain: float
    score_gain: float
    reason: str


def verdict(found: Sequence[Worth], default: Sequence[Worth]) -> Verdict:
    """Return what follows from the worth of the found values and of the defaults, seed by seed.

    Adopted are values that gain 0.003 AP on the mean of the seeds, lose with none of them, and do not pay for it in
    calibration or between identities. Raises ValueError for other than the same seeds on both sides.
    """
    if len(found) != len(default) or not found:
        raise ValueError("the same seeds have to be tried on both sides")
    gains = [ours.ap - theirs.ap for ours, theirs in zip(found, default, strict=True)]
    gain = float(np.mean(gains))
    score_gain = float(np.mean([ours.score - theirs.score for ours, theirs in zip(found, default, strict=True)]))
    said = f"AP {gain:+.4f} on the mean of {len(gains)} seeds"
    if gain < LEAST_GAIN:
        return Verdict(False, gain, score_gain, f"{said}, less than {LEAST_GAIN:g}: the defaults stay")
    if min(gains) <= 0:
        return Verdict(False, gain, score_gain, f"{said}, but a seed lost {-min(gains):.4f}: the defaults stay")
    if score_gain < 0:
        words = f"{said}, but {-score_gain:.4f} lost with calibration and identities counted: the defaults stay"
        return Verdict(False, gain, score_gain, words)
    return Verdict(True, gain, score_gain, f"{said}: adopted")
