"""Perspective's `comments:analyze`: what is asked, and the scores as Perspective's callers read them. Pure.

Invariant: an attribute that our categories do not mean is refused or left out, never made up; an unknown category
counts as unsupported where it stands alone and is skipped inside a maximum.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from services.classifier import profanity
from services.classifier.spans import Span
from shared.perspective import ATTRIBUTES, Asked, Part, Refusal, bare, unknown

PROFANITY = "PROFANITY"
_NOT_OURS = """
SEXUALLY_EXPLICIT FLIRTATION SPAM UNSUBSTANTIAL ATTACK_ON_AUTHOR ATTACK_ON_COMMENTER INCOHERENT INFLAMMATORY
LIKELY_TO_REJECT OBSCENE AFFINITY COMPASSION CURIOSITY NUANCE PERSONAL_STORY REASONING RESPECT
"""
NOT_OURS = frozenset(_NOT_OURS.split())
"""Attributes that Perspective had and we have no evidence for."""
SCORE_TYPES = frozenset({"PROBABILITY", "SCORE_TYPE_UNSPECIFIED"})


class AttributeWanted(Part):
    """How one attribute is wanted."""

    scoreType: str = "PROBABILITY"  # noqa: N815 - Google's names
    scoreThreshold: Annotated[float, Field(ge=0, le=1)] | None = None  # noqa: N815


class AnalyzeIn(Asked):
    """What a client asks. `doNotStore` is read and always obeyed: nothing is stored either way."""

    requestedAttributes: dict[str, AttributeWanted] = Field(default_factory=dict)  # noqa: N815
    doNotStore: bool = False  # noqa: N815
    spanAnnotations: bool = False  # noqa: N815


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute we can score: the key it was asked under, its name, the categories of its maximum."""

    key: str
    name: str
    parts: tuple[str, ...]
    threshold: float | None

    def value(self, text: str, scores: Mapping[str, float]) -> float | None:
        """Return the attribute's score of a text with these category scores; None where all of it is unknown."""
        if self.name == PROFANITY:
            return profanity.score(text)
        return max((scores[part] for part in self.parts if part in scores), default=None)

    def speaks(self, language: str) -> bool:
        """Return whether the attribute can be scored in a language that the installation supports."""
        return self.name != PROFANITY or _base(language) in profanity.LANGUAGES


def attributes(asked: AnalyzeIn, *, known: Collection[str], version: str, omit: bool) -> list[Attribute]:
    """Return what can be scored of what is asked, in its order. Raises Refusal for the first attribute that cannot.

    `known` are the live model's categories, `version` its version; with `omit` an attribute that Perspective had and
    we have not is left out instead.
    """
    if not asked.requestedAttributes:
        raise Refusal("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
    found = []
    for key, wanted in asked.requestedAttributes.items():
        if wanted.scoreType not in SCORE_TYPES:
            raise Refusal("INVALID_REQUEST", "Only the score type PROBABILITY is supported.")
        name = bare(key)
        parts = tuple(part for part in ATTRIBUTES[name].parts if part in known) if name in ATTRIBUTES else ()
        if key.partition("@")[1:] in (("", ""), ("@", version)) and (parts or name == PROFANITY):
            found.append(Attribute(key, name, parts, wanted.scoreThreshold))
        elif not omit or name not in NOT_OURS | ATTRIBUTES.keys() | {PROFANITY}:
            raise unknown(key)
    return found


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def languages(
    asked: AnalyzeIn,
    wanted: Sequence[Attribute],
    detected: str | None,
    *,
    supported: Collection[str],
    assumed: str | None,
) -> list[str]:
    """Return which languages count: those asked for, else the detected, else the assumed one.

    Raises Refusal where there is none, or for the first attribute that cannot be scored in one of them.
    """
    found = list(asked.languages) or [each for each in (detected or assumed,) if each]
    if not found:
        raise Refusal("LANGUAGE_DETECTION_FAILED", "Unable to detect language")
    for attribute in wanted:
        wrong = [each for each in found if _base(each) not in supported or not attribute.speaks(each)]
        if wrong:
            raise Refusal(
                "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
                f"Attribute {attribute.key} does not support request languages: {', '.join(wrong)}",
                languageNotSupportedByAttributeError={
                    "detectedLanguages": [detected] if detected else [],
                    "requestedLanguages": list(asked.languages),
                    "attribute": attribute.key,
                },
            )
    return found


def attribute_scores(
    text: str,
    wanted: Sequence[Attribute],
    scores: Mapping[str, float],
    spans: Mapping[str, Sequence[tuple[Span, Mapping[str, float]]]],
    place: Callable[[int], int],
) -> dict[str, Any]:
    """Return `attributeScores`: key -> summary and spans, without what is below its threshold.

    `spans` are key -> (where in code points, category scores of that part); `place` turns code points into what
    the wire counts.
    """
    answer: dict[str, Any] = {}
    for attribute in wanted:
        value = attribute.value(text, scores)
        if value is None or value < (attribute.threshold or 0.0):
            continue
        parts = [
            (span, attribute.value(text[slice(*span)], found)) for span, found in spans.get(attribute.key, [])
        ] or [((0, len(text)), value)]
        answer[attribute.key] = {
            "spanScores": [
                {"begin": place(begin), "end": place(end), "score": _score(of)}
                for (begin, end), of in parts
                if of is not None
            ],
            "summaryScore": _score(value),
        }
    return answer


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "type": "PROBABILITY"}
