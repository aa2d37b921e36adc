"""Coral knocks: its external moderation phase asks for an opinion, its webhooks tell what happened."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from prometheus_client import Counter
from pydantic import BaseModel, ValidationError

from services.ingest.coral import EventIn, PhaseRequest, answer, event_row, post_of, traces
from services.ingest.door import Trail
from services.ingest.html import html_to_text
from services.ingest.keeping import Keeping
from services.ingest.posts import PostIn, check
from services.ingest.scorer import Scorer
from services.ingest.settings import IngestSettings
from services.ingest.signatures import has_hub_signature
from services.ingest.sources import Coral
from services.ingest.store import Store
from shared.auth import require
from shared.bodies import as_json, read_body
from shared.clock import monotonic, utcnow
from shared.errors import Problem, faults, not_found
from shared.runtime import Platform
from shared.vocabulary import Scope

log = structlog.get_logger("ombud.ingest")

ASKED = Counter(
    "ombud_ingest_coral_comments", "Comments Coral asked about, by what we answered.", ["source", "outcome"]
)
TOLD = Counter("ombud_ingest_coral_events", "Events of Coral's webhooks that were kept.", ["source", "new"])

M = TypeVar("M", bound=BaseModel)
Name = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Signature = Annotated[str | None, Header(alias="X-Coral-Signature", max_length=1024)]


class Answer(BaseModel):
    """What Coral may do with a comment; an empty object is no opinion."""

    status: str | None = None
    actions: list[dict[str, str]] | None = None
    moderationAction: dict[str, Any] | None = None  # noqa: N815 - Coral's name


class Kept(BaseModel):
    """The answer to a webhook."""

    duplicate: bool


class CoralEvent(BaseModel):
    """One event as it is kept."""

    event_id: str
    type: str
    comment_id: str | None
    story_id: str | None
    queue: str | None
    status: str | None
    created_at: datetime | None
    received_at: datetime


def _parsed(kind: type[M], body: bytes) -> M:
    """Return a signed request. Raises Problem 400 with the field: a signature says who, not that the shape is known."""
    try:
        return kind.model_validate(as_json(body))
    except ValidationError as error:
        first = faults(error)[0]
        raise Problem(400, "unknown_shape", first["detail"], field=first["field"] or None) from None


class _Phase:
    """Answers one question of Coral's in time, whatever is late or down."""

    def __init__(self, name: str, source: Coral, scorer: Scorer, keeping: Keeping, limit: int) -> None:
        self._name = name
        self._source = source
        self._scorer = scorer
        self._keeping = keeping
        self._limit = limit

    async def answer(self, asked: PhaseRequest, trail: Trail, until: float) -> dict[str, Any]:
        """Return our answer before `until`; the post goes on to be kept for as long as that takes."""
        post = self._post(asked)
        if post is None:
            return self._counted("refused", {})
        scoring = asyncio.create_task(self._scorer.ask(post.text))
        begun: list[asyncio.Task[Any]] = [scoring]
        if self._source.keep:
            left = traces(asked.tenantDomain, asked.comment.parentID, post.text)
            begun.append(self._keeping.take(self._name, post, trail, left))
        await asyncio.wait(begun, timeout=max(0.0, until - monotonic()))
        if not scoring.done():
            scoring.cancel()
            return self._counted("late", {})
        error = scoring.exception()
        if error is not None:
            log.warning("no opinion for Coral", source=self._name, error=type(error).__name__)
            return self._counted("down", {})
        said = answer(scoring.result(), self._source.rule)
        return self._counted("flagged" if said else "passed", said)

    def _post(self, asked: PhaseRequest) -> PostIn | None:
        """Return the comment as a post, None if it is none: empty (a picture only), or larger than a post may be."""
        body = asked.comment.body
        text = html_to_text(body) if self._source.body == "html" else body
        raw = {"platform": self._source.platform or self._name, "language": self._source.language}
        try:
            return check({**raw, **post_of(asked, text)}, self._limit)
        except Problem:
            return None

    def _counted(self, outcome: str, said: dict[str, Any]) -> dict[str, Any]:
        ASKED.labels(self._name, outcome).inc()
        return said


def build_router(
    platform: Platform, settings: IngestSettings, store: Store, scorer: Scorer, keeping: Keeping
) -> APIRouter:
    """Return the routes of Coral."""
    router = APIRouter(prefix="/v1/coral/{source}", tags=["coral"])
    sources = {name: each for name, each in settings.all_sources.items() if isinstance(each, Coral)}
    may_read = Depends(require(platform.keys, Scope.READ))

    async def signed(request: Request, name: str, signature: str | None) -> tuple[Coral, bytes]:
        """Return the source and the body. Raises Problem 404 and 401."""
        source = sources.get(name)
        if source is None:
            raise not_found("Coral source")
        body = await read_body(request, platform.settings.max_body_bytes)
        if not has_hub_signature(signature, body, source.secrets):
            raise Problem(401, "signature_wrong", "X-Coral-Signature is missing or made with none of our secrets.")
        return source, body

    @router.post("/moderation", summary="Coral's external moderation phase", response_model_exclude_none=True)
    async def moderate(source: Name, request: Request, x_coral_signature: Signature = None) -> Answer:
        """Say what we think of a comment, within the source's timeout; `{}` when the classifier is late or down.

        A request that is sent again is answered again: it stores nothing twice, and people do repeat themselves.
        """
        began = monotonic()
        coral, body = await signed(request, source, x_coral_signature)
        phase = _Phase(source, coral, scorer, keeping, platform.settings.max_text_bytes)
        asked = _parsed(PhaseRequest, body)
        return Answer(**await phase.answer(asked, Trail.of(request), began + coral.timeout_ms / 1000))

    @router.post("/events", summary="Coral's webhooks", status_code=202)
    async def hear(source: Name, request: Request, x_coral_signature: Signature = None) -> Kept:
        """Keep an event's type and ids, once per id, also of a type nobody knows; the answer comes once it is kept."""
        _, body = await signed(request, source, x_coral_signature)
        new = await store.keep_coral_event(event_row(source, _parsed(EventIn, body), utcnow()))
        TOLD.labels(source, "yes" if new else "no").inc()
        return Kept(duplicate=not new)

    @router.get("/events", summary="What Coral's webhooks told", dependencies=[may_read])
    async def list_events(source: Name, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[CoralEvent]:
        """List the newest events, newest first."""
        if source not in sources:
            raise not_found("Coral source")
        return [CoralEvent.model_validate(dict(row._mapping)) for row in await store.list_coral_events(source, limit)]

    return router


def warn_without_classifier(platform: Platform, settings: IngestSettings) -> None:
    """Say at start that Coral will get no opinion, where no classifier runs here and none was named."""
    here = any(service.name == "classifier" for service in platform.services)
    asked = any(isinstance(each, Coral) for each in settings.all_sources.values())
    if asked and not here and settings.classifier_url is None:
        log.error("Coral gets no opinion: no classifier in this process, set OMBUD_INGEST_CLASSIFIER_URL")
