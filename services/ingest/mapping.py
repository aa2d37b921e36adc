"""Where in a foreign JSON document posts stand, and what they become. Pure.

A path is names joined by dots (`data.comment.id`); a number is a place in a list (`data.0.id`). It begins at the item,
or, after `$.`, at the document. Invariant: whatever the document holds, nothing is raised; what does not fit the shape
of a post is refused by the same check as any other post.
"""

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.ingest.html import html_to_text

Path = Annotated[
    str, Field(pattern=r"^(\$\.)?[^.\s$]+(\.[^.\s$]+)*$", description="Names joined by dots; `$.` begins at the top.")
]
NOTHING = object()
NAMES = ("text", "language", "author", "url", "reply_to", "created_at", "edited_at")


class Where(BaseModel):
    """Where one field comes from: a path (with a default for when nothing stands there), or a constant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = None
    default: str | int | None = None
    constant: str | int | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.path is None) == (self.constant is None):
            raise ValueError("give either a path or a constant")
        if self.constant is not None and self.default is not None:
            raise ValueError("a constant needs no default")
        return self


def _where(given: Any) -> Any:
    """Take a bare text for a path."""
    return {"path": given} if isinstance(given, str) else given


Place = Annotated[Where, BeforeValidator(_where)]
Types = Annotated[frozenset[str], Field(max_length=100)]


class EventType(BaseModel):
    """Which field says what happened, and its values for a post and for one that is gone; any other is passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    post: Types = frozenset()
    delete: Types = frozenset()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if not self.post | self.delete:
            raise ValueError("name at least one type under post or delete")
        if self.post & self.delete:
            raise ValueError("a type stands for a post or for one that is gone, not for both")
        return self


class Mapping(BaseModel):
    """Where posts stand in the JSON that a platform sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: Path | None = Field(None, description="Path of a list with one post per item; none: the body is one post.")
    event: EventType | None = None
    id: Place
    text: Place | None = None
    language: Place | None = None
    author: Place | None = None
    url: Place | None = None
    reply_to: Place | None = None
    created_at: Place | None = None
    edited_at: Place | None = None
    text_is: Literal["text", "html"] = "text"

    @model_validator(mode="after")
    def _enough(self) -> Self:
        posts = self.event is None or self.event.post
        if posts and self.text is None:
            raise ValueError("say where the text stands")
        if self.id.path is None:
            raise ValueError("the id is different for each post: give a path")
        return self


@dataclass(frozen=True, slots=True)
class Told:
    """What a platform says of one post: its content, or (`gone`) that it is no more. `at` is its index."""

    at: int
    external_id: Any
    post: Map[str, Any]
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What one document says: posts in order, how many items were passed over for their event type."""

    told: tuple[Told, ...] = ()
    passed_over: int = 0


def found(path: str, item: Any, document: Any) -> Any:
    """Return what stands at a path; NOTHING if nothing, or null, does."""
    names = path.split(".")
    here = item
    if names[0] == "$":
        here, names = document, names[1:]
    for name in names:
        if isinstance(here, dict):
            here = here.get(name)
        elif isinstance(here, list) and re.fullmatch(r"[0-9]{1,9}", name) and int(name) < len(here):
            here = here[int(name)]
        else:
            return NOTHING
    return NOTHING if here is None else here


def hear(mapping: Mapping, document: Any) -> Heard | None:
    """Return what a document says of posts, None if no list stands where one should."""
    items: Any = [document]
    if mapping.items is not None:
        items = found(mapping.items, document, document)
    if not isinstance(items, list):
        # an event that is passed over, such as a ping, need not have the list
        event = mapping.event
        other = event is not None and event.path.startswith("$.") and _kind(event, None, document) == ""
        return Heard(passed_over=1) if other else None
    heard = []
    for at, item in enumerate(items):
        kind = "post" if mapping.event is None else _kind(mapping.event, item, document)
        if kind:
            heard.append(_told(mapping, at, item, document, gone=kind == "delete"))
    return Heard(tuple(heard), len(items) - len(heard))


def _kind(event: EventType, item: Any, document: Any) -> Literal["post", "delete", ""]:
    said = _text(found(event.path, item, document))
    if not isinstance(said, str):
        return ""
    return "post" if said in event.post else "delete" if said in event.delete else ""


def _told(mapping: Mapping, at: int, item: Any, document: Any, *, gone: bool) -> Told:
    external_id = _text(_value(mapping.id, item, document))
    if gone:
        return Told(at, external_id, {}, gone=True)
    post: dict[str, Any] = {}
    for name in NAMES:
        place: Where | None = getattr(mapping, name)
        value = NOTHING if place is None else _value(place, item, document)
        if value is not NOTHING:
            post[name] = _text(value) if name in ("author", "reply_to") else value
    if mapping.text_is == "html" and isinstance(post.get("text"), str):
        post["text"] = html_to_text(post["text"])
    return Told(at, external_id, {"external_id": external_id, **post})


def _value(place: Where, item: Any, document: Any) -> Any:
    if place.path is None:
        return place.constant
    value = found(place.path, item, document)
    if value is NOTHING and place.default is not None:
        return place.default
    return value


def _text(value: Any) -> Any:
    """Return an id as text, also where the platform counts; anything else as it is, for the door to refuse."""
    if value is NOTHING:
        return ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
