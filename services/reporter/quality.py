"""How good scores are, told from what reviewers said of them: agreement, blind checks, calibration, thresholds. Pure.

Invariant: every share says of how many and with which 95 % interval; nothing in here is about one person. A category
that a verdict does not speak about is unknown, never absent.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from shared.chance import Z, wilson
from shared.vocabulary import Verdict

ENOUGH = 20
"""Posts that two people judged, or blind verdicts, below which no agreement is told."""
BINS = 10
THRESHOLDS = tuple(n / 20 for n in range(1, 20))
"""What the simulator compares: 0.05 to 0.95."""


@dataclass(frozen=True, slots=True)
class Word:
    """A reviewer's standing verdict: `actual` is what was flagged, `expected` what should have been.

    `scores` are those of the post as its scorer says them today.
    """

    post_id: str
    reviewer: str | None
    verdict: Verdict
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    at: datetime
    blind: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Return whether the person was sure."""
        return self.verdict is not Verdict.UNSURE

    def says(self, category: str) -> bool | None:
        """Return whether the person sees a category in the post; None if they did not speak about it."""
        if not self.decided:
            return None
        if category in self.expected:
            return True
        if category in self.actual:
            return self.verdict is Verdict.CORRECT
        return None


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`, with Wilson's 95 % interval; without any, all three are None."""

    count: int
    n: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the posts flagged with a category, those whose reviewer confirmed it; and posts where it was `missed`."""

    category: str
    confirmed: Share
    missed: int


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two reviewers beyond chance on `n` posts; None under ENOUGH posts, or where all say the same."""

    category: str
    n: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Posts scored from `low` on, under a tenth more: the mean of their scores and the share that was confirmed."""

    low: float
    mean: float
    confirmed: Share


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold would do: precision and recall among reviewed posts, and how many newest posts it flags."""

    threshold: float
    precision: Share
    recall: Share
    flagged: int


def share(count: int, n: int) -> Share:
    """Return a share with its interval."""
    if n == 0:
        return Share(0, 0, None, None, None)
    low, high = wilson(count, n)
    return Share(count, n, round(count / n, 4), round(low, 4), round(high, 4))


def latest(words: Iterable[Word]) -> list[Word]:
    """Return the newest sure word on each post."""
    newest = {each.post_id: each for each in sorted(words, key=lambda each: each.at) if each.decided}
    return list(newest.values())


def agreement(words: Iterable[Word], categories: Sequence[str]) -> list[Agreement]:
    """Return how often people confirmed each category of a flag, by the newest word on each post."""
    said, found = latest(words), []
    for name in categories:
        flagged = [each for each in said if name in each.actual]
        confirmed = sum(each.says(name) is True for each in flagged)
        missed = sum(name in each.expected and name not in each.actual for each in said)
        found.append(Agreement(name, share(confirmed, len(flagged)), missed))
    return found


def whole(words: Iterable[Word]) -> Share:
    """Return how often people called a score correct, of all sure words given."""
    said = [each for each in words if each.decided]
    return share(sum(each.verdict is Verdict.CORRECT for each in said), len(said))


def overlap(one: Share, other: Share) -> bool:
    """Return whether the intervals of two shares have something in common; without one of them they do."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def pairs(words: Iterable[Word], category: str) -> list[tuple[bool, bool]]:
    """Return what the first two people said of a category, of each post that two people spoke about."""
    by_post: dict[str, dict[str, bool]] = defaultdict(dict)
    for each in sorted(words, key=lambda each: each.at):
        said = each.says(category)
        if said is not None and each.reviewer is not None and len(by_post[each.post_id] | {each.reviewer: said}) <= 2:
            by_post[each.post_id][each.reviewer] = said
    return [(first, second) for first, second in (_two(each) for each in by_post.values() if len(each) == 2)]


def _two(said: Mapping[str, bool]) -> tuple[bool, bool]:
    first, second = said.values()
    return first, second


def shared_posts(words: Iterable[Word]) -> int:
    """Return how many posts two people or more gave a sure word on."""
    speakers: dict[str, set[str]] = defaultdict(set)
    for each in words:
        if each.decided and each.reviewer is not None:
            speakers[each.post_id].add(each.reviewer)
    return sum(len(each) > 1 for each in speakers.values())


def kappa(words: Sequence[Word], category: str) -> Kappa:
    """Return how far two reviewers of a post agree about a category, beyond chance."""
    said = pairs(words, category)
    if len(said) < ENOUGH:
        return Kappa(category, len(said), None, None, None)
    both = sum(first and second for first, second in said)
    split = sum(first != second for first, second in said)
    found = fleiss(both, split, len(said) - both - split)
    return Kappa(category, len(said), *(found or (None, None, None)))


def fleiss(both: int, split: int, neither: int) -> tuple[float, float, float] | None:
    """Return kappa of two exchangeable raters and two answers, with its 95 % interval; None if all say the same.

    Value: Fleiss 1971. Interval: the values that a test of goodness of fit does not refuse (Donner and Eliasziw 1992),
    to a thousandth, which holds its level in small samples and does not shrink to a point when nobody disagrees.
    """
    n = both + split + neither
    p = (2 * both + split) / (2 * n)
    if p in (0.0, 1.0):
        return None
    value = 1.0 - split / (2 * n * p * (1.0 - p))
    lowest = -min(p, 1.0 - p) / max(p, 1.0 - p)  # below, a cell would have to be less than empty
    grid = np.linspace(lowest, 1.0, 4001)[1:-1]
    spread = p * (1.0 - p)
    cells = (p * p + grid * spread, 2.0 * spread * (1.0 - grid), (1.0 - p) ** 2 + grid * spread)
    misfit = sum((seen - n * cell) ** 2 / (n * cell) for seen, cell in zip((both, split, neither), cells, strict=True))
    kept = grid[np.asarray(misfit) <= Z * Z]
    low, high = (float(kept[0]), float(kept[-1])) if len(kept) else (value, value)
    return round(value, 3), round(min(low, value), 3), round(max(high, value) if split else 1.0, 3)


def labelled(words: Iterable[Word], category: str) -> list[tuple[float, bool]]:
    """Return score and label of every post whose newest word speaks about a category and that has a score of it."""
    return [
        (each.scores[category], said)
        for each in latest(words)
        if category in each.scores and (said := each.says(category)) is not None
    ]


def calibration(sample: Iterable[tuple[float, bool]]) -> list[Bin]:
    """Return the bins of a tenth that hold posts, lowest first."""
    by_bin: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for score, label in sample:
        by_bin[min(int(score * BINS + 1e-9), BINS - 1)].append((score, label))
    return [
        Bin(
            at / BINS,
            round(sum(score for score, _ in some) / len(some), 4),
            share(sum(label for _, label in some), len(some)),
        )
        for at, some in sorted(by_bin.items())
    ]


def simulate(sample: Sequence[tuple[float, bool]], newest: Sequence[float], thresholds: Iterable[float]) -> list[Point]:
    """Return what each threshold would do: to a reviewed sample, and to the scores of the newest posts."""
    scores, everybody = np.array(sorted(newest)), sum(label for _, label in sample)
    found = []
    for threshold in thresholds:
        over = [label for score, label in sample if score >= threshold]
        flagged = len(scores) - int(np.searchsorted(scores, threshold, side="left"))
        found.append(Point(threshold, share(sum(over), len(over)), share(sum(over), everybody), flagged))
    return found


def disagreements(words: Iterable[Word], limit: int) -> list[Word]:
    """Return posts whose newest word calls the score wrong, those with the highest score first."""
    wrong = [each for each in latest(words) if each.verdict is Verdict.INCORRECT]
    return sorted(wrong, key=lambda each: (-max(each.scores.values(), default=0.0), each.post_id))[:limit]


def split_posts(words: Sequence[Word], limit: int) -> list[str]:
    """Return the posts about which people differ, the newest word first."""
    said: dict[str, dict[str, Verdict]] = defaultdict(dict)
    ordered = sorted(words, key=lambda each: each.at)
    for each in ordered:
        if each.decided and each.reviewer is not None:
            said[each.post_id][each.reviewer] = each.verdict
    newest_first = dict.fromkeys(each.post_id for each in reversed(ordered))
    return [post for post in newest_first if len(set(said[post].values())) > 1][:limit]
