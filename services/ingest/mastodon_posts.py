"""A Mastodon status as its API and webhooks write it, and the post it becomes. Pure.

Invariant: only what these classes name is kept of what a server sends; e-mail addresses, IP addresses and requests
for an invitation have no field here, so they end with the request that brought them.
"""

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from services.ingest.changes import PostGone, RawPost
from services.ingest.html import html_to_text
from services.ingest.posts import LANGUAGE, URL, URL_LENGTH
from shared.ids import NO_NUL

Id = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(min_length=1, max_length=64, pattern=NO_NUL),
]
"""Mastodon writes ids as text; other servers that speak its API write numbers now and then."""


class Shape(BaseModel):
    """Part of what a server sends; unknown fields are dropped."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Account(Shape):
    """Whoever wrote a status: `acct` is user, or user@host for people of another server."""

    id: Id
    acct: Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]


class Media(Shape):
    """A picture, film or sound with the words that describe it."""

    description: str | None = None


class Option(Shape):
    """One answer of a poll."""

    title: str = ""


class Poll(Shape):
    """A question's possible answers."""

    options: tuple[Option, ...] = ()


class Status(Shape):
    """One status. `reblog` is the status it boosts, if it is a boost."""

    id: Id
    account: Account
    visibility: str
    created_at: AwareDatetime
    edited_at: AwareDatetime | None = None
    content: str = ""
    spoiler_text: str = ""
    language: str | None = None
    url: str | None = None
    in_reply_to_id: Id | None = None
    reblog: Any = None
    media_attachments: tuple[Media, ...] = ()
    poll: Poll | None = None


def text_of(status: Status) -> str:
    """Return everything people read of a status: content warning, text, answers of its poll, media descriptions."""
    answers = [option.title for option in status.poll.options] if status.poll else []
    parts = [status.spoiler_text, html_to_text(status.content), "\n".join(answers)]
    parts += [media.description or "" for media in status.media_attachments]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def change_of(status: Status, visibilities: Collection[str], language: str | None = None) -> RawPost | PostGone | None:
    """Return what a status changes: a post, a post that lost its text, or nothing.

    Nothing: boosts (the boosted status comes by itself), statuses for fewer people than `visibilities` names, and
    pictures without words. An edit that leaves no words takes the old ones away. `language` is for statuses that
    name none.
    """
    if status.reblog is not None or status.visibility not in visibilities:
        return None
    text = text_of(status)
    if not text:
        return PostGone(status.id, status.edited_at) if status.edited_at else None
    address = status.url or ""
    return {
        "external_id": status.id,
        "text": text,
        "language": status.language if re.fullmatch(LANGUAGE, status.language or "") else language,
        "author": status.account.acct,
        "url": address if re.fullmatch(URL, address) and len(address) <= URL_LENGTH else None,
        "reply_to": status.in_reply_to_id,
        "created_at": status.created_at,
        "edited_at": status.edited_at,
    }
