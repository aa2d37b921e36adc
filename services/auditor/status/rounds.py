"""A whole round at once, over columns: what services.auditor.status.advance says of one record, of all of them. Pure.

Only for Community Notes' policies: Ombud's own judgements come one by one. The two are proved equal by tests. Frames
have Community Notes' columns: the id as Int64, numbers as Float64 (exact for whole milliseconds), the author
as text, other texts as categories.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.auditor.status.churn import Check, Flips, judged
from services.auditor.status.communitynotes import (
    AUTHOR,
    CHANGED,
    CORE,
    CREATED,
    CURRENT,
    DECIDED_BY,
    EXPANSION,
    FINAL,
    FIRST,
    FIRST_AT,
    FIRST_HOLD,
    GROUP,
    HOLD,
    ID,
    LAST_JUDGED,
    LATEST,
    LATEST_AT,
    LOCKED,
    LOCKED_AT,
    MODELING_GROUP,
    MODELING_MULTI_GROUP,
    MULTI_GROUP,
    OUTPUT_MINUTE,
    THRESHOLD,
    UPDATED_HOLD,
    columns,
)  # fmt: skip
from services.auditor.status.policy import (
    ALL,
    DAY,
    FLIPPED_BEFORE,
    FLIPPED_NOT_RESCORED,
    HELD,
    LOCKING,
    NEW_NOT_RESCORED,
    NEW_RATINGS,
    SOMEWHAT_RECENT,
    HoldOrder,
    Policy,
)  # fmt: skip
from services.auditor.status.record import (
    AUTHOR_DIFFERS,
    AUTHOR_MISSING,
    CREATED_DIFFERS,
    CREATED_MISSING,
    DUPLICATE_HISTORY,
    DUPLICATE_NOTES,
    INCOMPLETE,
    NEVER,
    STATUS_MISSING,
    Millis,
    rejected,
)

HOUR = DAY / 24
THEIRS = "_scored"
"""Ending of a scored note's column beside the history's of the same name."""

COPIED = {
    CORE: "coreRatingStatus",
    EXPANSION: "expansionRatingStatus",
    GROUP: "groupRatingStatus",
    MULTI_GROUP: "multiGroupRatingStatus",
    DECIDED_BY: "decidedBy",
    MODELING_GROUP: "modelingGroup",
    MODELING_MULTI_GROUP: "modelingMultiGroup",
}
"""Column of the history -> the scored note's column that replaces it, also when it is empty."""


