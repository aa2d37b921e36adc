"""HTTP: what an audit shows: figures, the map of topics, the posts of one topic, a search.

Invariant: one filter, one order and the same columns in every table; whoever does not own the audit gets 404.
"""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import AuditId, AuditLine, SystemView, line_of
from services.auditor.api.shapes import (
    AccuracyView,
    ChartView,
    DisagreementView,
    GapView,
    TableView,
    TopicMapView,
    accuracy_of,
    chart_of,
    counts_of,
    disagreement_of,
    map_of,
    post_of,
)
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.audits.charts import post_chart, topic_chart
from services.auditor.audits.decisions import Errors, Side
from services.auditor.audits.disagreement import Disagreement, Set, by_category, disagreement, of_own_labels
from services.auditor.audits.gaps import gaps
from services.auditor.audits.knowing import known
from services.auditor.audits.projecting import projected
from services.auditor.audits.table import Counts, Cursor, Filter, Mark, Page
from services.auditor.audits.topics import Statistic, topic_map
from services.auditor.looking import Looking, Sight, computed, of_systems, once
from shared.auth import KeyRing, Principal, require
from shared.cursors import cursor_of, place_of
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.vocabulary import CATEGORIES, Scope

ErrorsAsked = Annotated[Errors, Query(description="Which posts: both kinds of error, one kind, or all.")]
Modelled = Annotated[bool, Query(description="False: only what the system says, without anybody's model.")]
Tuned = Annotated[bool, Query(description="Add what the person's ratings of a topic say of it.")]
CategoryAsked = Annotated[
    str | None, Query(max_length=32, json_schema_extra={"enum": list(CATEGORIES)}, description="Only of this category.")
]
Labelled = Annotated[bool | None, Query(description="Only posts the person rated, or only the others.")]
Place = Annotated[str | None, Query(max_length=1024, description="`next` of the page before.")]
Beginning = Annotated[
    str | None, Query(max_length=128, pattern=NO_NUL, description="Begin with this post, if it is in the table.")
]
Size = Annotated[int, Query(ge=1, le=100, description="Rows of a page; 5, 10, 25 and 100 are offered.")]
Charted = Annotated[bool, Query(description="With the marks of the chart; further pages need none.")]


class FiguresView(BaseModel):
    """All figures of a sight: the system's distance from the person, and, apart from it, the model's accuracy.

    `scored_by` counts the posts by the version of the system that scored them, `gaps` by how far the two are apart.
    """

    posts: int
    scored_by: dict[str, int]
    data_hash: str
    disagreement: dict[str, DisagreementView | None]
    categories: dict[str, DisagreementView | None]
    gaps: list[GapView]
    accuracy: AccuracyView | None
    topics: TopicMapView
    chart: ChartView


class AuditView(FiguresView, AuditLine):
    """An audit with its figures; `in_force` is the system of today."""

    in_force: SystemView | None


