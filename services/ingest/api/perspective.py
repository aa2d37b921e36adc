"""Perspective's `comments:suggestscore`; the classifier answers `comments:analyze` and the discovery document.

Invariant: the key in the query reaches no log, span, event or answer.
"""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from services.ingest.coral import traces
from services.ingest.door import Door, Trail, spoken
from services.ingest.keeping import Keeping
from services.ingest.perspective import Suggestion, corrected, suggestion, tenant_of
from shared.auth import Principal
from shared.bodies import as_json, read_body
from shared.clock import utcnow
from shared.google import ERROR, GoogleRoute, KeyInQuery
from shared.ids import digest, stable_id
from shared.language import detect
from shared.perspective import VERSION
from shared.runtime import Platform
from shared.vocabulary import Scope

WORDS_KEPT_S = 90 * 86_400
"""How long a suggestion is known as a repetition."""


class SuggestionHeard(BaseModel):
    """The answer, as Perspective gives it."""

    detectedLanguages: list[str]  # noqa: N815 - Google's names
    requestedLanguages: list[str]  # noqa: N815
    clientToken: str | None = None  # noqa: N815


def build_router(platform: Platform, door: Door, keeping: Keeping) -> APIRouter:
    """Return the routes of Perspective that ingest answers."""
    router = APIRouter(tags=["perspective"], route_class=GoogleRoute)
    may_review = KeyInQuery(platform.keys, Scope.REVIEW)

    @router.post(
        f"/{VERSION}/comments:suggestscore",
        summary="Say what the score of a comment should be",
        response_model_exclude_none=True,
        responses=ERROR,
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    )
    async def suggest_score(request: Request, principal: Principal = Depends(may_review)) -> SuggestionHeard:
        """Take a suggestion for a correction: 0 says a category is absent, 1 that it is there (weak), the rest nothing.

        The same word about the same comment (communityId, clientToken) counts once until another one follows it.
        """
        raw = as_json(await read_body(request, platform.settings.max_body_bytes))
        said = suggestion(raw, platform.settings.max_text_bytes)
        detected = detect(said.text)
        await hear(said, detected, principal, Trail.of(request))
        return SuggestionHeard(
            detectedLanguages=[detected] if detected else [],
            requestedLanguages=list(said.languages),
            clientToken=said.token,
        )

    async def hear(said: Suggestion, detected: str | None, principal: Principal, trail: Trail) -> None:
        # 1. the last word about this comment: one that says the same again is a repetition
        about = f"{said.community}|{said.token or digest(said.text.encode())}"
        (last,) = await door.recall("suggestions", [about])
        number, _, word = (last or "0|").partition("|")
        if word == said.word:
            return
        # 2. its post, if it came by the moderation phase
        tenant = tenant_of(said.community)
        post_id = await keeping.post_of(traces(tenant, said.parent, said.text)) if tenant else None
        # 3. say it, then remember it: a crash in between says the same id again
        count = int(number) + 1
        correction_id = stable_id("suggestion", about, count, said.word)
        data = corrected(
            said,
            correction_id=correction_id,
            post_id=post_id,
            language=detected or (said.languages[0].lower() if said.languages else None),  # Coral calls Dutch en
            reviewer=principal.id,
            now=utcnow(),
        )
        await door.admit([spoken(data, correction_id, trail)])
        await door.note("suggestions", {about: f"{count}|{said.word}"}, WORDS_KEPT_S)

    return router
