"""What a platform may send as a post, and what becomes of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from shared import ids
from shared.errors import Problem, faults
from shared.events import Event, Post, PostIngested, said
from shared.ids import MOMENT, NO_NUL
from shared.language import languages_of

Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
    WithJsonSchema(MOMENT),
]
"""A moment that stays one in UTC; an earlier one would make a negative revision, which no store takes for new."""
Identifier = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
URL, URL_LENGTH = r"^https?://[^\x00]*$", 2048


class PostIn(BaseModel):
    """A post as platforms send it. `platform` and `external_id` identify it, `edited_at` tells its revisions apart."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)

    platform: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "api"
    external_id: Identifier
    text: Annotated[str, Field(min_length=1)]
    language: Annotated[str, Field(pattern=LANGUAGE)] | None = None
    author: Identifier | None = None
    url: Annotated[str, Field(pattern=URL, max_length=URL_LENGTH)] | None = None
    reply_to: Identifier | None = None
    created_at: Moment | None = None
    edited_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one post of many was refused. `at` is its index, or its line in a stream (from 1)."""

    at: int
    field: str
    reason: str
    detail: str


def check(raw: Any, max_text_bytes: int) -> PostIn:
    """Return a valid post. Raises Problem (413, 422) with the field and the reason."""
    try:
        post = PostIn.model_validate(raw)
    except ValidationError as error:
        first = faults(error)[0]
        raise Problem(422, first["reason"], first["detail"], field=first["field"] or None) from None
    if not post.text.strip():
        raise Problem(422, "text_empty", "The text must hold something besides white space.", field="text")
    size = len(post.text.encode("utf-8", "surrogatepass"))
    if size > max_text_bytes:
        raise Problem(413, "text_too_long", f"The text has {size} bytes, {max_text_bytes} are allowed.", field="text")
    return post


def check_many(
    raws: Sequence[Any], max_text_bytes: int, positions: Sequence[int] | None = None
) -> tuple[list[PostIn], list[Rejection]]:
    """Return the valid posts and, for the others, where and why; a bad one harms no other."""
    good, bad = [], []
    for at, raw in zip(positions or range(len(raws)), raws, strict=True):
        try:
            good.append(check(raw, max_text_bytes))
        except Problem as problem:
            bad.append(Rejection(at, problem.field or "", problem.reason, problem.detail))
    return good, bad


def ingested(
    post: PostIn, *, salt: str, correlation_id: str | None = None, traceparent: str | None = None
) -> Event[PostIngested]:
    """Return the event of an accepted post; its id follows from platform, external id and edit time.

    Its language is the one the platform names, else the one the text is in, else None.
    """
    (event,) = all_ingested([post], salt=salt, correlation_id=correlation_id, traceparent=traceparent)
    return event


def all_ingested(
    posts: Sequence[PostIn], *, salt: str, correlation_id: str | None = None, traceparent: str | None = None
) -> list[Event[PostIngested]]:
    """Return what `ingested` says of each post; the languages of many are told together."""
    languages = languages_of([(post.text, post.language) for post in posts])
    return [
        said(
            _accepted(post, language, salt),
            by="ingest",
            cause=f"{ids.post_id(post.platform, post.external_id)}|{ids.revision_of(post.edited_at)}",
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        for post, language in zip(posts, languages, strict=True)
    ]


def _accepted(post: PostIn, language: str | None, salt: str) -> PostIngested:
    post_id = ids.post_id(post.platform, post.external_id)
    accepted = Post(
        post_id=post_id,
        platform=post.platform,
        external_id=post.external_id,
        text=post.text.replace("\x00", "\ufffd"),  # PostgreSQL stores no NUL
        revision=ids.revision_of(post.edited_at),
        language=language,
        author=ids.pseudonym(salt, post.platform, post.author) if post.author else None,
        url=post.url,
        reply_to=ids.post_id(post.platform, post.reply_to) if post.reply_to else None,
        created_at=post.created_at,
        edited_at=post.edited_at,
    )
    return PostIngested(post=accepted)
