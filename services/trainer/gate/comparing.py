"""Checks of each category: floors, the comparison with the champion, calibration. Pure.

Source: learning.md section 13; limits.py has the numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.trainer.calibration import BINS, calibration_error
from services.trainer.gate import decisions
from services.trainer.gate.areas import area, paired_bound
from services.trainer.gate.chance import Draws
from services.trainer.gate.check import Check, absolute, at_least, at_most, fallen, silent
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged
from shared.ids import digest
from shared.vocabulary import CATEGORIES

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

Areas = Mapping[str, float]


def evidence(judged: Judged, column: int, limits: Limits, mask: Flags | None = None) -> Places | None:
    """Return the rows that judge a category, None where there are too few positives or negatives."""
    known = judged.frozen.known[:, column]
    rows = np.flatnonzero(known if mask is None else known & mask)
    positives = int((judged.frozen.labels[rows, column] == 1).sum())
    enough = min(positives, len(rows) - positives) >= limits.enough_positives
    return rows if enough else None


def positives_of(judged: Judged, column: int) -> int:
    """Return how many frozen rows are known to have a category."""
    return int((judged.frozen.labels[:, column] == 1).sum())


def areas_of(judged: Judged, limits: Limits) -> dict[str, float]:
    """Return the AUC of every category with evidence, on all frozen rows."""
    found = {}
    for column, category in enumerate(CATEGORIES):
        rows = evidence(judged, column, limits)
        if rows is not None:
            value = area(judged.chances[rows, column], judged.frozen.labels[rows, column] == 1)
            if value is not None:
                found[category] = value
    return found


def known_categories(after: Judged, before: Judged | None, limits: Limits) -> Iterator[Check]:
    """Yield whether the candidate knows what it must, and leaves alone what nobody can answer for."""
    for column, category in enumerate(CATEGORIES):
        if category in limits.unknown:
            knows = bool(after.knows[column])
            yield Check(
                f"unknown.{category}",
                not knows,
                float(knows),
                0.0,
                len(after.frozen),
                f"{category} {'is scored' if knows else 'stays unknown'}: nobody can answer for it yet",
            )
        elif before is not None and before.knows[column]:
            knows = bool(after.knows[column])
            yield Check(
                f"known.{category}",
                knows,
                float(knows),
                1.0,
                len(after.frozen),
                f"{category} is {'known' if knows else 'not known any more'}",
            )


def floors(
    after: Judged, before: Judged | None, limits: Limits, left_out: Mapping[str, tuple[float, int]] | None = None
) -> Iterator[Check]:
    """Yield the absolute floors by tier, on people's posts: twins that we wrote are hard on purpose.

    `left_out` is category -> (AUC on a source left out of training, its rows); only a model made from nothing has it.
    """
    for column, category in enumerate(CATEGORIES):
        if category in limits.floors:
            name, limit = f"floor.{category}", limits.floors[category]
            rows = evidence(after, column, limits, ~after.frozen.own)
            if rows is None:
                yield silent(name, positives_of(after, column), _few_posts(category, limits))
                continue
            truth = after.frozen.labels[rows, column] == 1
            value, champion = (
                None if each is None else area(each.chances[rows, column], truth) for each in (after, before)
            )
            yield absolute(
                name,
                value or 0.0,
                limit,
                champion,
                int(truth.sum()),
                f"AUC of {category} on people's posts",
                least=True,
                slack=limits.auc_fall(category),
            )
        elif category in limits.left_out:
            name = f"floor.{category}"
            figure = None if left_out is None else left_out.get(category)
            if figure is None:
                yield silent(name, 0, f"{category} answers only on a source left out of training, and none was")
            else:
                yield at_least(
                    name, figure[0], limits.left_out[category], figure[1], f"AUC of {category} on a source left out"
                )


def areas(after: Judged, before: Judged, limits: Limits, fall: float) -> Iterator[Check]:
    """Yield, per category with evidence, how far its AUC falls."""
    ours, theirs = areas_of(after, limits), areas_of(before, limits)
    for category in ours:
        if after.knows[CATEGORIES.index(category)] or before.knows[CATEGORIES.index(category)]:
            n = positives_of(after, CATEGORIES.index(category))
            yield fallen("auc", category, ours[category], theirs[category], fall, n)


def against(after: Judged, before: Judged, limits: Limits) -> Iterator[Check]:
    """Yield, per category, how far AUC, its lower bound, F1 and recall fall against the champion."""
    judged: dict[int, Places] = {}
    for column, category in enumerate(CATEGORIES):
        if category in limits.unknown or not (after.knows[column] or before.knows[column]):
            continue
        rows = evidence(after, column, limits)
        if rows is None:
            yield silent(f"champion.{category}", positives_of(after, column), _few(category, limits))
        else:
            judged[column] = rows
    for column, rows in judged.items():
        yield from _ranks(after, before, rows, column, limits)
        yield from decisions.fell(after, before, rows, column, limits, looked=2 * len(judged))


def _ranks(after: Judged, before: Judged, rows: Places, column: int, limits: Limits) -> Iterator[Check]:
    category = CATEGORIES[column]
    truth = after.frozen.labels[rows, column] == 1
    positives, fall = int(truth.sum()), limits.auc_fall(category)
    ours, theirs = (area(each.chances[rows, column], truth) or 0.0 for each in (after, before))
    yield fallen("auc", category, ours, theirs, fall, positives)
    some = _drawn(after, rows, limits)
    bound = paired_bound(
        after.chances[some, column],
        before.chances[some, column],
        after.frozen.labels[some, column] == 1,
        limits.resamples,
        limits.seed,
    )
    if bound is not None:
        yield at_least(
            f"champion.bound.{category}",
            bound,
            limits.bound,
            len(some),
            f"lower 95 % bound of the difference in AUC of {category}",
        )


def macro(ours: Areas, theirs: Areas, tolerance: float, n: int) -> Check:
    """Return whether macro AUC is better or equal, within the tolerance that the operator set."""
    counted = [category for category in ours if category in theirs]
    name = f"champion.macro_auc_{len(counted)}"
    if not counted:
        return Check(name, False, None, None, n, "no category has enough rows of both classes: nothing can be compared")
    mine, champion = (float(np.mean([each[name_] for name_ in counted])) for each in (ours, theirs))
    check = at_least(name, mine, champion - tolerance, n, "macro AUC")
    return Check(
        name,
        check.passed,
        mine,
        check.limit,
        n,
        f"{check.reason}, the champion's {champion:.4f} less the tolerance {tolerance:g}",
    )


def calibration(after: Judged, before: Judged | None, limits: Limits) -> Iterator[Check]:
    """Yield macro calibration error, and per category that it is no worse than the champion's.

    Classes weigh as if as many posts were positive as a model's probabilities mean: half, as in the model card, unless
    random reviews said otherwise. Only people's posts say what a
    probability means: twins that we wrote are hard on purpose.
    """
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    looked_at: list[tuple[int, Places]] = []
    for column, category in enumerate(CATEGORIES):
        if category in limits.unknown or not after.knows[column]:
            continue
        rows = evidence(after, column, limits, ~after.frozen.own)
        if rows is None:
            yield silent(f"calibration.{category}", positives_of(after, column), _few_posts(category, limits))
            continue
        ours[category] = mine = _error(after, rows, column, limits)
        if before is not None and before.knows[column]:
            theirs[category] = champion = _error(before, rows, column, limits)
            looked_at.append((column, rows))
            check = at_most(
                f"calibration.{category}",
                mine,
                champion + limits.ece_fall,
                len(rows),
                f"calibration error of {category} on people's posts (the champion's {champion:.4f})",
            )
            yield (
                check
                if check.passed
                else _by_chance(check, _error_interval(after, before, rows, column, limits), worse=1)
            )
    if not ours:
        yield silent("calibration.macro", 0, "no category has enough of people's posts with both labels")
        return
    champion_macro = float(np.mean([*theirs.values()])) if theirs.keys() == ours.keys() else None
    macro_check = absolute(
        f"calibration.macro_ece_{len(ours)}",
        float(np.mean([*ours.values()])),
        limits.ece_macro,
        champion_macro,
        int((~after.frozen.own).sum()),
        "macro calibration error on people's posts",
        least=False,
        slack=limits.ece_fall,
    )
    if before is None or champion_macro is None or champion_macro <= limits.ece_macro or macro_check.passed:
        yield macro_check
        return
    # where the champion misses the limit itself, what may be chance refuses nobody; the mean of the ends is wider than
    # the interval of the mean
    found = [_error_interval(after, before, rows, column, limits) for column, rows in looked_at]
    lows, highs = zip(*((-np.inf, np.inf) if each is None else each for each in found), strict=True)
    yield _by_chance(macro_check, (float(np.mean(lows)), float(np.mean(highs))), worse=1)


def _error(judged: Judged, rows: Places, column: int, limits: Limits) -> float:
    labels = judged.frozen.labels[rows, column]
    return calibration_error(judged.chances[rows, column], labels, _to_rate(judged, labels, column, limits))


def _to_rate(judged: Judged, labels: Numbers, column: int, limits: Limits) -> Numbers:
    """Return weights under which as many rows are positive as the model's probabilities mean."""
    share, rate = labels.mean(), judged.rates.get(column, limits.base_rate)
    weights: Numbers = np.where(labels == 1, rate / share, (1 - rate) / (1 - share))
    return weights


