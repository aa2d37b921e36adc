"""What the Transparency Database's answers mean for the statements that were sent. Pure.

Invariant: a statement the database knows already was delivered; a batch is taken whole or not at all, so those that are
not at fault go again. Source: GroupedSubmissionsService.php at 69e80a0b.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.reporter.delivery import Answer, Reached

LONGEST_REASON = 300
OF_STATEMENT = re.compile(r"^statement_(\d+)")


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a batch, by position: `sent`, `failed` with the reason; the rest goes again because of `again`."""

    sent: tuple[int, ...] = ()
    failed: Mapping[int, str] = field(default_factory=dict)
    again: str | None = None


def told(answer: Answer, puids: Sequence[str]) -> Told:
    """Return what an answer to a batch of statements with these ids says."""
    everything = tuple(range(len(puids)))
    if answer.reached is not Reached.ANSWERED:
        return Told(again=answer.why)  # sending twice is harmless: a known id is refused and counts as delivered
    if answer.status in (200, 201):
        return Told(sent=everything)
    if answer.status == 422:
        return _faults(answer.text, puids)
    if answer.status in (401, 403, 408, 429) or answer.status >= 500:
        return Told(again=f"answered {answer.status}")
    return Told(failed=dict.fromkeys(everything, f"answered {answer.status}"))


def _faults(text: str, puids: Sequence[str]) -> Told:
    try:
        said: Any = orjson.loads(text)
        errors: dict[str, Any] = said["errors"] if isinstance(said["errors"], dict) else {}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Told(failed=dict.fromkeys(range(len(puids)), "answered 422 without saying why"))
    known = {str(each) for each in errors.get("existing_puids") or ()}
    single = said.get("existing")
    if isinstance(single, dict) and single.get("puid"):
        known.add(str(single["puid"]))
    sent = tuple(place for place, puid in enumerate(puids) if puid in known)
    failed: dict[int, str] = {}
    for name, about in errors.items():
        found = OF_STATEMENT.match(name)
        if found and int(found[1]) < len(puids):
            failed[int(found[1])] = _words(about)
    if not sent and not failed:
        return Told(failed=dict.fromkeys(range(len(puids)), _words(errors)))
    return Told(sent, failed, "others of its batch were refused")


def _words(about: Any) -> str:
    said = orjson.dumps(about, default=str).decode() if not isinstance(about, str) else about
    return "".join(sign for sign in said if sign.isprintable())[:LONGEST_REASON] or "refused"
