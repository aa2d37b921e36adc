"""Topics worth a report: where a person and the system surely differ most often, each direction for itself.

Invariant: a topic ranks by what it is at least, never by a share of few posts. Source: audits.md section 10.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.disagreement import Disagreement, Figure
from services.auditor.audits.topics import TopicRow

FEWEST_POSTS = 20
PER_DIRECTION, OTHERWISE = 5, 10


class Order(StrEnum):
    """What topics are ranked by; all but the first are for parity and take what is largest."""

    FP_FN = "fp_fn"
    MEDIAN = "median"
    MEAN = "mean"
    MAE = "mae"
    MSE = "mse"
    AVG_DIFF = "avg_diff"
    FP_PROPORTION = "fp_proportion"
    FN_PROPORTION = "fn_proportion"


@dataclass(frozen=True)
class Ranked:
    """A topic that ranks: its figure with bounds, of `n` posts, `labelled` of them rated by the person.

    `direction` is the error that it may be a report of.
    """

    topic: int
    direction: ErrorType
    figure: Figure
    n: int
    labelled: int


def ranked(
    rows: Collection[TopicRow],
    order: Order = Order.FP_FN,
    *,
    excluded: Collection[int] = (),
    detectable: Collection[int] | None = None,
    fewest: int = FEWEST_POSTS,
) -> list[Ranked]:
    """Return the topics to look at first, those of under-sensitivity before those of over-sensitivity; ties by topic.

    For a group `detectable` names the topics where it can be told from the crowd. Orders by the middle rating take
    rows of that statistic. Without a model nothing ranks.
    """
    wanted = [
        (row, row.disagreement)
        for row in rows
        if row.disagreement is not None
        and row.n >= fewest
        and row.topic not in excluded
        and (detectable is None or row.topic in detectable)
    ]
    if order is Order.FP_FN:
        under = [_ranked(row, ErrorType.UNDER, found.under) for row, found in wanted]
        over = [_ranked(row, ErrorType.OVER, found.over) for row, found in wanted]
        return _surest(under) + _surest(over)
    chosen = [_ranked(row, _direction(row, found, order), _figure(row, found, order)) for row, found in wanted]
    size = abs if order is Order.AVG_DIFF else float
    return sorted(chosen, key=lambda each: (-size(each.figure.value), each.topic))[:OTHERWISE]


def _surest(rows: list[Ranked]) -> list[Ranked]:
    sure = [each for each in rows if each.figure.low > 0.0]
    return sorted(sure, key=lambda each: (-each.figure.low, each.topic))[:PER_DIRECTION]


def _ranked(row: TopicRow, direction: ErrorType, figure: Figure) -> Ranked:
    return Ranked(row.topic, direction, figure, row.n, row.labelled)


def _direction(row: TopicRow, found: Disagreement, order: Order) -> ErrorType:
    """Return which error a topic may be a report of."""
    if order in (Order.FP_PROPORTION, Order.FN_PROPORTION):
        return ErrorType.OVER if order is Order.FP_PROPORTION else ErrorType.UNDER
    if row.type in (ErrorType.UNDER, ErrorType.OVER):
        return row.type
    return ErrorType.UNDER if found.signed.value > 0 else ErrorType.OVER


def _figure(row: TopicRow, found: Disagreement, order: Order) -> Figure:
    figures = {
        Order.MAE: found.mae,
        Order.MSE: found.mse,
        Order.AVG_DIFF: found.signed,
        Order.FP_PROPORTION: found.over,
        Order.FN_PROPORTION: found.under,
    }
    middle = row.system if row.user is None else row.user
    # a middle has no interval of its own here: it is shown, not concluded from
    return figures.get(order) or Figure(middle, middle, middle, row.n)