def _error_interval(
    after: Judged, before: Judged, rows: Places, column: int, limits: Limits
) -> tuple[float, float] | None:
    """Return the 95 % interval of the difference in calibration error."""
    labels = after.frozen.labels[rows, column]
    parts = []
    for each in (after, before):
        weights = _to_rate(each, labels, column, limits)
        chances = each.chances[rows, column]
        bins = np.minimum((chances * BINS).astype(int), BINS - 1)
        part = np.zeros((len(rows), BINS + 1))
        part[np.arange(len(rows)), bins] = weights * (chances - labels)
        part[:, BINS] = weights
        parts.append(part)

    def of_error(sums: Numbers) -> Numbers:
        halves = sums[:, : BINS + 1], sums[:, BINS + 1 :]
        ours, theirs = (_share(np.abs(some[:, :BINS]).sum(axis=1), some[:, BINS]) for some in halves)
        return ours - theirs

    columns = np.concatenate(parts, axis=1)
    return Draws(after.frozen.units[rows], limits.resamples, limits.seed).interval(columns, of_error)


def _by_chance(check: Check, interval: tuple[float, float] | None, *, worse: int) -> Check:
    """Return a check that missed its limit with what chance has to say: it stays refused if the difference is real.

    `worse` is the sign of a change for the worse.
    """
    if interval is None:
        return check
    low, high = interval
    real = high < 0 if worse < 0 else low > 0
    words = f"the difference lies between {low:.4f} and {high:.4f} in 95 % of resamples"
    return replace(check, passed=not real, reason=f"{check.reason}; {words}{'' if real else ', so it may be chance'}")


def _share(part: Numbers, whole: Numbers) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Numbers = part / whole
    return share


def _drawn(judged: Judged, rows: Places, limits: Limits) -> Places:
    """Return at most so many rows, chosen by the hashes of their keys."""
    if len(rows) <= limits.most_drawn:
        return rows
    hashed = sorted(rows.tolist(), key=lambda at: digest(judged.frozen.keys[at].encode("utf-8", "replace")))
    return np.array(sorted(hashed[: limits.most_drawn]), np.int64)


def _few_posts(category: str, limits: Limits) -> str:
    return f"people wrote fewer than {limits.enough_positives} frozen posts of either class of {category}"


def _few(category: str, limits: Limits) -> str:
    return f"fewer than {limits.enough_positives} frozen rows of either class of {category}"
