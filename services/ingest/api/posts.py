"""Posts in, posts gone: one, many, or a stream of lines."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.api.repeats import idempotency_key
from services.ingest.door import Door, Trail
from services.ingest.posts import Identifier, PostIn, Rejection, check, check_many
from services.ingest.settings import IngestSettings
from shared.auth import require
from shared.bodies import as_json, read_body
from shared.errors import Problem
from shared.ids import NO_NUL
from shared.ids import post_id as id_of
from shared.runtime import Platform
from shared.vocabulary import DeletionCause, Scope

LINE_LIMIT = 1_048_576
LINES_AT_ONCE = 500


class Accepted(BaseModel):
    """The answer to one post: its id with us, and whether this very revision was known already."""

    post_id: str
    event_id: str
    duplicate: bool


class Rejected(BaseModel):
    """One post that was refused. `at` is its index in the request, or its line in a stream (from 1)."""

    at: int
    field: str
    reason: str
    detail: str


class Summary(BaseModel):
    """The answer to many posts. `rejected` lists the first refusals, `rejected_total` counts all."""

    accepted: int
    duplicates: int
    rejected_total: int
    rejected: list[Rejected]
    lines: int | None = None


class ErasureIn(BaseModel):
    """Whose text has to go: one post, or everything of an author."""

    model_config = ConfigDict(extra="forbid")

    platform: str = Field(min_length=1, max_length=64, pattern=NO_NUL)
    author: Identifier | None = None
    external_id: Identifier | None = None


class Erased(BaseModel):
    """The answer to a deletion: the event that tells every service to erase the text."""

    event_id: str


def _listed(rejections: list[Rejection], limit: int) -> list[Rejected]:
    return [Rejected(at=r.at, field=r.field, reason=r.reason, detail=r.detail) for r in rejections[:limit]]


async def lines_of(request: Request) -> AsyncIterator[tuple[int, bytes | None]]:
    """Yield (line number from 1, line) of a streamed body in flat memory; None stands for a line over one MiB."""
    rest, number, skipping = b"", 0, False
    async for piece in request.stream():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            number += 1
            yield number, None if skipping or len(line) > LINE_LIMIT else line
            skipping = False
        if len(rest) > LINE_LIMIT:
            rest, skipping = b"", True
    if rest.strip() or skipping:
        yield number + 1, None if skipping else rest


def build_router(platform: Platform, settings: IngestSettings, door: Door, route: type[APIRoute]) -> APIRouter:
    """Return the routes of posts."""
    router = APIRouter(prefix="/v1", tags=["posts"], route_class=route)
    may_ingest = Depends(require(platform.keys, Scope.INGEST))
    limit = platform.settings.max_text_bytes

    async def admit(request: Request, posts: list[PostIn]) -> tuple[int, int]:
        fresh = await door.take(posts, Trail.of(request))
        return sum(fresh), len(fresh) - sum(fresh)

    @router.post(
        "/posts",
        status_code=202,
        summary="Send one post or many",
        dependencies=[may_ingest, Depends(idempotency_key)],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _either()}}}},
    )
    async def send_posts(request: Request) -> Accepted | Summary:
        """Accept a post, a list of posts, or `{"posts": [...]}`; the answer comes after the broker has them.

        A post is identified by platform, external_id and edited_at: sending it again changes nothing. Of many,
        the good ones are accepted and the bad ones listed with field and reason.
        """
        raw = as_json(await read_body(request, settings.max_body_bytes))
        many = raw.get("posts") if isinstance(raw, dict) and set(raw) == {"posts"} else raw
        if not isinstance(many, list):
            post = check(raw, limit)
            (event,) = door.events_of([post], Trail.of(request))
            (fresh,) = await door.admit([event])
            return Accepted(post_id=event.data.post.post_id, event_id=event.id, duplicate=not fresh)
        if not many or len(many) > settings.posts_per_request:
            most = settings.posts_per_request
            raise Problem(422, "posts_count", f"Send 1 to {most} posts at once.", field="posts")
        good, bad = check_many(many, limit)
        if not good:
            rows = [row.model_dump() for row in _listed(bad, settings.listed_rejections)]
            raise Problem(422, "no_post_accepted", "None of the posts is valid.", field="posts", rejected=rows)
        accepted, duplicates = await admit(request, good)
        return Summary(
            accepted=accepted,
            duplicates=duplicates,
            rejected_total=len(bad),
            rejected=_listed(bad, settings.listed_rejections),
        )

    @router.post(
        "/posts:import",
        status_code=202,
        summary="Send a stream of posts, one JSON object per line",
        dependencies=[may_ingest],
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
        },
    )
    async def import_posts(request: Request) -> Summary:
        """Accept NDJSON of any length in flat memory; bad lines are listed by number and harm no other."""
        total, duplicates, refused, number = 0, 0, 0, 0
        rejected: list[Rejection] = []
        raws: list[Any] = []
        positions: list[int] = []

        def refuse(*bad: Rejection) -> None:
            nonlocal refused
            refused += len(bad)
            rejected.extend(bad)
            if len(rejected) > 2 * settings.listed_rejections:
                rejected.sort(key=lambda each: each.at)
                del rejected[settings.listed_rejections :]

        async def flush() -> None:
            nonlocal total, duplicates
            good, bad = check_many(raws, limit, positions)
            refuse(*bad)
            await door.room("posts.ingested", settings.import_patience_s)
            accepted, known = await admit(request, good)
            total, duplicates = total + accepted, duplicates + known
            raws.clear()
            positions.clear()

        async for number, line in lines_of(request):
            if line is None:
                refuse(Rejection(number, "", "line_too_long", f"A line may have {LINE_LIMIT} bytes."))
            elif line.strip():
                try:
                    raws.append(orjson.loads(line))
                    positions.append(number)
                except orjson.JSONDecodeError:
                    refuse(Rejection(number, "", "malformed_json", "This line is not valid JSON."))
            if len(raws) >= LINES_AT_ONCE:
                await flush()
        if raws:
            await flush()
        rejected.sort(key=lambda each: each.at)
        return Summary(
            accepted=total,
            duplicates=duplicates,
            rejected_total=refused,
            rejected=_listed(rejected, settings.listed_rejections),
            lines=number,
        )

    @router.delete("/posts/{post_id}", status_code=202, summary="Take a post away", dependencies=[may_ingest])
    async def delete_post(post_id: Annotated[str, Path(max_length=64, pattern=NO_NUL)], request: Request) -> Erased:
        """Tell every service to erase the post's text; its id and statuses stay as a tombstone."""
        return Erased(event_id=await door.take_away(post_id, DeletionCause.PLATFORM, Trail.of(request)))

    @router.post(
        "/erasures",
        status_code=202,
        summary="Erase an author's or a post's text",
        dependencies=[may_ingest, Depends(idempotency_key)],
    )
    async def erase(erasure: ErasureIn, request: Request) -> Erased:
        """Tell every service to erase everything of an author, or one post by its platform's id."""
        trail = Trail.of(request)
        if erasure.external_id is not None and erasure.author is None:
            post_id = id_of(erasure.platform, erasure.external_id)
            return Erased(event_id=await door.take_away(post_id, DeletionCause.OPERATOR, trail))
        if erasure.author is None or erasure.external_id is not None:
            raise Problem(422, "one_of", "Give either author or external_id.", field="author")
        return Erased(event_id=await door.take_author_away(erasure.platform, erasure.author, trail))

    return router


def _either() -> dict[str, Any]:
    post = PostIn.model_json_schema()
    many = {"type": "array", "items": post, "minItems": 1}
    wrapped = {"type": "object", "properties": {"posts": many}, "required": ["posts"], "additionalProperties": False}
    return {"anyOf": [post, many, wrapped]}
