"""What stands on the overview."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from services.reporter.console.category_charts import distribution, together, trend_days, trends
from services.reporter.console.charts import Chart, Day, DayRow, by_day, toxicity
from services.reporter.console.contexts.period import Period
from services.reporter.console.contexts.runs import Run
from services.reporter.readmodel import BITS
from shared.chance import wilson
from shared.vocabulary import Verdict


@dataclass(frozen=True, slots=True)
class Bar:
    """A category, how many posts are flagged with it, their share of the flagged, and a length up to 100."""

    category: str
    posts: int
    share: float
    length: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often reviewers agreed with the system, with a 95 % interval, from so many reviews."""

    share: float
    low: float
    high: float
    reviews: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is counted: in the period, but for what waits now. `before` is the share of the period before.

    `cost` is what the LLM cost on these days in USD, whatever the posts; None where nobody says it.
    """

    scored: int
    today: int
    flagged: int
    share: float
    before: float | None
    waiting: int
    waits_s: float | None
    agreement: Agreement | None
    cost: float | None

    @property
    def per_thousand(self) -> float | None:
        """Return what a thousand posts cost, in USD."""
        return 1000 * self.cost / self.scored if self.cost is not None and self.scored else None


@dataclass(frozen=True, slots=True)
class Overview:
    """The overview. `svg` is the chart if it was ready at once; `ever` says whether any post was ever scored.

    `charts` are those below the first one, by their keys, and `drawn` the ones of them that were ready. `runs` are the
    newest scoring runs, None where the classifier does not say them.
    """

    period: Period
    languages: tuple[str, ...]
    models: tuple[str, ...]
    ever: bool
    numbers: Numbers
    bars: tuple[Bar, ...]
    chart: Chart
    charts_on: bool
    svg: str | None
    charts: Mapping[str, Chart]
    drawn: Mapping[str, str]
    runs: tuple[Run, ...] | None

    @property
    def queue(self) -> str:
        """Return the posts of the period as the address of a queue says them; more follows an `&`."""
        period = self.period
        dates = [("from", period.first.isoformat()), ("to", period.last.isoformat()), ("review_status", "all")]
        return urlencode([*dates, *([("lang", period.language)] if period.language else [])])


def category_bars(rows: Iterable[DayRow]) -> tuple[Bar, ...]:
    """Return a bar per category, the longest first."""
    flagged, by_category = 0, dict.fromkeys((name for name, _ in BITS), 0)
    for row in rows:
        flagged += row.posts if row.flagged else 0
        for name, bit in BITS:
            by_category[name] += row.posts if (row.mask or 0) & bit else 0
    longest = max(by_category.values()) or 1
    ordered = sorted(by_category.items(), key=lambda each: -each[1])
    return tuple(
        Bar(name, posts, posts / flagged if flagged else 0.0, 100 * posts / longest) for name, posts in ordered
    )


def agreement(reviews: Iterable[Any]) -> Agreement | None:
    """Return how often the latest word on each post agreed; unsure is nobody's side."""
    latest = {row.post_id: row.verdict for row in sorted(reviews, key=lambda row: row.corrected_at)}
    said = [verdict for verdict in latest.values() if verdict != Verdict.UNSURE]
    if not said:
        return None
    right = sum(verdict == Verdict.CORRECT for verdict in said)
    low, high = wilson(right, len(said))
    return Agreement(right / len(said), low, high, len(said))


def numbers(
    days: Sequence[Day],
    before: Sequence[DayRow],
    *,
    waiting: int,
    oldest: datetime | None,
    now: datetime,
    reviews: Sequence[Any],
    cost: float | None = None,
) -> Numbers:
    """Return what is counted."""
    scored, flagged = sum(day.posts for day in days), sum(day.flagged for day in days)
    earlier = sum(row.posts for row in before)
    return Numbers(
        scored=scored,
        today=days[-1].posts if days and days[-1].day == now.date().isoformat() else 0,
        flagged=flagged,
        share=flagged / scored if scored else 0.0,
        before=sum(row.posts for row in before if row.flagged) / earlier if earlier else None,
        waiting=waiting,
        waits_s=(now - oldest).total_seconds() if oldest and waiting else None,
        agreement=agreement(reviews),
        cost=cost,
    )


def toxicity_of(rows: Iterable[DayRow], period: Period) -> tuple[list[Day], Chart]:
    """Return every day of a period and its chart."""
    days = by_day(rows, period.first, period.last)
    return days, toxicity(days)


def more_charts(rows: Sequence[DayRow], period: Period) -> dict[str, Chart]:
    """Return the charts below the first one by their keys."""
    made = (trends(trend_days(rows, period.first, period.last)), distribution(rows), together(rows))
    return {each.key: each for each in made}
