"""What ingest and the classifier both know of Perspective's wire: attributes, the parts of a request, refusals. Pure.

Invariant: no attribute has a meaning that ATTRIBUTES does not name. Source of the wire: Google's discovery document
commentanalyzer:v1alpha1, 20200426.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

NAME, VERSION = "commentanalyzer", "v1alpha1"
IDENTITIES = ("racism", "antisemitism", "islamophobia", "sexism", "homophobia", "ableism")
"""The six categories that are about somebody's group."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an attribute says of our categories: `parts` make its score (their maximum).

    Somebody who says 0 says it of every part. Somebody who says 1 leaves open which part it is, so only `sure` is
    learned: the category that an attribute of several parts always implies.
    """

    parts: tuple[str, ...]
    sure: str


def _of(category: str) -> Meaning:
    return Meaning((category,), category)


ATTRIBUTES: Mapping[str, Meaning] = {
    "TOXICITY": _of("toxic"),
    "SEVERE_TOXICITY": Meaning(("threat", "hate_speech", "dehumanization", "extremism"), "toxic"),
    "IDENTITY_ATTACK": Meaning(("hate_speech", *IDENTITIES), "hate_speech"),
    "INSULT": _of("insult"),
    "THREAT": _of("threat"),
    **{category.upper(): _of(category) for category in (*IDENTITIES, "dehumanization", "extremism")},
}
"""Attribute -> categories. PROFANITY is no category of ours."""


class Refusal(Exception):
    """Why a call is refused, in Google's words; `facts` are fields beside its kind."""

    def __init__(self, kind: str, message: str, **facts: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message
        self.facts = facts


class Part(BaseModel):
    """A part of a request. Google's clients may send more than we know, and null for what they leave out."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        return {name: value for name, value in raw.items() if value is not None} if isinstance(raw, dict) else raw


class Text(Part):
    """A text and how it is written."""

    text: str = ""
    type: str = "PLAIN_TEXT"


class Context(Part):
    """What a comment answers; one of the two."""

    entries: list[Text] | None = None
    articleAndParentComment: dict[str, Any] | None = None  # noqa: N815 - Google's name


Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class Asked(Part):
    """What every method's request has."""

    comment: Text = Text()
    context: Context = Context()
    languages: list[Language] = Field([], max_length=20)
    communityId: str = Field("", max_length=2048)  # noqa: N815
    clientToken: str | None = Field(None, max_length=2048)  # noqa: N815
    sessionId: str | None = None  # noqa: N815


Request = TypeVar("Request", bound=Asked)


def read(kind: type[Request], raw: Any, max_text_bytes: int) -> Request:
    """Return a request whose comment can be scored. Raises Refusal; of several faults the first in Google's order."""
    try:
        asked = kind.model_validate(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][:1] if isinstance(part, str))
        raise Refusal("INVALID_REQUEST", f"Invalid value at: {where or 'request'}") from None
    if not asked.comment.text.strip():
        raise Refusal("COMMENT_EMPTY", "Comment must be non-empty.")
    if len(asked.comment.text.encode("utf-8", "surrogatepass")) > max_text_bytes:
        raise Refusal("COMMENT_TOO_LONG", "Comment text too long.")
    if asked.comment.type not in ("PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"):
        raise Refusal("INVALID_REQUEST", "Only the text type PLAIN_TEXT is supported.")
    if asked.context.entries is not None and asked.context.articleAndParentComment is not None:
        raise Refusal("INVALID_REQUEST", "Give one context: entries or articleAndParentComment.")
    return asked


def bare(attribute: str) -> str:
    """Return an attribute's name without its version and without `_EXPERIMENTAL`."""
    return attribute.partition("@")[0].removesuffix("_EXPERIMENTAL")


def unknown(attribute: str) -> Refusal:
    """Return the refusal of an attribute that has no meaning here; what is no name is not repeated."""
    name = attribute.replace("_", "").replace("@", "").replace(".", "").replace("-", "")
    shown = attribute if attribute.isascii() and name.isalnum() and len(attribute) <= 64 else "(not a name)"
    return Refusal("INVALID_REQUEST", f"Unknown requested attribute: {shown}")
