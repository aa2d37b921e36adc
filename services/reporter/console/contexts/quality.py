"""What stands on the quality page: how good scores are by people's word, and what their words changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from services.reporter.console import quality_charts
from services.reporter.console.charts import Chart
from services.reporter.console.contexts.drift import Drift
from services.reporter.console.contexts.period import Period, read_period
from services.reporter.overview import macro_auc
from services.reporter.quality import (
    ENOUGH,
    THRESHOLDS,
    Agreement,
    Bin,
    Kappa,
    Point,
    Share,
    Word,
    agreement,
    calibration,
    disagreements,
    kappa,
    labelled,
    overlap,
    shared_posts,
    simulate,
    split_posts,
    whole,
)
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES, Verdict

DAYS = 90
"""Verdicts are fewer than posts, so a page about them looks further back."""
LISTED = 12
OWN = ("category", "threshold")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of the page: a period, and of the simulator a category and a threshold, if it says them."""

    period: Period
    category: str | None
    threshold: float | None

    @property
    def query(self) -> str:
        """Return it as it stands in an address."""
        own = [("category", self.category)] if self.category else []
        if self.threshold is not None:
            own.append(("threshold", f"{self.threshold:g}"))
        return "&".join(each for each in (self.period.query, urlencode(own)) if each)


def read_asked(asked: Mapping[str, str], today: date) -> Asked:
    """Return what an address asks for; what is not understood is named by its period."""
    ignored = []
    category = asked.get("category") or None
    if category is not None and category not in CATEGORIES:
        ignored.append("category")
        category = None
    threshold = _threshold(asked.get("threshold", ""))
    if threshold is None and asked.get("threshold"):
        ignored.append("threshold")
    period = read_period({name: value for name, value in asked.items() if name not in OWN}, today, DAYS)
    return Asked(replace(period, ignored=(*period.ignored, *ignored)), category, threshold)