def build_router(auditing: Auditing, store: AuditStore, looking: Looking, keys: KeyRing) -> APIRouter:
    """Return the routes of what an audit shows."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    @router.get("/audits/{audit_id}", summary="An audit's figures", response_model=AuditView, responses=UNCHANGED)
    async def show_audit(
        audit_id: AuditId,
        request: Request,
        principal: Caller,
        error: ErrorsAsked = Errors.BOTH,
        statistic: Annotated[Statistic, Query(description="What stands for a topic's ratings.")] = Statistic.MEDIAN,
        model: Modelled = True,
        tuned: Tuned = True,
    ) -> Response:
        """Answer with the figures of all posts and of own ratings, by category, and the map of topics."""
        audit = await auditing.own(principal, audit_id)
        sight = await looking.at(audit, model=model, tuned=tuned)
        live = await store.live_system()
        found = await once(sight, figures_of, audit.topic, error, statistic)
        in_force = None if live is None else SystemView(name=live.model, version=live.model_version)
        return tagged(request, AuditView(**line_of(audit).model_dump(), in_force=in_force, **dict(found)))

    @router.get(
        "/audits/{audit_id}/topics/{topic}",
        summary="The posts of a topic",
        response_model=TableView,
        responses=UNCHANGED,
    )
    async def show_topic(
        audit_id: AuditId,
        topic: Annotated[int, Path(ge=-1, le=2**31 - 1, description="Number of a topic; -1: posts of none.")],
        request: Request,
        principal: Caller,
        error: ErrorsAsked = Errors.BOTH,
        category: CategoryAsked = None,
        labelled: Labelled = None,
        model: Modelled = True,
        tuned: Tuned = True,
        cursor: Place = None,
        at: Beginning = None,
        limit: Size = 25,
        chart: Charted = True,
    ) -> Response:
        """Answer with a page of the topic's posts, those most surely decided differently first, and their chart."""
        audit = await auditing.own(principal, audit_id)
        sight = await looking.at(audit, model=model, tuned=tuned)
        rows = rows_of(sight, topic)
        wanted = asked(error, category, labelled)
        return tagged(request, await table(audit, sight, rows, wanted, (cursor, at), limit, chart, topic=topic))

    @router.get(
        "/audits/{audit_id}/search", summary="Posts with some words", response_model=TableView, responses=UNCHANGED
    )
    async def search(
        audit_id: AuditId,
        request: Request,
        principal: Caller,
        q: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="Literal words, any case.")] = "",
        word: Annotated[bool, Query(description="Not as part of a longer word.")] = False,
        topic: Annotated[int | None, Query(ge=-1, le=2**31 - 1, description="With this topic's posts.")] = None,
        error: ErrorsAsked = Errors.BOTH,
        category: CategoryAsked = None,
        labelled: Labelled = None,
        model: Modelled = True,
        tuned: Tuned = True,
        cursor: Place = None,
        at: Beginning = None,
        limit: Size = 25,
        chart: Charted = True,
    ) -> Response:
        """Answer with a page of what holds these words, by the model, filters, columns and order of a topic's table."""
        audit = await auditing.own(principal, audit_id)
        sight = await looking.at(audit, model=model, tuned=tuned)
        rows = await once(sight, found_by, q, word)
        if topic is not None:
            rows = np.union1d(rows, rows_of(sight, topic))
        wanted = asked(error, category, labelled)
        return tagged(request, await table(audit, sight, rows, wanted, (cursor, at), limit, chart, topic=topic))

    async def table(
        audit: Stored,
        sight: Sight,
        rows: NDArray[np.int64],
        wanted: Filter,
        place: tuple[str | None, str | None],
        limit: int,
        chart: bool,
        *,
        topic: int | None,
    ) -> TableView:
        cursor, at = place
        after = after_of(cursor, sight) if cursor else beginning(sight, at) if at else None
        matching, counts, page, marks = await computed(read, sight, rows, wanted, after, limit, chart)
        texts = await looking.texts_of([row.post for row in page.rows])
        reported = {row.post_id for row in await store.evidence_of(audit.audit_id)}
        judge, name = sight.judge, sight.name_of(topic)
        following = page.following
        return TableView(
            audit=audit.audit_id,
            system=audit.system,
            model_version=None if judge is None else judge.basis.version,
            status=None if judge is None else judge.basis.status,
            topic=topic,
            name=name,
            tuned_by=None if judge is None or topic is None else tuned_by(sight, topic),
            counts=counts_of(counts),
            matching=matching,
            rows=[post_of(row, texts.get(row.post), row.post in reported) for row in page.rows],
            next=None if following is None else cursor_of(list(following.keys), following.post),
            chart=chart_of(post_chart(marks, matching, cut=sight.cut)) if chart else None,
            reason=reason_of(len(rows), counts, matching, len(page.rows)),
        )

    return router


