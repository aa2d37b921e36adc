"""What an answer of the LLM is worth, post by post. Pure.

Invariant: a score is believed only if the answer names its post once, with all twelve categories, each a finite number
in 0..1. Everything else is asked again, never guessed.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.vocabulary import CATEGORIES

CUT = ("length",)
REFUSED = ("content_filter",)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: id -> scores and rationale of good posts, ids that have to be asked again, and why."""

    scores: Mapping[str, dict[str, float]]
    rationales: Mapping[str, str]
    again: tuple[str, ...] = ()
    cut: bool = False
    refused: bool = False


def read(content: str | None, finish_reason: str | None, refusal: str | None, ids: Sequence[str]) -> Reading:
    """Return the reading of one answer about the posts `ids`, in whatever order it names them.

    An answer that is cut off or no JSON of the schema's kind is `cut`, one that declines is `refused`: neither gives
    scores.
    """
    if refusal or finish_reason in REFUSED:
        return Reading({}, {}, tuple(ids), refused=True)
    results = None if finish_reason in CUT else _results(content)
    if results is None:
        return Reading({}, {}, tuple(ids), cut=True)
    named = Counter(each.get("id") for each in results if isinstance(each.get("id"), str))
    scores, rationales = {}, {}
    for each in results:
        name = each.get("id")
        if isinstance(name, str) and name in ids and named[name] == 1 and (found := _scores(each.get("scores"))):
            scores[name] = found
            rationales[name] = str(each.get("rationale") or "")
    return Reading(scores, rationales, tuple(name for name in ids if name not in scores))


def _results(content: str | None) -> list[dict[str, Any]] | None:
    try:
        document = json.loads(content or "")  # unlike orjson it reads NaN and 1e999, which spoil one post, not all
    except (ValueError, RecursionError):
        return None
    results = document.get("results") if isinstance(document, dict) else None
    return [each for each in results if isinstance(each, dict)] if isinstance(results, list) else None


def _scores(told: Any) -> dict[str, float] | None:
    if not isinstance(told, dict) or set(told) != set(CATEGORIES):
        return None
    values = [told[category] for category in CATEGORIES]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    if not all(0 <= value <= 1 for value in values):  # false for NaN, too
        return None
    return {category: round(float(value), 4) for category, value in zip(CATEGORIES, values, strict=True)}
