"""What audits answer, as documents: figures, topics, posts. Explicit, so that nothing leaves that was not meant to."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from services.auditor.audits.charts import Chart
from services.auditor.audits.decisions import Errors, ErrorType, Source
from services.auditor.audits.disagreement import Disagreement, Figure
from services.auditor.audits.knowing import Known
from services.auditor.audits.table import Counts, PostRow
from services.auditor.audits.topics import Statistic, TopicMap, TopicRow
from services.auditor.looking import Sight

DIGITS = 6
Number = Annotated[float, AfterValidator(lambda value: round(value, DIGITS))]
"""A number as it is answered: more digits would say nothing and double the answer."""


class FigureView(BaseModel):
    """A number of `n` posts or people, with its 95 % interval."""

    model_config = ConfigDict(from_attributes=True)

    value: Number
    low: Number
    high: Number
    n: int


class DisagreementView(BaseModel):
    """How far the system is from the person on one set of posts; signed: above 0 the person is stricter.

    `figures` are the same under the names known elsewhere, each with its family before it.
    """

    of: str
    n: int
    labelled: int
    counts: dict[ErrorType, int]
    signed: FigureView
    mae: FigureView
    mse: FigureView
    rmse: FigureView
    under: FigureView
    over: FigureView
    agree: FigureView
    figures: dict[str, Number]


class AccuracyView(BaseModel):
    """How well the model knows the person: on their own ratings, each left out in turn. Says nothing of the system."""

    model_config = ConfigDict(from_attributes=True)

    status: str
    says: str
    caution: str
    model_version: int
    labels: int
    unsure: int
    figures: dict[str, Number]
    against_crowd: FigureView | None
    band: str | None


class TopicView(BaseModel):
    """A topic in lists and maps: the middle ratings, how they differ, and the share of posts decided differently.

    `under` and `over` are the two kinds of it. `at` is its place on a plane where topics about alike things are near
    each other; its axes mean nothing.
    """

    topic: int
    name: str | None
    n: int
    labelled: int
    tuned: bool
    system: Number
    system_toxic: bool
    user: Number | None
    error_type: ErrorType | None
    distance: Number | None
    colour: int | None
    error: FigureView | None
    step: Number | None
    rank: int | None
    under: Number | None
    over: Number | None
    at: tuple[Number, Number] | None


class TopicMapView(BaseModel):
    """Topics that pass the filter: those that are drawn, and those with too few posts, which are listed only."""

    statistic: Statistic
    errors: Errors
    counts: dict[ErrorType, int]
    large: list[TopicView]
    small: list[TopicView]


class GapView(BaseModel):
    """Posts whose gap (person less system) is from `low` to under `high`, by how the two decide."""

    model_config = ConfigDict(from_attributes=True)

    low: float
    high: float
    under: int
    over: int
    agree: int


class PostView(BaseModel):
    """One post in a table. Without a model everything of the person is empty; `text` is, too, if it was just erased."""

    post_id: str
    text: str | None
    topic: int | None
    categories: list[str]
    system_rating: Number
    system_toxic: bool
    system_version: str
    prediction: Number | None
    sd: Number | None
    p_disagree: Number | None
    label: Number | None
    user_toxic: bool | None
    source: Source | None
    error_type: ErrorType | None
    distance: Number | None
    in_report: bool


class CountsView(BaseModel):
    """The whole set before the filter by error: posts, those the person rated, and those of each type."""

    n: int
    labelled: int
    types: dict[ErrorType, int]


class ChartView(BaseModel):
    """A chart: a Vega-Lite specification whose data are named `rows`, the sentence that says the same, and the rows.

    `values` are the rows, each in the order of `fields`.
    """

    specification: dict[str, Any]
    alternative: str
    fields: list[str]
    values: list[list[Any]]


class TableView(BaseModel):
    """Rows of a table in order, counts of the whole set, a chart of the same data. `reason` says why there are none."""

    audit: str
    system: str
    model_version: int | None
    status: str | None
    topic: int | None
    name: str | None
    tuned_by: int | None
    counts: CountsView
    matching: int
    rows: list[PostView]
    next: str | None
    chart: ChartView | None
    reason: str | None


def figure_of(found: Figure | None) -> FigureView | None:
    """Return a figure as it is answered."""
    return None if found is None else FigureView(value=found.value, low=found.low, high=found.high, n=found.n)


def disagreement_of(found: Disagreement | None) -> DisagreementView | None:
    """Return the figures of a set of posts as they are answered; None of no posts."""
    if found is None:
        return None
    names = ("signed", "mae", "mse", "rmse", "under", "over", "agree")
    figures: dict[str, Any] = {name: figure_of(getattr(found, name)) for name in names}
    return DisagreementView(
        of=found.of.value,
        n=found.n,
        labelled=found.labelled,
        counts=dict(found.counts),
        figures=found.named(),
        **figures,
    )


def accuracy_of(known: Known, version: int) -> AccuracyView:
    """Return a model's accuracy as it is answered."""
    return AccuracyView(
        status=known.status,
        says=known.says,
        caution=known.caution,
        model_version=version,
        labels=known.labels,
        unsure=known.unsure,
        figures=dict(known.figures),
        against_crowd=figure_of(known.against_crowd),
        band=known.band,
    )


