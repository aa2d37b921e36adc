"""What a Mastodon server tells us by webhook, and asking it again whether statuses still exist.

Answers follow what Mastodon does with them: it tries again after 401, 408, 429 and 5xx, and drops the event after any
other refusal. So 401 is for what a change of settings may heal, 400 for what never becomes right.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.changes import PostGone, RawPost
from services.ingest.door import Door, Trail, spoken
from services.ingest.mastodon import look_up
from services.ingest.mastodon_events import REMEMBERED_S, check_age, delivery_of, proof_of
from services.ingest.mastodon_posts import Status, change_of
from services.ingest.mastodon_reports import Report, corrections_of
from services.ingest.posts import check_many
from services.ingest.settings import IngestSettings
from services.ingest.signatures import has_hub_signature
from services.ingest.sources import MastodonTimelines, MastodonWebhook, SourceName
from shared import ids
from shared.auth import require
from shared.bodies import as_json, read_body
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.runtime import Platform
from shared.vocabulary import DeletionCause, Scope

log = structlog.get_logger("ombud.ingest")

SIGNATURE = "X-Hub-Signature"
Name = Annotated[SourceName, Path(description="The source's name in the settings.")]
LOOK_UP_TIMEOUT_S = 20.0
STATUS_ID = r"^[A-Za-z0-9_-]{1,64}$"
"""What may stand in an address at the server; nobody asks for another one through us."""


class Taken(BaseModel):
    """The answer to a delivery: what it changed here. `duplicate`: this very event was taken before."""

    posts: int = 0
    deleted: int = 0
    refused: int = 0
    corrections: int = 0
    duplicate: bool = False


class RecheckIn(BaseModel):
    """Ids of statuses, as the server names them."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Annotated[str, Field(pattern=STATUS_ID)]], Field(min_length=1, max_length=100)]


class Rechecked(BaseModel):
    """What became of each status. Those not asked about met the server's rate limit: send them again later."""

    gone: list[str]
    there: list[str]
    not_asked: list[str]
    edited: int


def build_router(platform: Platform, settings: IngestSettings, door: Door, salt: Callable[[], str]) -> APIRouter:
    """Return the routes of Mastodon servers; `salt()` gives the salt of pseudonyms."""
    router = APIRouter(prefix="/v1/mastodon", tags=["mastodon"])
    may_ingest = Depends(require(platform.keys, Scope.INGEST))

    @router.post(
        "/{source}",
        status_code=202,
        summary="A Mastodon server's webhook",
        openapi_extra={
            "parameters": [{"name": SIGNATURE, "in": "header", "required": True, "schema": {"type": "string"}}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        },
    )
    async def hear(source: Name, request: Request) -> Taken:
        """Take one signed event; 202 once it is durable, and for the same event again.

        401 for a signature that none of the source's secrets made, 400 for what is no event of Mastodon's or too old,
        413 for a body that is too large, 503 while there is no room: Mastodon tries again.
        """
        known = settings.all_sources.get(source)
        if not isinstance(known, MastodonWebhook):
            raise not_found("source")
        body = await read_body(request, settings.max_webhook_bytes)
        if not has_hub_signature(request.headers.get(SIGNATURE), body, known.secrets):
            log.warning("webhook refused: bad signature", source=source)
            raise Problem(401, "bad_signature", f"{SIGNATURE} was not made of this body with a secret of this source.")
        delivery, thing = delivery_of(as_json(body))
        check_age(delivery, utcnow(), known.max_age_s)
        channel, proof = f"mastodon:{source}", proof_of(delivery)
        if (await door.recall(channel, [proof]))[0]:
            return Taken(duplicate=True)
        try:
            taken = await _take(source, known, thing, Trail.of(request))
        except Problem as refusal:
            if refusal.status != 429:
                raise
            raise Problem(503, refusal.reason, refusal.detail, headers=dict(refusal.headers or {})) from None
        await door.note(channel, {proof: "taken"}, REMEMBERED_S)
        log.info(
            "webhook taken", source=source, webhook_event=delivery.event, **taken.model_dump(exclude_defaults=True)
        )
        return taken

    @router.post("/{source}/recheck", status_code=202, summary="Ask whether statuses exist", dependencies=[may_ingest])
    async def recheck(source: Name, wanted: RecheckIn, request: Request) -> Rechecked:
        """Ask the source's server about statuses: what is gone is deleted here too, what was edited is taken again."""
        known = settings.all_sources.get(source)
        if not isinstance(known, (MastodonWebhook, MastodonTimelines)):
            raise not_found("source")
        if known.base_url is None:
            raise Problem(409, "no_base_url", "Give this source a base_url in the settings.", field="base_url")
        found = await look_up(known.base_url, known.token, LOOK_UP_TIMEOUT_S, list(dict.fromkeys(wanted.ids)))
        taken = await _take_statuses(source, known, found.there, Trail.of(request))
        for status_id in found.gone:
            post_id = ids.post_id(known.platform or source, status_id)
            await door.take_away(post_id, DeletionCause.PLATFORM, Trail.of(request))
        there = [each.id for each in found.there]
        return Rechecked(gone=found.gone, there=there, not_asked=found.unasked, edited=taken.posts + taken.deleted)

    async def _take(source: str, known: MastodonWebhook, thing: Any, trail: Trail) -> Taken:
        if isinstance(thing, Status):
            return await _take_statuses(source, known, [thing], trail)
        if not isinstance(thing, Report):
            return Taken()  # an account says nothing that we keep
        taken = await _take_statuses(source, known, thing.statuses, trail)
        name = known.platform or source
        account = thing.account.account if thing.account else None
        said = corrections_of(
            thing,
            [ids.post_id(name, each.id) for each in thing.statuses if _is_post(known, each)],
            platform=name,
            rules=known.rules,
            reviewer=ids.pseudonym(salt(), name, account.acct) if account else None,
        )
        fresh = await door.admit([spoken(each, each.correction_id, trail) for each in said])
        return taken.model_copy(update={"corrections": sum(fresh)})

    async def _take_statuses(
        source: str, known: MastodonWebhook | MastodonTimelines, statuses: Iterable[Status], trail: Trail
    ) -> Taken:
        name = known.platform or source
        changes = [change_of(each, known.visibilities, known.language) for each in statuses]
        raws: list[RawPost] = [{"platform": name, **each} for each in changes if isinstance(each, dict)]
        good, bad = check_many(raws, platform.settings.max_text_bytes)
        for rejection in bad:
            log.info("post refused", source=source, reason=rejection.reason, field=rejection.field)
        fresh = await door.take(good, trail)
        gone = [each for each in changes if isinstance(each, PostGone)]
        for each in gone:
            await door.take_away(ids.post_id(name, each.external_id), DeletionCause.AUTHOR, trail, at=each.at)
        return Taken(posts=sum(fresh), deleted=len(gone), refused=len(bad))

    return router


def _is_post(known: MastodonWebhook, status: Status) -> bool:
    return isinstance(change_of(status, known.visibilities), dict)
