"""What stands on the page of API keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.vocabulary import Scope


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, as far as anybody knows it afterwards. `ours`: this installation made it for itself."""

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that work, those that were revoked, and the one that was just made, which is shown this once.

    `fault`: why none was made (a stable word), with what was typed.
    """

    keys: Sequence[Key]
    revoked: Sequence[Key]
    scopes: Sequence[str] = tuple(each.value for each in Scope)
    made: str | None = None
    made_name: str = ""
    fault: str = ""
    name: str = ""
    chosen: Sequence[str] = ()
    done: bool = False


def keys(found: Sequence[Mapping[str, Any]], ours: str) -> Keys:
    """Return the page of what ingest lists, the newest first; `ours` is the name of the installation's own key."""
    read = [
        Key(
            str(each["id"]),
            str(each["name"]),
            tuple(each["scopes"]),
            datetime.fromisoformat(each["created_at"]),
            datetime.fromisoformat(each["revoked_at"]) if each["revoked_at"] else None,
            each["name"] == ours,
        )
        for each in found
    ]
    read.sort(key=lambda each: each.created_at, reverse=True)
    return Keys([each for each in read if not each.revoked_at], [each for each in read if each.revoked_at])