def _threshold(given: str) -> float | None:
    try:
        found = round(float(given.replace(",", ".")), 2)
    except ValueError:
        return None
    return found if 0.01 <= found <= 0.99 else None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart, and its picture if that was ready at once."""

    chart: Chart
    svg: str | None = None


@dataclass(frozen=True, slots=True)
class Simulator:
    """Thresholds of one category: what the chosen and the present one do; `posts` newest posts were looked at."""

    category: str
    chosen: Point
    now: Point | None
    posts: int
    sample: int
    drawn: Drawn


@dataclass(frozen=True, slots=True)
class Blind:
    """How often people confirm a score they do not see, and one they see; `apart`: the intervals are."""

    unseen: Share
    seen: Share
    needed: int
    apart: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A post about which a reviewer and the score differ: what was flagged, and what should have been."""

    post_id: str
    score: float
    flagged: tuple[str, ...]
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step in the life of a model: its stage, why, and when."""

    stage: str
    layer: str | None
    reasons: tuple[str, ...]
    replaces: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Model:
    """A version: what it learned from, its mean area under the curve beside that of the model it was to replace.

    Both are of the same texts; `before` is None where they were not compared. `changed` is their difference.
    """

    version: str
    trained_at: datetime
    layer: str | None
    examples: int | None
    corrections: int | None
    training_set: str | None
    before: float | None
    after: float | None
    in_force: bool
    steps: tuple[Step, ...]

    @property
    def changed(self) -> float | None:
        """Return how much better it is."""
        return None if self.before is None or self.after is None else round(self.after - self.before, 4)

    @property
    def stage(self) -> str:
        """Return how far it is."""
        return self.steps[-1].stage if self.steps else "candidate"


@dataclass(frozen=True, slots=True)
class Quality:
    """The page. `drift`: None where the trainer does not say it."""

    asked: Asked
    languages: tuple[str, ...]
    overall: Share
    agreement: tuple[Agreement, ...]
    blind: Blind
    shared: int
    needed: int
    kappas: tuple[Kappa, ...]
    reviewers: Drawn | None
    simulator: Simulator | None
    bins: tuple[Bin, ...]
    calibration: Drawn | None
    differ: tuple[Disagreement, ...]
    split: tuple[str, ...]
    models: tuple[Model, ...]
    charts_on: bool
    may_read: bool
    may_change: bool
    drift: Drift | None = None


def words_of(rows: Iterable[Any]) -> list[Word]:
    """Return what reviewers said."""
    return [
        Word(
            row.post_id,
            row.reviewer,
            Verdict(row.verdict),
            tuple(row.expected or ()),
            tuple(row.actual or ()),
            row.corrected_at,
            bool(row.blind),
            row.own_scores or {},
        )
        for row in rows
    ]


def simulated(
    asked: Asked, words: Sequence[Word], newest: Sequence[Mapping[str, float]], thresholds: Mapping[str, float]
) -> Simulator | None:
    """Return the simulator of the category asked for, else of the one with most verdicts; None without any."""
    category = asked.category or max(CATEGORIES, key=lambda name: len(labelled(words, name)))
    sample = labelled(words, category)
    scores = [each[category] for each in newest if category in each]
    if not sample and not scores:
        return None
    now = threshold_of(category, thresholds) if thresholds else None
    chosen = asked.threshold if asked.threshold is not None else now if now is not None else 0.5
    points = simulate(sample, scores, sorted({*THRESHOLDS, chosen, *([now] if now is not None else [])}))
    at = {each.threshold: each for each in points}
    chart = quality_charts.simulator(points, chosen, now)
    return Simulator(category, at[chosen], at[now] if now is not None else None, len(scores), len(sample), Drawn(chart))


def reviewed_twice(words: Sequence[Word]) -> tuple[Kappa, ...]:
    """Return how far reviewers agree, of every category."""
    return tuple(kappa(words, name) for name in CATEGORIES)


def drawn_kappas(found: Sequence[Kappa]) -> Drawn | None:
    """Return the picture of agreement, if any can be told."""
    chart = quality_charts.reviewers(found)
    return Drawn(chart) if chart.rows else None


def calibrated(words: Sequence[Word], category: str) -> tuple[tuple[Bin, ...], Drawn | None]:
    """Return the bins of a category and their picture."""
    bins = tuple(calibration(labelled(words, category)))
    return bins, Drawn(quality_charts.calibration(bins)) if bins else None


def blind_check(words: Sequence[Word]) -> Blind:
    """Return what becomes of verdicts when the score is out of sight."""
    unseen, seen = whole(each for each in words if each.blind), whole(each for each in words if not each.blind)
    return Blind(unseen, seen, ENOUGH, not overlap(unseen, seen))


def differing(words: Sequence[Word]) -> tuple[Disagreement, ...]:
    """Return posts about which the score and people differ."""
    return tuple(
        Disagreement(each.post_id, max(each.scores.values(), default=0.0), each.actual, each.expected)
        for each in disagreements(words, LISTED)
    )


def models_of(rows: Iterable[Any], steps: Iterable[Any], in_force: str | None) -> tuple[Model, ...]:
    """Return versions with their lives, the newest first."""
    lives: dict[str, list[Step]] = {}
    for step in steps:
        made = Step(step.stage, step.layer, tuple(step.reasons or ()), step.replaces, step.at)
        lives.setdefault(step.version, []).append(made)
    return tuple(
        Model(
            row.version,
            row.trained_at,
            row.layer,
            row.examples,
            row.corrections,
            row.data_hash,
            macro_auc(row.champion_metrics),
            macro_auc(row.metrics),
            row.version == in_force,
            tuple(lives.get(row.version, ())),
        )
        for row in rows
    )


def quality(
    asked: Asked,
    words: Sequence[Word],
    simulator: Simulator | None,
    models: tuple[Model, ...],
    *,
    languages: Sequence[str],
    charts_on: bool,
    may_read: bool,
    may_change: bool,
) -> Quality:
    """Return the page, its pictures still to be drawn."""
    kappas = reviewed_twice(words)
    bins, drawn = calibrated(words, simulator.category) if simulator else ((), None)
    return Quality(
        asked=asked,
        languages=tuple(languages),
        overall=whole(words),
        agreement=tuple(agreement(words, CATEGORIES)),
        blind=blind_check(words),
        shared=shared_posts(words),
        needed=ENOUGH,
        kappas=kappas,
        reviewers=drawn_kappas(kappas),
        simulator=simulator,
        bins=bins,
        calibration=drawn,
        differ=differing(words),
        split=tuple(split_posts(words, LISTED)),
        models=models,
        charts_on=charts_on,
        may_read=may_read,
        may_change=may_change,
    )