def registered(history: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
    """Return the history with the notes it does not know yet, or knows no creation time of; by ascending id.

    Raises Rejected: ids that repeat, another creation time, another author.
    """
    told = notes.select(ID, AUTHOR, CREATED)
    known_order, known_ids = _by_id(history, DUPLICATE_HISTORY)
    told_order, told_ids = _by_id(told, DUPLICATE_NOTES)
    place, there = _at(told_ids, known_ids)
    rows, noted = np.empty(len(known_ids), np.uint32), np.empty(len(known_ids), bool)
    rows[known_order], noted[known_order] = told_order[place] if len(told_order) else 0, there
    found = history.with_columns(_beside(told, rows, noted))
    both = pl.col(CREATED).is_not_null() & pl.col(CREATED + THEIRS).is_not_null()
    _refuse(
        found,
        {
            CREATED_DIFFERS: both & (pl.col(CREATED) != pl.col(CREATED + THEIRS)),
            AUTHOR_DIFFERS: both & pl.col(AUTHOR).ne_missing(pl.col(AUTHOR + THEIRS)),
        },
    )
    if history[CREATED].null_count():
        new = pl.col(CREATED).is_null()
        found = found.with_columns(
            pl.when(new).then(pl.col(name + THEIRS)).otherwise(pl.col(name)).alias(name) for name in (CREATED, AUTHOR)
        )
    found = found.drop(CREATED + THEIRS, AUTHOR + THEIRS)
    new_ones = np.ones(len(told_ids), bool)
    new_ones[place[there]] = False
    if not new_ones.any() and history[ID].is_sorted():
        return found
    between = np.searchsorted(known_ids, told_ids[new_ones])
    order = np.insert(
        known_order, between, np.arange(len(known_order), len(known_order) + len(between), dtype=np.uint32)
    )
    everything = pl.concat([found, told[told_order[new_ones]]], how="diagonal").rechunk()
    return everything[order].with_columns(pl.col(ID).set_sorted())


def joined(known: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Return the registered rows with their scored rows beside them; unknown scored ids are dropped.

    Raises Rejected if that gives another number of rows: a note without a score, or with several.
    """
    theirs = _sorted(scored).rename({name: name + THEIRS for name in scored.columns if name != ID})
    if theirs.height != known.height:
        theirs = theirs.filter(pl.Series(_at(known[ID].to_numpy(), theirs[ID].to_numpy())[1]))
    if theirs[ID].equals(known[ID]):  # each exactly once: nothing has to be looked up
        return known.hstack(theirs.drop(ID))
    found = known.join(theirs, on=ID, how="inner", maintain_order="left_right")
    if found.height != known.height:
        missing = known.join(theirs, on=ID, how="anti")[ID].to_list()
        repeated = found.filter(pl.col(ID).is_duplicated())[ID].unique().to_list()
        raise rejected(INCOMPLETE, sorted({*missing, *repeated}))
    return found


def transitioned(found: pl.DataFrame, now: Millis, policy: Policy) -> pl.DataFrame:
    """Return the history after the round of joined rows, by ascending id. Raises Rejected."""
    final, seen = pl.col(FINAL + THEIRS), pl.col(CREATED + THEIRS)
    early = pl.lit(False) if policy.tracked_from is None else (pl.col(CREATED) < policy.tracked_from).fill_null(False)
    tracked = seen.is_not_null() & ~early
    _refuse(
        found,
        {
            STATUS_MISSING: final.is_null(),
            CREATED_DIFFERS: tracked & seen.ne_missing(pl.col(CREATED)),
            CREATED_MISSING: pl.col(CREATED).is_null(),
            AUTHOR_MISSING: pl.col(AUTHOR).is_null(),
        },
    )
    old_enough = now - pl.col(CREATED) > policy.lock_age
    trusted = pl.col("decidedBy" + THEIRS).is_in(sorted(policy.trusted)).fill_null(False)
    locks = pl.col(LOCKED).is_null() & old_enough & trusted
    locked = pl.col(LOCKED).is_not_null() | locks
    told = pl.col(UPDATED_HOLD + THEIRS)
    held = told.is_not_null() if policy.hold_order is HoldOrder.BEFORE_LOCK else told.is_not_null() & ~locked
    decided = tracked & (final != policy.undecided)
    first = decided & pl.col(FIRST).is_null()
    latest = first | (decided & final.ne_missing(pl.col(LATEST)))
    changed = final.ne_missing(pl.col(CURRENT))
    moment = pl.lit(now, pl.Float64)
    after = [
        pl.lit(None, pl.Float64).alias(OUTPUT_MINUTE),
        pl.when(held & pl.col(FIRST_HOLD).is_null()).then(told).otherwise(pl.col(FIRST_HOLD)).alias(FIRST_HOLD),
        pl.when(locked).then(NEVER).when(held).then(told).otherwise(pl.col(HOLD)).cast(pl.Float64).alias(HOLD),
        pl.when(changed).then(moment).otherwise(pl.col(CHANGED).fill_null(NEVER)).alias(CHANGED),
        final.alias(CURRENT),
        moment.alias(LAST_JUDGED),
        pl.when(locks).then(final).otherwise(pl.col(LOCKED)).alias(LOCKED),
        pl.when(locks).then(moment).otherwise(pl.col(LOCKED_AT)).alias(LOCKED_AT),
        pl.when(first).then(final).otherwise(pl.col(FIRST)).alias(FIRST),
        pl.when(first).then(moment).otherwise(pl.col(FIRST_AT)).alias(FIRST_AT),
        pl.when(latest).then(final).otherwise(pl.col(LATEST)).alias(LATEST),
        pl.when(latest).then(moment).otherwise(pl.col(LATEST_AT)).alias(LATEST_AT),
        *(pl.col(theirs + THEIRS).alias(name) for name, theirs in COPIED.items()),
    ]
    if policy.has_threshold_time:
        above = pl.when(locked).then(NEVER).otherwise(pl.coalesce(THRESHOLD + THEIRS, THRESHOLD))
        after.append(above.cast(pl.Float64).alias(THRESHOLD))
    return _sorted(found.with_columns(after).select(columns(policy)))


def checked(found: pl.DataFrame, checks: Sequence[Check], policy: Policy) -> list[Flips]:
    """Return what flip checks say of joined rows: up to the first that fails, or all, as the policy wants."""
    was, will = pl.col(CURRENT) == policy.flagged, pl.col(FINAL + THEIRS) == policy.flagged
    open_ = found.filter(pl.col(LOCKED_AT).is_null()).select(
        ID, was.fill_null(False).alias("was"), will.fill_null(False).alias("will")
    )
    flagged = open_.filter(pl.col("was") | pl.col("will"))
    said = []
    for check in checks:
        rows = flagged if check.ids is None else flagged.filter(pl.col(ID).is_in(sorted(check.ids)))
        before, after = rows.filter("was")[ID].n_unique(), rows.filter("will")[ID].n_unique()
        both = rows.filter("was")[ID].is_in(rows.filter("will")[ID].implode()).sum()
        said.append(judged(check, before, after, int(both), found.height, policy))
        if policy.churn_stops_at_first and not said[-1].passed:
            break
    return said


def named_checks(
    found: pl.DataFrame, rules: Iterable[str], now: Millis, policy: Policy, new_ratings: Iterable[int] = ()
) -> list[Check]:
    """Return the checks of named subsets over joined rows, with the policy's limits.

    `new_ratings` are the notes that were rated since the round before.
    """
    rated = pl.col(ID).is_in(sorted(set(new_ratings)))
    age, judged_ago = now - pl.col(CREATED), now - pl.col(LAST_JUDGED)
    changed_ago = now - pl.col(CHANGED)
    subsets = {
        ALL: None,
        SOMEWHAT_RECENT: (age <= 13 * DAY) & (age > 3 * DAY),
        NEW_NOT_RESCORED: (age < 14 * DAY) & (judged_ago > DAY) & ~rated,
        NEW_RATINGS: rated,
        FLIPPED_BEFORE: (pl.col(CHANGED) == pl.col(LAST_JUDGED)) & ~rated,
        FLIPPED_NOT_RESCORED: (changed_ago < DAY) & (judged_ago > HOUR),
        HELD: pl.col(HOLD) > 0,
        LOCKING: pl.col(LOCKED).is_null()
        & pl.col(DECIDED_BY).is_in(sorted(policy.trusted)).fill_null(False)
        & (age > 14 * DAY)
        & (age < 21 * DAY),
    }
    made = []
    for rule in rules:
        subset = subsets[rule]
        ids = None if subset is None else frozenset(found.filter(subset.fill_null(False))[ID].to_list())
        made.append(Check(rule.lower(), rule, ids, (policy.churn_limits or {})[rule]))
    return made


def _sorted(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if rows[ID].is_sorted() else rows.rechunk()[rows[ID].arg_sort()]


def _by_id(rows: pl.DataFrame, cause: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the places of rows by ascending id, and those ids. Raises Rejected for one that repeats."""
    ids = rows[ID].to_numpy()
    order = np.arange(len(ids), dtype=np.uint32) if rows[ID].is_sorted() else rows[ID].arg_sort().to_numpy()
    ids = ids[order]
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if len(repeated):
        raise rejected(cause, sorted(set(repeated.tolist())))
    return order, ids


def _at(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where each wanted id stands among sorted ids (any place if it does not), and whether it does."""
    if not len(ids):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return place, ids[place] == wanted


def _beside(told: pl.DataFrame, rows: NDArray[np.uint32], noted: NDArray[np.bool_]) -> list[pl.Series]:
    """Return author and creation time that rows of notes tell, empty where they are not `noted`."""
    found = told[rows] if told.height else told.clear(len(rows))
    there = pl.Series(noted)
    names = (AUTHOR, CREATED)
    return [found.select(pl.when(there).then(pl.col(name)).alias(name + THEIRS)).to_series() for name in names]


def _refuse(rows: pl.DataFrame, wrong: Mapping[str, pl.Expr]) -> None:
    """Raise Rejected for the first cause that holds of any row."""
    found = rows.select(expression.any().alias(cause) for cause, expression in wrong.items()).row(0, named=True)
    for cause, expression in wrong.items():
        if found[cause]:
            raise rejected(cause, sorted(rows.filter(expression)[ID].to_list()))
