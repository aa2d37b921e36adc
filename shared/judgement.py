"""Ratings on one scale of 0 to 4: when one means toxic, and how a system's score becomes one. Pure.

Invariant: a person's rating, a prediction and a system's rating are decided by the same function at the same cut.
Source of bins and cut: audits.md sections 2 and 7.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.0, 4.0
CUT = 2.0
"""The rating from which a post is toxic (theta)."""
EDGES = (0.5, 1.5, 2.5, 3.5)
"""Where the five severities begin, but the first; the lower bound belongs to the severity, the last one is closed."""


def is_toxic(rating: "float | NDArray[np.float64] | NDArray[np.float32]", cut: float = CUT) -> NDArray[np.bool_]:
    """Return whether a rating of 0 to 4, or each of many, means toxic."""
    return np.asarray(rating) >= cut


def system_rating(
    score: "float | NDArray[np.float64]", threshold: float = CUT / HIGHEST, cut: float = CUT
) -> NDArray[np.float64]:
    """Return the rating of a system's score of 0 to 1: its own threshold becomes the cut, in between straight lines.

    With the default threshold of one half it is four times the score. Raises ValueError for a threshold that leaves
    no room on either side.
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError("a threshold lies between 0 and 1")
    return np.asarray(np.interp(score, (0.0, threshold, 1.0), (LOWEST, cut, HIGHEST)), np.float64)


def severity(rating: "float | NDArray[np.float64]") -> NDArray[np.int64]:
    """Return the severity of a rating: 0 not at all, 1 slightly, 2 moderately, 3 very, 4 extremely."""
    return np.asarray(np.searchsorted(EDGES, rating, side="right"), np.int64)


SEVERITIES = ("not at all", "slightly", "moderately", "very", "extremely")
"""The words of the five severities, as people are asked for them."""
DRAWN = (2, 4, 8, 4, 2)
"""Posts a person is shown of each severity by the system's rating: twenty."""


def stratified(ratings: NDArray[np.float64], order: NDArray[np.int64], counts: Sequence[int] = DRAWN) -> list[int]:
    """Return which posts a person is shown: so many of each severity, the first of them in `order`.

    What a severity lacks comes from the nearest ones, the milder first: as many as asked, while there are as many.
    """
    of = severity(ratings[order])
    left = {each: order[of == each].tolist() for each in range(len(counts))}
    drawn = {each: left[each][:count] for each, count in enumerate(counts)}
    left = {each: posts[len(drawn[each]) :] for each, posts in left.items()}
    for each, count in enumerate(counts):
        for other in sorted(left, key=lambda near: (abs(near - each), near)):
            missing = count - len(drawn[each])
            drawn[each] += left[other][:missing]
            left[other] = left[other][missing:]
    return [at for each in drawn.values() for at in each]
