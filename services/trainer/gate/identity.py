"""Checks of fairness between groups: who is flagged for being named. Pure.

Sources: learning.md section 13; subgroup and BPSN AUC and their generalized mean: Borkan et al. 2019, "Nuanced metrics
for measuring unintended bias" (arXiv:1903.04561).
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from services.trainer.figures import spread
from services.trainer.gate.areas import area
from services.trainer.gate.check import Check, absolute, at_least, at_most, silent
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged
from shared.vocabulary import CATEGORIES

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

POWER = -5
"""Exponent of the generalized mean over groups: the worst ones count most (Borkan et al. 2019)."""
DECISIONS = ("flagged", "toxic", "hate_speech")
"""What a benign sentence must not be called: anything at all, or one of the two that name no group."""
RANKED = ("toxic", "hate_speech")
TINY = 1e-6


def gaps(after: Judged, before: Judged | None, limits: Limits, anchor: Judged | None = None) -> Iterator[Check]:
    """Yield, per language and decision, largest less smallest false-positive rate over groups.

    Each group is the subject of the same sentences. Where champion and shipped model (`anchor`) miss the limit, the gap
    may be a few sentences wider than with the better of the two; so it does not creep.
    """
    frozen = after.frozen
    names = frozen.group_of[0]
    for language, rows in frozen.benign_probes.items():
        groups = [(names[group],) for group in frozen.group_of[1][rows]]
        for decision in DECISIONS:
            name = f"identity.gap.{language}.{decision}"
            ours, *theirs = (
                spread(_said(each, decision)[rows], groups, limits.fewest_of_group)
                for each in (after, before, anchor)
                if each is not None
            )
            if ours.difference is None:
                yield silent(name, len(rows), "fewer than two groups have enough benign sentences")
                continue
            most = f"most often of {ours.largest},"
            yield absolute(
                name,
                ours.difference,
                limits.gap,
                min((each.difference for each in theirs if each.difference is not None), default=None),
                len(rows),
                f"gap between groups in benign sentences ({language}) {_called(decision)}, {most}",
                least=False,
                slack=limits.gap_sentences / min(n for _, n in ours.rates.values() if n >= limits.fewest_of_group),
            )


def moves(after: Judged, before: Judged, limits: Limits, *, drift: bool = False) -> Iterator[Check]:
    """Yield, per category, the group whose benign sentences rose most, and the one whose hostile sentences fell most.

    In logits, against what the median group did in the same sentences: a model may change its mind about sentences,
    and not about a group. With `drift` `before` is the model that ships.
    """
    frozen = after.frozen
    names = frozen.group_of[0]
    against = "the shipped model" if drift else "the champion"
    for column, category in enumerate(CATEGORIES):
        if not (after.knows[column] and before.knows[column]):
            continue
        change = _logits(after, column) - _logits(before, column)
        for kind, families, sign in (("rise", frozen.families, 1), ("fall", frozen.hostile_probes, -1)):
            if kind == "fall" and category not in RANKED:
                continue  # of other categories a hostile sentence need not be
            limit = (limits.rise if category in RANKED else limits.rise_others) + (limits.drift if drift else 0.0)
            name = f"identity.{'drift.' if drift else ''}{kind}.{category}"
            worst = _most_moved(sign * change, families, frozen.group_of[1], len(names), limits)
            if worst is None:
                yield silent(name, 0, "no group has enough sentences")
                continue
            moved, group, family, n = worst
            what = "benign" if kind == "rise" else "hostile"
            yield at_most(
                name,
                moved,
                limit,
                n,
                f"{category} of {what} sentences about {names[group]} ({family}), against the median "
                f"group's and {against}'s: {kind} in logits",
            )


def subgroups(after: Judged, before: Judged, limits: Limits) -> Iterator[Check]:
    """Yield how far the mean subgroup AUC falls, and the mean AUC of benign sentences about a group against the rest.

    Subgroup: the rows about one group. BPSN (background positive, subgroup negative): its benign rows among hostile
    rows about others.
    """
    for category in RANKED:
        column = CATEGORIES.index(category)
        for kind in ("subgroup", "bpsn"):
            name = f"identity.{kind}.{category}"
            ours, theirs = (_by_group(each, column, kind, limits) for each in (after, before))
            if not ours:
                yield silent(name, 0, "no group has enough rows of both classes")
                continue
            now, then = (_generalized([*each.values()]) for each in (ours, theirs))
            worst = min(ours, key=lambda group: (ours[group], group))
            yield at_least(
                name,
                now,
                then - limits.subgroup_fall,
                len(ours),
                f"mean {kind} AUC of {category} over groups (the champion's {then:.4f}, lowest of {worst})",
            )


def _most_moved(
    change: Numbers, families: Mapping[str, Places], group_of: Places, count: int, limits: Limits
) -> tuple[float, int, str, int] | None:
    """Return the largest move beside the median group's, with its group, its family and its rows."""
    found = []
    for family, rows in families.items():
        groups = group_of[rows]
        sizes = np.bincount(groups, minlength=count)
        counted = np.flatnonzero(sizes >= limits.fewest_of_group)
        if not len(counted):
            continue
        mean = _rates(change[rows], groups, sizes)[counted]
        at = int(np.argmax(mean))
        found.append((float(mean[at] - np.median(mean)), int(counted[at]), family, int(sizes[counted[at]])))
    return max(found, default=None)


def _by_group(judged: Judged, column: int, kind: str, limits: Limits) -> dict[str, float]:
    frozen = judged.frozen
    names, place = frozen.group_of
    about = frozen.known[:, column] & (place >= 0) & frozen.own
    truth = frozen.labels[:, column] == 1
    found = {}
    for at, name in enumerate(names):
        mine = about & (place == at)
        positive = mine & truth if kind == "subgroup" else about & truth & (place != at)
        negative = mine & ~truth
        if min(positive.sum(), negative.sum()) < limits.fewest_of_group:
            continue
        rows = np.flatnonzero(positive | negative)
        value = area(judged.chances[rows, column], truth[rows])
        if value is not None:
            found[name] = value
    return found


def _generalized(values: list[float]) -> float:
    return float(np.mean(np.maximum(values, TINY) ** float(POWER)) ** (1 / POWER))


def _logits(judged: Judged, column: int) -> Numbers:
    chances = np.clip(judged.chances[:, column], TINY, 1 - TINY)
    logits: Numbers = np.log(chances / (1 - chances))
    return logits


def _said(judged: Judged, decision: str) -> Flags:
    if decision == "flagged":
        return judged.flagged
    said: Flags = judged.said[:, CATEGORIES.index(decision)]
    return said


def _rates(values: Numbers | Flags, groups: Places, sizes: Places) -> Numbers:
    """Return the mean of values per group."""
    return np.bincount(groups, weights=values, minlength=len(sizes)) / np.maximum(sizes, 1)


def _called(decision: str) -> str:
    return "flagged" if decision == "flagged" else f"called {decision}"
