"""What Coral (coralproject/talk 9.11.8) asks and tells, and what we answer. Pure.

Invariant: no answer can fail Coral's own check, because one wrong word discards the whole answer; and none carries a
status without need, because a status ends Coral's moderation there and then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.ingest.changes import RawPost
from shared.ids import NO_NUL, digest

Id = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
FLAG = {"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}
URL_LIMIT = 2048


# -- external moderation phase --------------------------------------------------------------------------------


class _Part(BaseModel):
    """Coral may add what it likes."""

    model_config = ConfigDict(extra="ignore")


class _Comment(_Part):
    body: str
    parentID: Id | None = None  # noqa: N815 - Coral's name


class _Author(_Part):
    id: Id


class _Story(_Part):
    id: Id
    url: str | None = None


class PhaseRequest(_Part):
    """What Coral asks before it shows a comment. The comment has no id yet."""

    action: str
    comment: _Comment
    author: _Author
    story: _Story
    tenantID: Id  # noqa: N815
    tenantDomain: str = ""  # noqa: N815


class Opinion(_Part):
    """What the classifier says of a text, as /predict answers it."""

    scores: dict[str, Annotated[float, Field(ge=0, le=1)]]
    overall: float = Field(ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """What an operator lets us answer: a flag from `threshold`, and more only where they said so."""

    threshold: float = 0.8
    withhold: bool = False
    may_reject: bool = False
    reject_threshold: float = 0.95


REASONS: Mapping[str, str] = {
    "hate_speech": "HATE_SPEECH",
    "racism": "HATE_SPEECH",
    "antisemitism": "HATE_SPEECH",
    "islamophobia": "HATE_SPEECH",
    "sexism": "HATE_SPEECH",
    "homophobia": "HATE_SPEECH",
    "ableism": "HATE_SPEECH",
    "dehumanization": "HATE_SPEECH",
    "threat": "HARASSMENT_BULLYING",
    "insult": "ABUSIVE",
    "extremism": "ABUSIVE",
    "toxic": "OFFENSIVE",
}
"""Category -> the code of a rejection. Never ILLEGAL_CONTENT: what is against the law no model decides."""


def answer(opinion: Opinion, rule: Rule) -> dict[str, Any]:
    """Return what Coral should do; `{}` is no opinion."""
    if opinion.overall < rule.threshold:
        return {}
    said: dict[str, Any] = {"actions": [FLAG]}
    if rule.may_reject and opinion.overall >= rule.reject_threshold:
        said["status"] = "REJECTED"
        said["moderationAction"] = {"status": "REJECTED", "rejectionReason": {"code": _code(opinion)}}
    elif rule.withhold:
        said["status"] = "SYSTEM_WITHHELD"
    return said


def _code(opinion: Opinion) -> str:
    """Return the code of the strongest category; a category that says more than `toxic` goes first."""
    known = {name: score for name, score in opinion.scores.items() if name in REASONS}
    return REASONS[max(known, key=lambda name: (known[name], name != "toxic"), default="toxic")]


def post_of(asked: PhaseRequest, text: str) -> RawPost:
    """Return the comment as a post, without its platform.

    The phase runs before Coral gives the comment an id, so its id with us is made of what is known: tenant, story,
    author and text. A repeated request is the same post; an edited comment is another one, as nothing ties it to the
    first. `parentID` names a comment by Coral's id, which is no post's id here, so it is left out.
    """
    known = [asked.tenantID, asked.story.id, asked.author.id, digest(text.encode("utf-8", "surrogatepass"))]
    post: dict[str, Any] = {
        "external_id": digest(orjson.dumps(known)),
        "text": text,
        "author": asked.author.id,
    }
    url = asked.story.url or ""
    if url.startswith(("http://", "https://")) and len(url) <= URL_LIMIT and "\x00" not in url:
        post["url"] = url
    return post


def traces(domain: str, parent: str | None, text: str) -> str:
    """Return by what a later correction can be recognised as one of this comment.

    Corrections know the tenant's address, the parent and the text, but no author and no story. White space is left
    out, because Coral makes its own text of the HTML then.
    """
    bare = "".join(text.split()).encode("utf-8", "surrogatepass")
    return digest(orjson.dumps([host_of(domain), parent or "", digest(bare)]))


def host_of(domain: str) -> str:
    """Return the host of a tenant's domain or address; empty if it has none."""
    try:
        return urlsplit(domain if "//" in domain else f"//{domain}").hostname or ""
    except ValueError:
        return ""


# -- webhooks -------------------------------------------------------------------------------------------------


class EventIn(_Part):
    """What Coral tells after something happened: ids only. Unknown types are taken, too."""

    id: Id
    type: Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
    data: dict[str, Any] = {}
    createdAt: AwareDatetime | None = None  # noqa: N815


def event_row(source: str, told: EventIn, now: datetime) -> dict[str, Any]:
    """Return what is kept of an event: its type and ids; whatever else a template may put into `data` is not."""
    return {
        "source": source,
        "event_id": told.id,
        "type": told.type,
        "comment_id": _id(told.data.get("commentID")),
        "story_id": _id(told.data.get("storyID")),
        "queue": _id(told.data.get("queue")),
        "status": _id(told.data.get("status")),
        "created_at": told.createdAt,
        "received_at": now,
    }


def _id(value: Any) -> str | None:
    return value[:128].replace("\x00", "") if isinstance(value, str) and value else None
