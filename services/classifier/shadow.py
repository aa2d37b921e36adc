"""What a shadow model would have done beside the one in force: flags gained and lost, how far scores differ. Pure.

Invariant: nothing here is ever said as a score of a post.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.scoring import DIGITS
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES

ANY = "any"
"""Stands for a whole post: flagged by some category."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Flip:
    """A post that one of two models flags and the other does not; categories by name, `any` for the whole post."""

    at: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    difference: float


@dataclass(frozen=True, slots=True)
class Count:
    """What two models said of a number of posts in one category: flags and the absolute difference of probabilities."""

    posts: int
    champion: int
    shadow: int
    gained: int
    lost: int
    difference: float
    largest: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Counts by category and for `any`, and every post with another decision."""

    counts: Mapping[str, Count]
    flips: tuple[Flip, ...]


def compared(
    champion: Floats, shadow: Floats, limits: Mapping[str, float], shadow_limits: Mapping[str, float]
) -> Compared:
    """Compare scores (posts, 12) of two models, NaN where one knows nothing, each at its own thresholds.

    A category that only one of them knows counts as not flagged by the other, and has no difference.
    """
    ours, theirs = _decisions(champion, limits), _decisions(shadow, shadow_limits)
    apart = np.abs(shadow - champion)
    counts = {
        name: _count(ours[:, column], theirs[:, column], apart[:, column] if name != ANY else None)
        for column, name in enumerate((*CATEGORIES, ANY))
    }
    changed = np.flatnonzero((ours != theirs).any(axis=1))
    return Compared(counts, tuple(_flip(int(at), ours[at], theirs[at], apart[at]) for at in changed))


def _decisions(scores: Floats, limits: Mapping[str, float]) -> NDArray[np.bool_]:
    """Return (posts, 13): which categories flag, and whether the post is flagged; read as services.classifier.scoring.

    NaN is over nothing.
    """
    over = np.round(scores, DIGITS) >= np.array([threshold_of(name, limits) for name in CATEGORIES])
    return np.column_stack((over, over.any(axis=1)))


def _count(ours: NDArray[np.bool_], theirs: NDArray[np.bool_], apart: Floats | None) -> Count:
    known = np.zeros(1) if apart is None or np.isnan(apart).all() else apart[~np.isnan(apart)]
    return Count(
        posts=len(ours),
        champion=int(ours.sum()),
        shadow=int(theirs.sum()),
        gained=int((theirs & ~ours).sum()),
        lost=int((ours & ~theirs).sum()),
        difference=float(known.sum()),
        largest=float(known.max()),
    )


def _flip(at: int, ours: NDArray[np.bool_], theirs: NDArray[np.bool_], apart: Floats) -> Flip:
    names: Sequence[str] = (*CATEGORIES, ANY)
    gained = tuple(name for name, before, after in zip(names, ours, theirs, strict=True) if after and not before)
    lost = tuple(name for name, before, after in zip(names, ours, theirs, strict=True) if before and not after)
    return Flip(at, gained, lost, 0.0 if np.isnan(apart).all() else float(np.nanmax(apart)))
