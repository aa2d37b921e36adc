"""OpenAI's moderations: what is asked, and our scores under its thirteen names. Pure.

Invariant: all thirteen keys are there with the right types, because OpenAI's clients do not check; what we have no
evidence for is false, 0.0, applied to nothing, and named in `unsupported_categories`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.perspective import IDENTITIES

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
ANY: Mapping[str, tuple[str, ...]] = {
    "harassment": ("insult", "toxic"),
    "harassment/threatening": ("threat",),
    "hate": ("hate_speech", *IDENTITIES, "dehumanization"),
    "violence": ("threat",),
}
"""Name -> categories of ours whose maximum it is."""
BOTH: Mapping[str, tuple[str, str]] = {"hate/threatening": ("hate", "violence")}
"""Name -> names whose minimum it is."""


class Refused(Exception):
    """Why a request is refused: OpenAI's code, and a sentence. All of them are about `input`, but for a bad model."""

    def __init__(self, code: str, message: str, param: str = "input") -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.param = param


def texts_of(raw: Any, *, most: int, max_text_bytes: int) -> list[list[str]]:
    """Return the texts of each result that is asked for: one each, but for a list of parts, which is one result.

    Raises Refused for what holds no text, too much of it, or anything but text.
    """
    if not isinstance(raw, dict):
        raise Refused("invalid_type", "Send a JSON object.", "")
    if not isinstance(raw.get("model", ""), str | None):
        raise Refused("invalid_type", "model must be a string.", "model")
    given = raw.get("input")
    if isinstance(given, str):
        found = [[given]]
    elif isinstance(given, list) and len(given) > most:
        raise Refused("array_above_max_length", f"input may hold {most} texts.")
    elif isinstance(given, list) and given and all(isinstance(each, str) for each in given):
        found = [[each] for each in given]
    elif isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        found = [[_text_of(part) for part in given]]
    elif given in (None, []):
        raise Refused("missing_required_parameter", "input must hold a text.")
    else:
        raise Refused("invalid_type", "input must be a string, a list of strings, or a list of parts.")
    for text in (text for texts in found for text in texts):
        if not text.strip():
            raise Refused("empty_string", "Every text must hold something besides white space.")
        if len(text.encode("utf-8", "surrogatepass")) > max_text_bytes:
            raise Refused("string_above_max_length", f"A text may have {max_text_bytes} bytes.")
    return found


def _text_of(part: Mapping[str, Any]) -> str:
    if part.get("type") != "text":
        raise Refused("unsupported_input_type", "Only parts of the type text are scored here, no images.")
    text = part.get("text")
    if not isinstance(text, str):
        raise Refused("invalid_type", "The text of a part must be a string.")
    return text


def result(parts: Sequence[Mapping[str, float]], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Return one result: of the scores of its parts each counts by its maximum, so that no part hides another."""
    scores: dict[str, float] = {}
    over: dict[str, bool] = {}
    for name, categories in ANY.items():
        known = [(part[each], part[each] >= thresholds[each]) for part in parts for each in categories if each in part]
        if known:
            scores[name], over[name] = max(value for value, _ in known), any(is_over for _, is_over in known)
    for name, (one, other) in BOTH.items():
        if one in scores and other in scores:
            scores[name], over[name] = min(scores[one], scores[other]), over[one] and over[other]
    return {
        "flagged": any(over.values()),
        "categories": {name: over.get(name, False) for name in CATEGORIES},
        "category_scores": {name: scores.get(name, 0.0) for name in CATEGORIES},
        "category_applied_input_types": {name: ["text"] if name in scores else [] for name in CATEGORIES},
        "unsupported_categories": [name for name in CATEGORIES if name not in scores],
    }