def figures_of(sight: Sight, topic: int | None, errors: Errors, statistic: Statistic) -> FiguresView:
    """Return all figures of a sight; `topic` is that of a topic audit."""
    corpus, judge, side = sight.corpus, sight.judge, sight.side
    found = topic_map(corpus, judge, side, statistic=statistic, errors=errors, cut=sight.cut)
    return FiguresView(
        posts=len(corpus),
        scored_by=dict(of_systems(sight)),
        data_hash=sight.data_hash,
        disagreement={name: disagreement_of(each) for name, each in sets_of(topic, sight, side).items()},
        categories={} if side is None else {n: disagreement_of(each) for n, each in by_category(side, corpus).items()},
        gaps=[] if side is None else [GapView.model_validate(each) for each in gaps(side)],
        accuracy=None if judge is None else accuracy_of(known(judge.basis), judge.basis.version),
        topics=map_of(found, sight, errors, projected(corpus)),
        chart=chart_of(topic_chart(found, sight.names, cut=sight.cut)),
    )


def sets_of(topic: int | None, sight: Sight, side: Side | None) -> dict[str, Disagreement | None]:
    """Return the figures of all posts, of the person's own ratings, and of the audit's topic if it has one."""
    if side is None:
        return {}
    found = {"all_posts": disagreement(side), "own_labels": of_own_labels(side)}
    if topic is not None:
        found["topic"] = disagreement(side, rows_of(sight, topic), Set.TOPIC)
    return found


def found_by(sight: Sight, words: str, whole: bool) -> NDArray[np.int64]:
    """Return the rows that hold these words."""
    return sight.view.search(words, whole=whole)


def asked(errors: Errors, category: str | None, labelled: bool | None) -> Filter:
    """Return a filter. Raises Problem 422 for a category that does not exist."""
    if category is not None and category not in CATEGORIES:
        raise Problem(422, "unknown_category", "This is none of the twelve categories.", field="category")
    return Filter(errors, category, labelled)


def rows_of(sight: Sight, topic: int) -> NDArray[np.int64]:
    """Return the rows of a topic. Raises Problem 404 for one that has no post and no name."""
    rows = np.flatnonzero(sight.corpus.topics == -1) if topic == -1 else sight.corpus.by_topic.rows_of(topic)
    if not len(rows) and topic != -1 and topic not in sight.view.topics:
        raise not_found("topic")
    return rows


def read(
    sight: Sight, rows: NDArray[np.int64], wanted: Filter, after: Cursor | None, limit: int, chart: bool
) -> tuple[int, Counts, Page, tuple[Mark, ...]]:
    """Return how many rows match, the counts of the whole set, one page, and the marks of the chart."""
    table = sight.table
    matching, counts = table.selected(rows, wanted)
    return len(matching), counts, table.page(matching, limit, after), table.marks(matching) if chart else ()


def after_of(cursor: str | None, sight: Sight) -> Cursor | None:
    """Return the place a page goes on from. Raises Problem 422 for the cursor of a table in another order."""
    place = place_of(cursor, list, str)
    if place is None:
        return None
    keys, post = place
    count = 1 if sight.side is None else 2
    if len(keys) != count or any(not isinstance(key, (int, float)) for key in keys):
        raise Problem(422, "cursor_invalid", "This is no cursor of this table.", field="cursor")
    return Cursor(tuple(float(key) for key in keys), post)


def beginning(sight: Sight, post: str) -> Cursor | None:
    """Return the place just before a post; None, which is the beginning, for one that is not there."""
    row = sight.corpus.places.get(post)
    return None if row is None else sight.table.before(row)


def tuned_by(sight: Sight, topic: int) -> int:
    """Return how many ratings of a topic move what the model says of it; 0 where it is not tuned."""
    rows = sight.corpus.by_topic.rows_of(topic)
    if sight.judge is None or not len(rows) or not bool(sight.judge.tuned[rows[0]]):
        return 0
    return int((~np.isnan(sight.judge.label[rows])).sum())


def reason_of(held: int, counts: Counts, matching: int, shown: int) -> str | None:
    """Return why a table is empty, None if it is not."""
    if shown:
        return None
    if not held:
        return "No post is in this set."
    if matching:
        return "There are no further posts."
    if not counts.n:
        return "No post of this set passes the filters of category and rating."
    return "Nobody is wrong here: person and system decide every post of this set alike, as far as this filter asks."
