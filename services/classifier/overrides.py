"""People's words on a text, and what they make of a model's score. Pure.

Invariant: the newest word that stands decides its category, whatever order the words came in; every other category
stays as the model scored it, and what the model said stays readable beside the person's value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

from services.classifier.scoring import Score
from shared.corrections import labels_of
from shared.events import PostCorrected, Provenance
from shared.text_key import key_of
from shared.thresholds import over
from shared.vocabulary import CATEGORIES, Standing

Layer = Literal["same", "near"]
SAME: Layer = "same"
NEAR: Layer = "near"
KEY_BYTES = 16
"""128 bits of the hash: enough for identity, and nothing of the text comes back out of them."""


def fingerprint(text: str) -> bytes:
    """Return 16 bytes that are the same for texts with the same key (shared.text_key)."""
    return sha256(key_of(text).encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


@dataclass(frozen=True, slots=True)
class Override:
    """What one correction says of the texts with its key; no key: its post is not known yet."""

    correction_id: str
    labels: Mapping[str, int]
    corrected_at: datetime
    key: bytes | None = None
    post_id: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A person's value for one category, 1 or 0, whose it is and how it came to this text."""

    label: int
    correction_id: str
    layer: Layer
    post_id: str | None = None


Words = Mapping[str, Word]
"""Category -> the word that stands."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A score with people's words in it; `provenance` is empty where nobody spoke.

    `residual` is what the shared model said of categories that the corrections of the post's community moved.
    """

    score: Score
    provenance: dict[str, Provenance] = field(default_factory=dict)
    residual: dict[str, float] = field(default_factory=dict)


def decides(said: PostCorrected) -> dict[str, int]:
    """Return what a correction overrides: only a reviewer's own word does, no guess (`weak`) and no complaint."""
    if said.retracts is not None or said.weak or said.standing is not Standing.REVIEWER:
        return {}
    return labels_of(said.verdict, said.expected_categories, said.actual_categories, said.spoke_about)


def is_about(corrected_at: datetime, revision: int) -> bool:
    """Return whether a correction that brings no text is about this revision: the post was not edited afterwards."""
    return revision <= corrected_at.timestamp() * 1000


def standing(overrides: Iterable[Override], layer: Layer = SAME) -> dict[str, Word]:
    """Return category -> the newest word of overrides that nobody took back; of one moment the greater id wins."""
    said: dict[str, Word] = {}
    for each in sorted(overrides, key=lambda each: (each.corrected_at, each.correction_id)):
        word = {
            category: Word(label, each.correction_id, layer, each.post_id) for category, label in each.labels.items()
        }
        said |= word
    return said


def as_near(words: Words) -> dict[str, Word]:
    """Return the words on one text as words on another that is nearly the same."""
    return {category: replace(word, layer=NEAR) for category, word in words.items()}


def applied(score: Score, words: Words, thresholds: Mapping[str, float]) -> Corrected:
    """Return a score in which the corrected categories have the person's value: 1.0 or 0.0."""
    if not words:
        return Corrected(score)
    values = {**score.scores, **{category: float(word.label) for category, word in words.items()}}
    scores = {category: values[category] for category in CATEGORIES if category in values}
    provenance = {
        category: Provenance(
            correction_id=words[category].correction_id,
            layer=words[category].layer,
            post_id=words[category].post_id,
            instead_of=score.scores.get(category),
        )
        for category in CATEGORIES
        if category in words
    }
    overall = max(scores.values(), default=0.0)
    return Corrected(Score(scores, overall, bool(over(scores, thresholds))), provenance)
