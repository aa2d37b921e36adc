"""What stands on the page of API keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.vocabulary import Scope

IDLE = timedelta(days=90)
"""A key that nobody used for so long stands out."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, as far as anybody knows it afterwards. `ours`: this installation made it for itself.

    `last_used_at` to within an hour; `idle`: nobody used it for IDLE, though it could have been.
    """

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None
    ours: bool
    last_used_at: datetime | None = None
    idle: bool = False


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
    idle_days: int = IDLE.days

    @property
    def idle(self) -> int:
        """Return how many keys that work nobody used for long."""
        return sum(each.idle for each in self.keys)


def keys(found: Sequence[Mapping[str, Any]], ours: str, now: datetime) -> Keys:
    """Return the page of what ingest lists, the newest first; `ours` is the name of the installation's own key."""
    read = [
        Key(
            str(each["id"]),
            str(each["name"]),
            tuple(each["scopes"]),
            made,
            _moment(each["revoked_at"]),
            each["name"] == ours,
            used,
            not each["revoked_at"] and each["name"] != ours and now - (used or made) >= IDLE,
        )
        for each in found
        for made, used in [(datetime.fromisoformat(each["created_at"]), _moment(each.get("last_used_at")))]
    ]
    read.sort(key=lambda each: each.created_at, reverse=True)
    return Keys([each for each in read if not each.revoked_at], [each for each in read if each.revoked_at])


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
