"""Checks of slices: the kinds of sentences of our own, languages, sources and groups, each on its own. Pure.

Source: learning.md section 13. A model may get better on the whole and lose a kind of sentence: nobody sees that in a
macro figure.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from services.trainer.gate.chance import mean_and_error, quantile
from services.trainer.gate.check import Check, silent
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged
from shared.vocabulary import CATEGORIES

Places = NDArray[np.int64]

STANCE = ("toxic", "hate_speech")
"""What our own groups of sentences were written to tell apart."""


def own_groups(after: Judged, before: Judged, limits: Limits) -> Iterator[Check]:
    """Yield whether there are enough functionality-like groups per language, and that none gets worse."""
    slices = {name: rows for name, rows in after.frozen.functional.items() if len(rows) >= limits.group_rows}
    for language in limits.languages:
        count = sum(name.startswith(f"{language} ") for name in slices)
        enough = count >= limits.groups
        words = f"{count} groups of our own sentences in {language} have {limits.group_rows} rows"
        if enough:
            yield Check(f"groups.there.{language}", True, float(count), float(limits.groups), count, words)
        else:
            yield silent(f"groups.there.{language}", count, f"{words}, fewer than {limits.groups}")
    yield from _compared("groups", slices, STANCE, limits.group_rows, after, before, limits)


def slices(after: Judged, before: Judged, limits: Limits) -> Iterator[Check]:
    """Yield that no language, source or group of people gets worse in any category."""
    found = {name: rows for name, rows in after.frozen.slices.items() if len(rows) >= limits.slice_rows}
    judged = tuple(each for each in CATEGORIES if each not in limits.unknown)
    yield from _compared("slice", found, judged, limits.slice_rows, after, before, limits)


def _compared(
    kind: str,
    found: Mapping[str, Places],
    categories: tuple[str, ...],
    fewest: int,
    after: Judged,
    before: Judged,
    limits: Limits,
) -> Iterator[Check]:
    """Yield one check per category: the slice that fell most, and if more than one fell too far, how many did.

    A slice fell if its accuracy did by more than the limit (or to less than a half) and more than chance explains,
    counted by patterns and not by their fillings, and knowing that many slices are looked at.
    """
    frozen = after.frozen
    columns = [CATEGORIES.index(category) for category in categories]
    columns = [column for column in columns if after.knows[column] or before.knows[column]]
    right = {
        column: tuple(
            (each.said[:, column] == (frozen.labels[:, column] == 1)).astype(float) for each in (after, before)
        )
        for column in columns
    }
    looked = {
        (column, name): mine
        for column in columns
        for name, rows in found.items()
        if len(mine := rows[frozen.known[rows, column]]) >= fewest
    }
    needed = quantile(len(looked))
    for column in columns:
        category, bad, told = CATEGORIES[column], [], []
        for (of, name), mine in looked.items():
            if of != column:
                continue
            ours, theirs = (each[mine] for each in right[column])
            now, then = float(ours.mean()), float(theirs.mean())
            told.append((now - then, name, now, then, len(mine)))
            if _too_far(now, then, limits):
                change, error, units = mean_and_error(ours - theirs, frozen.units[mine])
                if units >= limits.slice_units and change + needed * error < 0:
                    bad.append(told[-1])
        yield _worst(f"{kind}.{category}", category, told, bad, fewest, limits)


def _worst(
    name: str,
    category: str,
    told: list[tuple[float, str, float, float, int]],
    bad: list[tuple[float, str, float, float, int]],
    fewest: int,
    limits: Limits,
) -> Check:
    if not told:
        return silent(name, 0, f"no slice has {fewest} rows that say something of {category}")
    change, worst, now, then, n = min(bad or told)
    if change >= 0:
        return Check(
            name, True, 0.0, limits.slice_fall, n, f"accuracy of {category} fell in none of {len(told)} slices"
        )
    others = f"; so did {len(bad) - 1} more of {len(told)}" if len(bad) > 1 else ""
    if bad:
        verdict = f"more than {limits.slice_fall:g}, or below {limits.half:g}, and more than chance explains{others}"
    elif _too_far(now, then, limits):
        verdict = f"no more than chance explains among {len(told)} slices"
    else:
        verdict = f"within {limits.slice_fall:g}"
    reason = f"accuracy of {category} fell most in {worst}, from {then:.4f} to {now:.4f}: {verdict}"
    return Check(name, not bad, -change, limits.slice_fall, n, reason)


def _too_far(ours: float, theirs: float, limits: Limits) -> bool:
    return theirs - ours > limits.slice_fall + 1e-9 or (theirs >= limits.half > ours)
