"""Whoever can sign (Standard Webhooks) sends posts: in our own shape, or in any JSON that a source's mapping explains.

Invariant: nothing is parsed before its signature was checked, and an id counts as taken only once all it brought is
durable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.ingest.door import Door, Trail
from services.ingest.mapping import Told, hear
from services.ingest.posts import Identifier, PostIn, check
from services.ingest.revisions import name_of, revise
from services.ingest.settings import IngestSettings
from services.ingest.signatures import Fault, webhook_fault, webhook_header_fault
from services.ingest.sources import Webhook
from shared.bodies import as_json, read_body
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.ids import post_id as id_of
from shared.runtime import Platform
from shared.vocabulary import DeletionCause

MOST_POSTS = 100
IDS_KEPT_S = 3 * 86_400
"""How long a message's id is known; senders repeat for a day or two."""
TEXTS_KEPT_S = 30 * 86_400
"""How long the last text of a post is known as such; after that the same text is scored once more."""
FAULTS = {
    Fault.MISSING: "webhook-id, webhook-timestamp (whole seconds) and webhook-signature have to be there.",
    Fault.OLD: "The message's time is more than five minutes ago.",
    Fault.NEW: "The message's time is more than five minutes ahead.",
    Fault.WRONG: "No signature was made of this very body with one of our secrets.",
}
FIELDS = {"id": "external_id", "lang": "language"}
KNOWN = {"text", "author", "created_at", "edited_at", "url", "reply_to"}
external = TypeAdapter[str](Identifier)


class Refused(BaseModel):
    """One post that was refused: its index, and the field with the reason."""

    index: int
    reason: str


class Taken(BaseModel):
    """The answer: how many posts (or deletions) were taken, were known already, were refused."""

    accepted: int
    duplicates: int
    rejected: list[Refused]


