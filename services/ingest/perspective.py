"""Perspective's `comments:suggestscore`: what a client says, and the correction it becomes. Pure.

Invariant: a category that a suggestion says nothing about stays unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import Field

from shared.events import PostCorrected
from shared.perspective import ATTRIBUTES, Asked, Meaning, Part, Refusal, Text, bare, read, unknown
from shared.vocabulary import CATEGORIES, Verdict

DECISIONS = {"APPROVED": 0.0, "HIGHLIGHTED": 0.0, "DELETED": 1.0}
"""What Coral before 9 sends in the place of an attribute, always with the value 1 -> what it says of TOXICITY."""


class _Score(Part):
    value: Annotated[float, Field(ge=0, le=1)]


class _AttributeScores(Part):
    summaryScore: _Score | None = None  # noqa: N815 - Google's name


class SuggestionIn(Asked):
    """What a client sends."""

    attributeScores: dict[str, _AttributeScores] = Field(default_factory=dict)  # noqa: N815


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
    said = read(SuggestionIn, raw, max_text_bytes)
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
    if bare(name) not in ATTRIBUTES:
        raise unknown(name)
    return ATTRIBUTES[bare(name)]


def _parent(entries: list[Text]) -> str | None:
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
