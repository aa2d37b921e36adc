"""HTTP: a person beside other people and beside the system, and what their surest disagreements have in common.

Invariant: nothing is said of other people where there are fewer than fifteen of them.
"""

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import AuditId
from services.auditor.api.shapes import ChartView, FigureView, Number, chart_of, figure_of
from services.auditor.auditing import Auditing
from services.auditor.audits.charts import classes_chart, people_chart
from services.auditor.audits.comparing import (
    FEWEST_PEOPLE,
    Against,
    By,
    Class,
    Place,
    against_others,
    against_system,
    classes,
    own_calls,
    place,
)
from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.similar import Cluster, clusters
from services.auditor.looking import Looking, Sight, computed, once
from services.auditor.people import DISTANCE, Calls, People
from shared.auth import KeyRing, Principal, require
from shared.vocabulary import Scope


class PlaceView(BaseModel):
    """Where a person's distance to the system stands among other people's: mean absolute, on everyone's own ratings."""

    figure: str
    own: Number
    n: int
    below: FigureView
    median: FigureView
    chart: ChartView


class ClassView(BaseModel):
    """What you and others say of one class of posts: mean rating, and the share called toxic."""

    name: str
    label: str
    n: int
    mean: FigureView
    toxic: FigureView
    others_mean: FigureView | None
    others_toxic: FigureView | None


class OddsView(BaseModel):
    """An odds ratio with its 95 % interval and exact p. `stands`: also after false discoveries are held down."""

    topic: int | None
    name: str | None
    n: int
    ratio: Number | None
    low: Number | None
    high: Number | None
    p: float
    stands: bool


class CompareView(BaseModel):
    """A person beside others. Tests use what people rated themselves; `reasons` say what could not be told."""

    by: By
    place: PlaceView | None
    classes: list[ClassView]
    chart: ChartView
    against_system: OddsView | None
    against_others: list[OddsView]
    reasons: list[str]


class ClusterView(BaseModel):
    """What some of the surest disagreements of one kind have in common."""

    direction: ErrorType
    n: int
    share: FigureView
    examples: list["ExampleView"]
    topics: list["TopicCount"]


class ExampleView(BaseModel):
    """A post in the middle of a cluster."""

    post_id: str
    text: str | None


class TopicCount(BaseModel):
    """How many posts of a cluster are of a topic."""

    topic: int
    name: str | None
    n: int


class ClustersView(BaseModel):
    """Up to three clusters of each direction. `reason` says why there are none."""

    clusters: list[ClusterView]
    reason: str | None


def build_router(auditing: Auditing, looking: Looking, people: People, keys: KeyRing) -> APIRouter:
    """Return the routes of comparisons."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    @router.get(
        "/audits/{audit_id}/compare", summary="You beside other people", response_model=CompareView, responses=UNCHANGED
    )
    async def compare(
        audit_id: AuditId,
        request: Request,
        principal: Caller,
        by: Annotated[By, Query(description="What posts are sorted into classes by.")] = By.CATEGORY,
    ) -> Response:
        """Answer with the person's place among others, classes of posts, and odds ratios on what was rated."""
        audit = await auditing.own(principal, audit_id)
        sight = await looking.at(audit)
        everybody = people.distances(audit.owner)
        own = sight.judge if audit.model == "" else None
        calls = people.calls(sight.corpus, sight.view.number, sight.cut, own)
        parts = await once(sight, classes_of, by)
        return tagged(request, await computed(compared, sight, by, parts, everybody, calls))

    @router.get(
        "/audits/{audit_id}/clusters",
        summary="What disagreements have in common",
        response_model=ClustersView,
        responses=UNCHANGED,
    )
    async def show_clusters(
        audit_id: AuditId,
        request: Request,
        principal: Caller,
        seed: Annotated[int, Query(ge=0, le=2**53, description="Where clusters begin to be looked for.")] = 0,
    ) -> Response:
        """Answer with clusters of the surest disagreements of each direction, with the posts in their middle."""
        sight = await looking.at(await auditing.own(principal, audit_id))
        found = await once(sight, clusters_of, seed)
        texts = await looking.texts_of([post for each in found for post in each.examples])
        reason = None if found else "Too few disagreements whose words are known: a cluster needs twenty posts."
        return tagged(request, ClustersView(clusters=[_cluster(each, sight, texts) for each in found], reason=reason))

    return router


def classes_of(sight: Sight, by: By) -> list[Class]:
    """Return what the person and others say of each class of posts."""
    return [] if sight.side is None else classes(sight.side, sight.corpus, by)


def clusters_of(sight: Sight, seed: int) -> list[Cluster]:
    """Return the clusters of the surest disagreements."""
    return [] if sight.side is None else clusters(sight.side, sight.corpus, seed)


def compared(sight: Sight, by: By, parts: list[Class], everybody: list[float], calls: Calls) -> CompareView:
    """Return a person beside others."""
    side, judge, reasons = sight.side, sight.judge, []
    own = None if judge is None else judge.basis.baselines.get(DISTANCE)
    found = None if own is None else place(own, everybody)
    if own is None:
        reasons.append("The person has not rated enough to have a distance to the system.")
    elif found is None:
        reasons.append(f"Fewer than {FEWEST_PEOPLE} other people have rated enough to be compared with.")
    system = None if side is None else against_system(side)
    if system is None:
        reasons.append("Without own ratings there is nothing to test.")
    others = {} if side is None else against_others(own_calls(side, sight.corpus), calls)
    names = {str(topic): name for topic, name in sight.names.items()} if by is By.TOPIC else {}
    return CompareView(
        by=by,
        place=None if found is None else _place(found),
        classes=[_class(each, names) for each in parts],
        chart=chart_of(classes_chart(parts, names)),
        against_system=None if system is None else _odds(system, None, None),
        against_others=[_odds(each, topic, sight.name_of(topic)) for topic, each in sorted(others.items())],
        reasons=reasons,
    )


def _place(found: Place) -> PlaceView:
    return PlaceView(
        figure=DISTANCE,
        own=found.own,
        n=found.n,
        below=FigureView.model_validate(found.below),
        median=FigureView.model_validate(found.median),
        chart=chart_of(people_chart(found)),
    )


def _class(found: Class, names: dict[str, str]) -> ClassView:
    return ClassView(
        name=found.name,
        label=names.get(found.name, found.name),
        n=found.n,
        mean=FigureView.model_validate(found.mean),
        toxic=FigureView.model_validate(found.toxic),
        others_mean=figure_of(found.others_mean),
        others_toxic=figure_of(found.others_toxic),
    )


def _odds(found: Against, topic: int | None, name: str | None) -> OddsView:
    odds = found.odds
    ratio, low, high = (value if math.isfinite(value) else None for value in (odds.ratio, odds.low, odds.high))
    return OddsView(topic=topic, name=name, n=found.n, ratio=ratio, low=low, high=high, p=odds.p, stands=found.stands)


def _cluster(found: Cluster, sight: Sight, texts: dict[str, str]) -> ClusterView:
    return ClusterView(
        direction=found.direction,
        n=found.n,
        share=FigureView.model_validate(found.share),
        examples=[ExampleView(post_id=post, text=texts.get(post)) for post in found.examples],
        topics=[TopicCount(topic=topic, name=sight.name_of(topic), n=n) for topic, n in found.topics],
    )