@dataclass(slots=True)
class _Batch:
    """What one message brought."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Refused] = field(default_factory=list)

    def refuse(self, at: int, problem: Problem) -> None:
        where = f"{_named(problem.field)}: " if problem.field else ""
        self.rejected.append(Refused(index=at, reason=f"{where}{problem.reason}"))


def _named(name: str) -> str:
    """Return a field under the name the sender knows."""
    return {"external_id": "id", "language": "lang"}.get(name, name)


def told_of(raw: Any, at: int) -> Told:
    """Return a post of the shape of /api/v1/posts. Raises Problem 422 for what has no such shape."""
    if not isinstance(raw, dict):
        raise Problem(422, "not_an_object", "A post is an object.")
    unknown = raw.keys() - FIELDS.keys() - KNOWN - {"context", "deleted"}
    if unknown:
        raise Problem(422, "extra_forbidden", "There is a field that posts do not have.")
    gone = raw.get("deleted", False)
    if not isinstance(gone, bool):
        raise Problem(422, "bool_type", "deleted is true or false.", field="deleted")
    post = {name: raw[given] for given, name in FIELDS.items() if raw.get(given) is not None}
    post |= {name: raw[name] for name in KNOWN if raw.get(name) is not None}
    return Told(at, raw.get("id"), post, gone)


def build_router(platform: Platform, settings: IngestSettings, door: Door) -> APIRouter:
    """Return the routes of signed messages."""
    router = APIRouter(tags=["webhooks"])
    sources = {name: each for name, each in settings.all_sources.items() if isinstance(each, Webhook)}

    async def sender(request: Request, candidates: Mapping[str, Webhook]) -> tuple[str, bytes]:
        """Return the source whose secret signed a message, and its body. Raises Problem 401 and 413."""
        # what cannot be good is refused before its body takes memory
        fault = webhook_header_fault(request.headers, utcnow())
        if fault is None:
            body = await read_body(request, settings.max_body_bytes)
            for name, source in candidates.items():
                if (fault := webhook_fault(request.headers, body, source.secrets, utcnow())) is None:
                    return name, body
        refused = fault or Fault.WRONG
        raise Problem(401, refused.value, FAULTS[refused])

    async def take(name: str, request: Request, told: Sequence[Told], batch: _Batch) -> Taken:
        """Make a message durable, in order, once per id."""
        channel, message = f"webhook:{name}", request.headers["webhook-id"]
        if (await door.recall(channel, [message]))[0]:
            return Taken(accepted=0, duplicates=len(told) + batch.duplicates, rejected=[])
        platform_name = sources[name].platform or name
        sent_at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        trail, waiting = Trail.of(request), list[PostIn]()
        for each in told:
            try:
                if each.gone:
                    external_id = external.validate_python(each.external_id, strict=True)
                    await flush(waiting, sent_at, trail, batch)
                    await door.take_away(id_of(platform_name, external_id), DeletionCause.PLATFORM, trail, at=sent_at)
                    batch.accepted += 1
                else:
                    given = {"platform": platform_name, "language": sources[name].language, **each.post}
                    waiting.append(check(given, platform.settings.max_text_bytes))
            except ValidationError as error:
                fault = error.errors()[0]["type"]
                batch.refuse(each.at, Problem(422, fault, "This is no id.", field="external_id"))
            except Problem as problem:
                if problem.status in (429, 503):
                    raise
                batch.refuse(each.at, problem)
        await flush(waiting, sent_at, trail, batch)
        await door.note(channel, {message: "taken"}, IDS_KEPT_S)
        batch.rejected.sort(key=lambda row: row.index)
        return Taken(accepted=batch.accepted, duplicates=batch.duplicates, rejected=batch.rejected)

    async def flush(waiting: list[PostIn], sent_at: datetime, trail: Trail, batch: _Batch) -> None:
        """Admit the posts so far, each once per text, and note their texts."""
        names = [name_of(post) for post in waiting]
        noted = dict(zip(names, await door.recall("texts", names), strict=True))
        revised = revise(waiting, noted, sent_at)
        fresh = await door.take(revised.posts, trail)
        await door.note("texts", revised.notes, TEXTS_KEPT_S)
        batch.accepted += sum(fresh)
        batch.duplicates += revised.repeated + len(fresh) - sum(fresh)
        waiting.clear()

    @router.post(
        "/api/v1/posts",
        status_code=202,
        summary="Send posts in a signed message",
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _shape()}}}},
    )
    async def send_signed(request: Request) -> Taken:
        """Take up to 100 posts, or word that they are gone, from a source of the kind webhook (Standard Webhooks).

        The source is the one whose secret signed the message. Good posts are taken, bad ones listed; a message id
        that was taken before counts as duplicates. A post is the same as before if its id and text are.
        """
        name, body = await sender(request, sources)
        raw = as_json(body)
        posts = raw.get("posts") if isinstance(raw, dict) else None
        if not isinstance(posts, list) or not 1 <= len(posts) <= MOST_POSTS:
            raise Problem(422, "posts_count", f"Send a list of 1 to {MOST_POSTS} posts.", field="posts")
        told, batch = list[Told](), _Batch()
        for at, each in enumerate(posts):
            try:
                told.append(told_of(each, at))
            except Problem as problem:
                batch.refuse(at, problem)
        return await take(name, request, told, batch)

    @router.post(
        "/v1/webhooks/{source}",
        status_code=202,
        summary="Send posts in a signed message of your own shape",
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    )
    async def send_mapped(
        source: Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")], request: Request
    ) -> Taken:
        """Take what the source's mapping finds in the message; what is of another event type is passed over."""
        known = sources.get(source)
        if known is None or known.mapping is None:
            raise not_found("webhook source with a mapping")
        _, body = await sender(request, {source: known})
        heard = hear(known.mapping, as_json(body))
        most = settings.posts_per_request
        if heard is None or len(heard.told) > most:
            detail = f"The mapping's items have to lead to a list of at most {most} items."
            raise Problem(422, "items_count", detail, field=known.mapping.items)
        return await take(source, request, heard.told, _Batch())

    return router


def _shape() -> dict[str, Any]:
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    fields: dict[str, Any] = dict.fromkeys(("id", "text", "lang", "author", "url", "reply_to"), text)
    fields |= {"created_at": moment, "edited_at": moment, "context": {}, "deleted": {"type": "boolean"}}
    post = {"type": "object", "required": ["id"], "properties": fields, "additionalProperties": False}
    posts = {"type": "array", "items": post, "minItems": 1, "maxItems": MOST_POSTS}
    return {"type": "object", "required": ["posts"], "properties": {"posts": posts}}
