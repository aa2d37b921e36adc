"""HTTP: scaffolds, what an audit suggests to begin with. Switching them changes nothing that a person made."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.shapes import FigureView, figure_of
from services.auditor.auditing import Auditing
from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.ranking import Order
from services.auditor.audits.scaffolds import Item, Kind, Scaffold, Scaffolds, resolved
from services.auditor.audits.topics import Statistic, TopicRow, topic_rows
from services.auditor.looking import Looking, Sight, once
from shared.auth import KeyRing, Principal, require
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope


class ScaffoldLine(BaseModel):
    """A scaffold; `group` asks for a group's audit. Titles are by language."""

    name: str
    kind: Kind
    title: dict[str, str]
    group: bool


class ItemView(BaseModel):
    """One thing to look at, and the error to expect. `missing`: its words are no topic today.

    `share` is the share of the topic's posts with that error; what ranks first is the lower bound.
    """

    topic: int | None
    name: str | None
    direction: ErrorType | None
    missing: bool
    words: list[str]
    key: str | None
    text: dict[str, str] | None
    share: FigureView | None
    n: int | None
    labelled: int | None


class ScaffoldView(ScaffoldLine):
    """A scaffold's items for the topics of today. `reason` says why there are none."""

    order: Order
    items: list[ItemView]
    reason: str | None


def build_router(auditing: Auditing, looking: Looking, scaffolds: Scaffolds, keys: KeyRing) -> APIRouter:
    """Return the routes of scaffolds."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    @router.get("/scaffolds", summary="Scaffolds", dependencies=[Depends(caller)])
    async def list_scaffolds() -> list[ScaffoldLine]:
        """Answer with every scaffold."""
        return [line(each) for each in scaffolds.by_name.values()]

    @router.get("/scaffolds/{name}", summary="A scaffold's items", response_model=ScaffoldView, responses=UNCHANGED)
    async def show_scaffold(
        name: Annotated[str, Path(max_length=64, pattern=NO_NUL, description="Which scaffold, as they are listed.")],
        request: Request,
        principal: Caller,
        audit: Annotated[
            str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="An audit of yours; without one nothing ranks.")
        ] = None,
        order: Annotated[Order | None, Query(description="What a ranked scaffold ranks by.")] = None,
    ) -> Response:
        """Answer with the items as the audit's model sees the topics of today."""
        if (scaffold := scaffolds.by_name.get(name)) is None:
            raise not_found("scaffold")
        if audit is None:
            sight = looking.bare()
        else:
            sight = await looking.at(await auditing.own(principal, audit))
        rows = await once(sight, rows_by, Statistic.MEAN if order is Order.MEAN else Statistic.MEDIAN)
        told = None if sight.judge is None else sight.judge.detectable
        found = resolved(scaffold, sight.words, rows, excluded=scaffolds.excluded, detectable=told, order=order)
        items = [item_of(each, sight) for each in found]
        view = ScaffoldView(
            **line(scaffold).model_dump(),
            order=order or scaffold.order,
            items=items,
            reason=None if items else why_nothing(scaffold, sight),
        )
        return tagged(request, view)

    return router


def rows_by(sight: Sight, statistic: Statistic) -> list[TopicRow]:
    """Return all topics as a sight has them."""
    return topic_rows(sight.corpus, sight.judge, sight.side, statistic=statistic, cut=sight.cut)


def line(scaffold: Scaffold) -> ScaffoldLine:
    """Return a scaffold as it is listed."""
    return ScaffoldLine(name=scaffold.name, kind=scaffold.kind, title=dict(scaffold.title), group=scaffold.group)


def item_of(item: Item, sight: Sight) -> ItemView:
    """Return an item as it is answered."""
    ranked = item.ranked
    return ItemView(
        topic=item.topic,
        name=sight.name_of(item.topic),
        direction=item.direction,
        missing=item.missing,
        words=list(item.words),
        key=item.key,
        text=None if item.text is None else dict(item.text),
        share=None if ranked is None else figure_of(ranked.figure),
        n=None if ranked is None else ranked.n,
        labelled=None if ranked is None else ranked.labelled,
    )


def why_nothing(scaffold: Scaffold, sight: Sight) -> str:
    """Return why a scaffold suggests nothing."""
    if scaffold.group and (sight.judge is None or sight.judge.detectable is None):
        return "This ranks for the audit of a group."
    if scaffold.group and sight.judge is not None and sight.judge.detectable:
        return (
            "Where this group differs from the crowd, it and the system do not surely differ in twenty posts or more."
        )
    if scaffold.group:
        return "No topic is known where this group differs detectably from the crowd."
    if sight.judge is None:
        return "Nothing ranks without an audit's model."
    if not sight.view.topics:
        return "No topics were found in the posts yet."
    return "In no topic of twenty posts or more do you and the system surely differ."
