"""What a Coop tells us: actions of its moderators and appeals that were decided.

Coop tries again after anything that is no 2xx, five times. 401 is for a signature that none of the source's keys made,
also for none at all; 400 for what is no callback of Coop's.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ValidationError

from services.ingest.coop import (
    REMEMBERED_S,
    ActionIn,
    AppealIn,
    correction_of_action,
    correction_of_appeal,
)
from services.ingest.door import Door, Trail, spoken
from services.ingest.settings import IngestSettings
from services.ingest.sources import Coop, SourceName
from shared import ids
from shared.bodies import as_json, read_body
from shared.clock import utcnow
from shared.coop import SIGNATURE, has_signature
from shared.errors import Problem, faults, not_found
from shared.events import PostCorrected

log = structlog.get_logger("ombud.ingest")

Name = Annotated[SourceName, Path(description="The source's name in the settings.")]
M = TypeVar("M", bound=BaseModel)
SIGNED: dict[str, Any] = {
    "parameters": [{"name": SIGNATURE, "in": "header", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


class Heard(BaseModel):
    """The answer to a callback: how many corrections it became. `duplicate`: this very callback was heard before."""

    corrections: int = 0
    duplicate: bool = False


def build_router(settings: IngestSettings, door: Door, salt: Callable[[], str]) -> APIRouter:
    """Return the routes of Coops; `salt()` gives the salt of pseudonyms."""
    router = APIRouter(prefix="/v1/coop/{source}", tags=["coop"])

    async def signed(name: str, request: Request) -> tuple[Coop, bytes]:
        known = settings.all_sources.get(name)
        if not isinstance(known, Coop):
            raise not_found("Coop source")
        body = await read_body(request, settings.max_webhook_bytes)
        if not has_signature(request.headers.get(SIGNATURE), body, known.public_keys):
            log.warning("callback refused: bad signature", source=name)
            raise Problem(401, "bad_signature", f"{SIGNATURE} is missing or made with none of this source's keys.")
        return known, body

    async def admit(name: str, proof: str, said: PostCorrected | None, request: Request) -> Heard:
        if (await door.recall(f"coop:{name}", [proof]))[0]:
            return Heard(duplicate=True)
        events = [spoken(said, said.correction_id, Trail.of(request))] if said else []
        fresh = sum(await door.admit(events))
        await door.note(f"coop:{name}", {proof: "heard"}, REMEMBERED_S)
        log.info("callback heard", source=name, corrections=fresh)
        return Heard(corrections=fresh)

    @router.post("/actions", status_code=202, summary="A Coop's action", openapi_extra=SIGNED)
    async def hear_action(source: Name, request: Request) -> Heard:
        """Take one signed callback of an action; a moderator's becomes a correction, a rule's or strike's does not."""
        known, body = await signed(source, request)
        said, platform = _parsed(ActionIn, body), known.platform or source
        proof = f"{said.item.id}|{said.action.id}|{ids.digest(body)}"
        reviewer = ids.pseudonym(salt(), platform, said.actorEmail) if said.actorEmail else None
        correction = correction_of_action(said, known, platform=platform, proof=proof, reviewer=reviewer, now=utcnow())
        return await admit(source, proof, correction, request)

    @router.post("/appeals", status_code=202, summary="A Coop's decision on an appeal", openapi_extra=SIGNED)
    async def hear_appeal(source: Name, request: Request) -> Heard:
        """Take one signed callback of an appeal; one that was granted says that the post is fine."""
        known, body = await signed(source, request)
        said, platform = _parsed(AppealIn, body), known.platform or source
        correction = correction_of_appeal(said, known, platform=platform, now=utcnow())
        return await admit(source, f"appeal|{said.appealId}|{said.appealDecision}", correction, request)

    return router


def _parsed(kind: type[M], body: bytes) -> M:
    try:
        return kind.model_validate(as_json(body))
    except ValidationError as error:
        first = faults(error)[0]
        raise Problem(400, "unknown_shape", first["detail"], field=first["field"] or None) from None
