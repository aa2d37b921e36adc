"""HTTP: everything that whoever begins an audit chooses from."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import SystemView
from services.auditor.api.labelling import TopicChoice
from services.auditor.api.scaffolds import ScaffoldLine, line
from services.auditor.audit_store import AuditStore
from services.auditor.audits.decisions import Errors
from services.auditor.audits.ranking import Order
from services.auditor.audits.scaffolds import Scaffolds
from services.auditor.audits.searching import topics_found
from services.auditor.audits.topics import Statistic
from services.auditor.looking import Looking, Sight
from services.auditor.store import Store
from shared.auth import KeyRing, Principal, require
from shared.ids import NO_NUL
from shared.judgement import CUT
from shared.personal.accuracy import Status
from shared.vocabulary import Scope


class ModelChoice(BaseModel):
    """A model of the caller's; the one everybody has is called by its empty id. `tuned` are topics with own ratings."""

    id: str
    name: str | None
    status: str
    labels: int
    version: int
    tuned: list[int]
    trained_at: datetime | None


class TopicGroups(BaseModel):
    """Topics that own ratings tune, apart from the others."""

    tuned: list[TopicChoice]
    others: list[TopicChoice]


class ChoicesView(BaseModel):
    """What an audit is made of: the system in force, the caller's models, topics, scaffolds, and how to look at it."""

    system: SystemView | None
    cut: float
    models: list[ModelChoice]
    topics: TopicGroups
    scaffolds: list[ScaffoldLine]
    errors: list[Errors]
    statistics: list[Statistic]
    orders: list[Order]


def build_router(store: AuditStore, corpus: Store, looking: Looking, scaffolds: Scaffolds, keys: KeyRing) -> APIRouter:
    """Return the route of what there is to choose."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)

    @router.get("/audits/new", summary="What to begin an audit with", response_model=ChoicesView, responses=UNCHANGED)
    async def show_choices(
        request: Request,
        principal: Annotated[Principal, Depends(caller)],
        q: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="Only topics of these words.")] = "",
    ) -> Response:
        """Answer with models, topics and scaffolds; `q` looks for topics by number or words."""
        live, sight = await store.live_system(), looking.bare()
        models = await _models(store, corpus, principal.id)
        tuned = {topic for each in models for topic in each.tuned}
        view = ChoicesView(
            system=None if live is None else SystemView(name=live.model, version=live.model_version),
            cut=CUT,
            models=models,
            topics=_topics(sight, q, tuned),
            scaffolds=[line(each) for each in scaffolds.by_name.values()],
            errors=list(Errors),
            statistics=list(Statistic),
            orders=list(Order),
        )
        return tagged(request, view)

    return router


async def _models(store: AuditStore, corpus: Store, owner: str) -> list[ModelChoice]:
    """Return the model everybody has, then those with a name, then those that only have ratings."""
    trained = {row.model: row for row in await corpus.models_of(owner)}
    names: dict[str, str | None] = {"": None}
    names |= {row.model: row.name for row in await store.named_models_of(owner, 200)}
    names |= {model: None for model in sorted(trained) if model not in names}
    found = []
    for model, name in names.items():
        row = trained.get(model)
        told = None if row is None else row.posterior
        found.append(
            ModelChoice(
                id=model,
                name=name,
                status=Status.POPULATION_VIEW.value if told is None else told["status"],
                labels=0 if told is None else told["labels"],
                version=0 if row is None else row.version,
                tuned=[] if told is None else sorted(each["topic"] for each in told["offsets"]),
                trained_at=None if row is None else row.trained_at,
            )
        )
    return found


def _topics(sight: Sight, words: str, tuned: set[int]) -> TopicGroups:
    found = topics_found(words, sight.words, tuned)
    grouped = sight.corpus.by_topic

    def choice(topic: int) -> TopicChoice:
        return TopicChoice(topic=topic, name=sight.name_of(topic) or str(topic), n=len(grouped.rows_of(topic)))

    return TopicGroups(tuned=[choice(each) for each in found.tuned], others=[choice(each) for each in found.others])
