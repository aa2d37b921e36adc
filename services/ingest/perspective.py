"""Perspective's `comments:suggestscore`: what a client says, and the correction it becomes. Pure.

Invariant: a category that a suggestion says nothing about stays unknown; and no attribute is given a meaning that the
table below does not name. Source of the wire: Google's discovery document commentanalyzer:v1alpha1, 20200426.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.events import PostCorrected
from shared.vocabulary import CATEGORIES, Verdict

IDENTITIES = ("racism", "antisemitism", "islamophobia", "sexism", "homophobia", "ableism")


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
"""Attribute -> categories; `X_EXPERIMENTAL` and `X@version` are read as X. PROFANITY is no category of ours."""
DECISIONS = {"APPROVED": 0.0, "HIGHLIGHTED": 0.0, "DELETED": 1.0}
"""What Coral before 9 sends in the place of an attribute, always with the value 1 -> what it says of TOXICITY."""


class Refusal(Exception):
    """Why a call is refused, in Google's words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message


class _Part(BaseModel):
    """Google's clients may send more than we know."""

    model_config = ConfigDict(extra="ignore")


class _Score(_Part):
    value: Annotated[float, Field(ge=0, le=1)]


class _AttributeScores(_Part):
    summaryScore: _Score | None = None  # noqa: N815 - Google's name


class _Text(_Part):
    text: str = ""
    type: str = "PLAIN_TEXT"


class _Context(_Part):
    entries: list[_Text] | None = None
    articleAndParentComment: dict[str, Any] | None = None  # noqa: N815


Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class SuggestionIn(_Part):
    """What a client sends."""

    comment: _Text = _Text()
    context: _Context = _Context()
    attributeScores: dict[str, _AttributeScores] = {}  # noqa: N815
    languages: list[Language] = Field([], max_length=20)
    communityId: str = Field("", max_length=2048)  # noqa: N815
    clientToken: str | None = Field(None, max_length=2048)  # noqa: N815
    sessionId: str | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A valid suggestion: category -> 1 or 0, for those it speaks about."""

    text: str
    labels: Mapping[str, int]
    languages: tuple[str, ...]
    community: str
    token: str | None
    parent: str | None

    @property
    def word(self) -> str:
        """Return what it says, as one short text; two suggestions that say the same have the same."""
        return ",".join(f"{category}={label}" for category, label in self.labels.items())


def suggestion(raw: Any, max_text_bytes: int) -> Suggestion:
    """Return a valid suggestion. Raises Refusal; of several faults the first in Google's own order."""
    try:
        said = SuggestionIn.model_validate(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][:1] if isinstance(part, str))
        raise Refusal("INVALID_REQUEST", f"Invalid value at: {where or 'request'}") from None
    if not said.comment.text.strip():
        raise Refusal("COMMENT_EMPTY", "Comment must be non-empty.")
    if len(said.comment.text.encode("utf-8", "surrogatepass")) > max_text_bytes:
        raise Refusal("COMMENT_TOO_LONG", "Comment text too long.")
    if said.comment.type not in ("PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"):
        raise Refusal("INVALID_REQUEST", "Only the text type PLAIN_TEXT is supported.")
    if said.context.entries is not None and said.context.articleAndParentComment is not None:
        raise Refusal("INVALID_REQUEST", "Give one context: entries or articleAndParentComment.")
    return Suggestion(
        text=said.comment.text.replace("\x00", "\ufffd"),
        labels=_labels(said.attributeScores),
        languages=tuple(said.languages),
        community=said.communityId,
        token=said.clientToken,
        parent=_parent(said.context.entries or []),
    )


def _labels(scores: Mapping[str, _AttributeScores]) -> dict[str, int]:
    """Return what the scores say for sure, in vocabulary order; where two attributes differ, 1 beats 0."""
    if not scores:
        raise Refusal("INVALID_REQUEST", "Missing attribute_scores")
    labels: dict[str, int] = {}
    for name, given in scores.items():
        if given.summaryScore is None:
            raise Refusal("INVALID_REQUEST", "Missing summary_score of a suggested attribute")
        meaning, value = _meaning(name), DECISIONS.get(name, given.summaryScore.value)
        if value >= 0.5:
            labels[meaning.sure] = 1
        else:
            labels = dict.fromkeys(meaning.parts, 0) | labels
    return {category: labels[category] for category in CATEGORIES if category in labels}


def _meaning(name: str) -> Meaning:
    if name in DECISIONS:
        return ATTRIBUTES["TOXICITY"]
    bare = name.partition("@")[0].removesuffix("_EXPERIMENTAL")
    if bare not in ATTRIBUTES:
        shown = name if name.isascii() and name.replace("_", "").isalnum() and len(name) <= 64 else "(not a name)"
        raise Refusal("INVALID_REQUEST", f"Unknown requested attribute: {shown}")
    return ATTRIBUTES[bare]


def _parent(entries: list[_Text]) -> str | None:
    """Return the parent's id from Coral's context, JSON in the text of its first entry."""
    try:
        said = orjson.loads(entries[0].text) if entries else None
    except orjson.JSONDecodeError:
        return None
    parent = said.get("reply_to_id_Coral_comment_id") if isinstance(said, dict) else None
    return parent if isinstance(parent, str) else None


def tenant_of(community: str) -> str | None:
    """Return the host of the Coral tenant that a community id names (`Coral:https://...`), else None."""
    kind, _, address = community.partition(":")
    try:
        return urlsplit(address).hostname if kind == "Coral" else None
    except ValueError:
        return None


def corrected(
    said: Suggestion, *, correction_id: str, post_id: str | None, language: str | None, reviewer: str, now: datetime
) -> PostCorrected:
    """Return the correction. A 1 is weak: whoever rejects a comment may do so because it is spam or off topic."""
    expected = tuple(sorted(category for category, label in said.labels.items() if label))
    return PostCorrected(
        correction_id=correction_id,
        post_id=post_id,
        text=said.text,
        language=language,
        verdict=Verdict.INCORRECT,
        expected_categories=expected,
        spoke_about=tuple(said.labels),
        reviewer=reviewer,
        weak=True if expected else None,
        corrected_at=now,
    )
