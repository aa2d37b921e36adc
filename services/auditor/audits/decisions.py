"""A person's side of every post beside the system's: what each decides, and how they differ.

Invariant: one rule decides both sides, a label wins over a prediction, and `signed` is positive where the system is
under-sensitive. Source: audits.md section 7.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.auditor.audits.columns import Corpus, Floats, Judge
from shared.judgement import CUT, is_toxic

Yes = NDArray[np.bool_]

STEPS = (0.5, 1.0, 1.5)
"""Distances at which the next of four colour steps begins; each bound belongs to the step below it."""


SHIFTS = (-2.5, -1.25, 0.0, 1.25, 2.5)
"""By how many sds a person's mean is moved, to see what figures would be then."""


class Source(StrEnum):
    """What a person's side of a post is: their own rating, or what their model predicts."""

    LABEL = "label"
    PREDICTION = "prediction"


class ErrorType(StrEnum):
    """How person and system decide a post. Under: the system is under-sensitive, over: over-sensitive."""

    UNDER = "under"
    OVER = "over"
    AGREE_TOXIC = "agree_toxic"
    AGREE_NOT_TOXIC = "agree_not_toxic"


TYPES = tuple(ErrorType)
"""The order of the codes in `Side.types`."""
UNDER, OVER, AGREE_TOXIC, AGREE_NOT_TOXIC = range(len(TYPES))


class Errors(StrEnum):
    """Which posts are looked at."""

    BOTH = "both"
    UNDER = "under"
    OVER = "over"
    ALL = "all"


@dataclass(frozen=True, eq=False)
class Side:
    """One person's side of n posts, all (n,). Made by `side_of`.

    `user` is the label or else the prediction, 0 to 4, `spread` the sd of what is not known of it (0 of a label),
    `noise` the sd of a single rating around the person's mean. `types` are codes of TYPES. `p_disagree` is the
    probability that the person's decision differs from the system's, 0 or 1 where they labelled.
    """

    user: Floats
    system: Floats
    labelled: Yes
    user_toxic: Yes
    system_toxic: Yes
    types: NDArray[np.int8]
    p_disagree: Floats
    spread: Floats
    noise: Floats
    cut: float

    def __len__(self) -> int:
        return len(self.user)

    @property
    def distance(self) -> Floats:
        """Return how far system and person are apart where they decide differently, else 0."""
        found: Floats = np.abs(self.signed)
        return found

    @property
    def signed(self) -> Floats:
        """Return user less system where they decide differently, else 0: positive where the system misses harm."""
        return np.where(self.types <= OVER, self.user - self.system, np.float32(0.0))

    @cached_property
    def measures(self) -> Floats:
        """Return what figures are sums of, (28, n); the rows are named in `sums.Sums`, in their order."""
        apart = self.user - self.system
        squares = apart * apart
        flagged = self.system_toxic.astype(np.float32)
        moved = [self._disagreeing(shift) for shift in SHIFTS]
        rows = [
            self.labelled,
            *(self.types == code for code in range(len(TYPES))),
            apart,
            self.spread,
            squares,
            squares * squares,
            apart * self.spread,
            self.spread * self.spread,
            *(np.abs(apart + np.float32(shift) * self.spread) for shift in SHIFTS),
            *(each * (1 - flagged) for each in moved),
            *(each * flagged for each in moved),
            self.p_disagree * (1 - flagged),
            self.p_disagree * flagged,
        ]
        made = np.empty((len(rows), len(self)), np.float32)
        for at, row in enumerate(rows):
            made[at] = row
        return made

    def _disagreeing(self, shift: float) -> Floats:
        """Return the probability of deciding differently if the person's mean were `shift` sds higher."""
        mean = self.user + np.float32(shift) * self.spread
        toxic = ndtr((mean - np.float32(self.cut)) / self.noise)
        return np.where(self.labelled, self.p_disagree, np.where(self.system_toxic, np.float32(1.0) - toxic, toxic))


def side_of(corpus: Corpus, judge: Judge, cut: float = CUT) -> Side:
    """Return a person's side of all posts. Raises ValueError if the judgement is of other rows."""
    if len(corpus) != len(judge):
        raise ValueError("the judgement is of other rows than the corpus has")
    labelled = ~np.isnan(judge.label)
    user = np.where(labelled, judge.label, judge.prediction)
    mine, theirs = is_toxic(user, cut), is_toxic(corpus.system, cut)
    apart = np.where(theirs, np.float32(1.0) - judge.toxic, judge.toxic)
    return Side(
        user,
        corpus.system,
        labelled,
        mine,
        theirs,
        types_of(mine, theirs),
        np.where(labelled, (mine != theirs).astype(np.float32), apart),
        np.where(labelled, np.float32(0.0), judge.sd),
        np.sqrt(np.maximum(judge.sd_of_one**2 - judge.sd**2, np.float32(1e-6))),
        cut,
    )


def types_of(user: Yes, system: Yes) -> NDArray[np.int8]:
    """Return the codes of TYPES that two decisions make."""
    return np.where(user, np.where(system, AGREE_TOXIC, UNDER), np.where(system, OVER, AGREE_NOT_TOXIC)).astype(np.int8)


def passing(types: NDArray[np.int8], errors: Errors) -> Yes:
    """Return which posts a filter lets through."""
    if errors is Errors.ALL:
        return np.ones(types.shape, np.bool_)
    if errors is Errors.BOTH:
        return types <= OVER
    found: Yes = types == (UNDER if errors is Errors.UNDER else OVER)
    return found


def steps(distance: "Floats | NDArray[np.float64]") -> NDArray[np.int64]:
    """Return the colour step of distances: 0 for agreement, 1 to 4 the further apart."""
    found = np.searchsorted(STEPS, distance, side="left") + 1
    return np.where(distance > 0.0, found, 0)


def counted(types: NDArray[np.int8]) -> dict[ErrorType, int]:
    """Return how many posts there are of each type."""
    counts = np.bincount(types, minlength=len(TYPES)).tolist()
    return dict(zip(TYPES, counts, strict=True))