def topic_of(row: TopicRow, sight: Sight, at: tuple[float, float] | None = None) -> TopicView:
    """Return a topic as it is answered; `at` is its place on the plane of topics."""
    return TopicView(
        topic=row.topic,
        name=sight.name_of(row.topic),
        n=row.n,
        labelled=row.labelled,
        tuned=row.tuned,
        system=row.system,
        system_toxic=row.system_toxic,
        user=row.user,
        error_type=row.type,
        distance=row.distance,
        colour=row.colour,
        error=figure_of(row.error),
        step=row.step,
        rank=row.rank,
        under=None if row.disagreement is None else row.disagreement.under.value,
        over=None if row.disagreement is None else row.disagreement.over.value,
        at=at,
    )


def map_of(
    found: TopicMap, sight: Sight, errors: Errors, places: Mapping[int, tuple[float, float]] | None = None
) -> TopicMapView:
    """Return a map of topics as it is answered."""
    known = places or {}
    return TopicMapView(
        statistic=found.statistic,
        errors=errors,
        counts=dict(found.counts),
        large=[topic_of(row, sight, known.get(row.topic)) for row in found.large],
        small=[topic_of(row, sight) for row in found.small],
    )


def post_of(row: PostRow, text: str | None, in_report: bool) -> PostView:
    """Return a post as it is answered: these columns and no others."""
    return PostView(
        post_id=row.post,
        text=text,
        topic=row.topic,
        categories=list(row.categories),
        system_rating=row.system,
        system_toxic=row.system_toxic,
        system_version=row.system_version,
        prediction=row.prediction,
        sd=row.sd,
        p_disagree=row.p_disagree,
        label=row.label,
        user_toxic=row.user_toxic,
        source=row.source,
        error_type=row.type,
        distance=row.distance,
        in_report=in_report,
    )


def counts_of(found: Counts) -> CountsView:
    """Return the counts of a set as they are answered."""
    return CountsView(n=found.n, labelled=found.labelled, types=dict(found.types))


def chart_of(chart: Chart) -> ChartView:
    """Return a chart as it is answered: its rows beside the specification, each field's name once."""
    fields = list(chart.rows[0]) if chart.rows else []
    specification = {**chart.specification, "data": {"name": "rows"}}
    return ChartView(
        specification=specification, alternative=chart.alternative, fields=fields, values=_values(chart.rows, fields)
    )


def _values(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> list[list[Any]]:
    return [[round(each, 4) if isinstance(each := row[name], float) else each for name in fields] for row in rows]
