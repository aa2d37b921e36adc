"""What stands in the history: who did what in the console, as far as its reader may know."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from services.reporter.console.contexts.export import pseudonym

PAGE = 50
KNOWN = ("actor", "action", "object", "from", "to", "cursor")
PERSON = re.compile(r"[0-9a-f-]{36}")
CURSOR = re.compile(r"[0-9]{1,18}")
OF_PEOPLE = "/admin/people/{person_id}"
OPEN = {"/posts/{post_id}": "/posts/", "/audits/{audit_id}": "/audits/", "/reports/{report_id}": "/reports/"}
"""Forms by how their address begins -> where what they are about is looked at."""
PRIVATE = (
    "/posts/{post_id}/reveals",
    "/audits/{audit_id}/reveals",
    "/settings",
    "/settings/skips",
    "/try/{try_id}/reveals",
)
"""What only who did it sees: how often somebody looked at a veiled text, what they prefer and skip."""
COLUMNS = ("at", "actor", "action", "object", "before", "after", "finished_at")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; `ignored` are the names of parameters that were not understood."""

    actor: str = ""
    action: str = ""
    object: str = ""
    first: date | None = None
    last: date | None = None
    before: int | None = None
    ignored: tuple[str, ...] = ()

    @property
    def since(self) -> datetime | None:
        """Return when it begins, in UTC."""
        return datetime.combine(self.first, time(), UTC) if self.first else None

    @property
    def until(self) -> datetime | None:
        """Return the moment after it, in UTC."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1) if self.last else None

    @property
    def any(self) -> bool:
        """Return whether anything is asked for but a page."""
        return any((self.actor, self.action, self.object, self.first, self.last))

    def query(self, cursor: int | None = None) -> str:
        """Return it as it stands in an address, with a question mark, in one order, without what is usual."""
        pairs = [
            ("actor", self.actor),
            ("action", self.action),
            ("object", self.object),
            ("from", self.first.isoformat() if self.first else ""),
            ("to", self.last.isoformat() if self.last else ""),
            ("cursor", str(cursor) if cursor else ""),
        ]
        said = urlencode([(name, value) for name, value in pairs if value])
        return f"?{said}" if said else ""


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `link`: where its object is looked at; `unknown`: nobody knows whether it was done."""

    at: datetime
    actor: str | None
    action: str
    object: str
    link: str | None
    before: Sequence[tuple[str, str]]
    after: Sequence[tuple[str, str]]
    unknown: bool


@dataclass(frozen=True, slots=True)
class History:
    """Acts, the newest first. `everybody`: not only the reader's; `people`: id and name of who can be chosen."""

    acts: Sequence[Act]
    asked: Asked
    actions: Sequence[str]
    everybody: bool
    people: Sequence[tuple[str, str]]
    next: int | None


def read(query: Mapping[str, str], *, everybody: bool) -> Asked:
    """Return what an address asks for: the valid part of it (U2)."""
    known = KNOWN if everybody else tuple(name for name in KNOWN if name != "actor")
    ignored = [name for name in query if name not in known]
    given = {name: query.get(name, "").strip() for name in known}
    actor = given.get("actor", "")
    if actor and not PERSON.fullmatch(actor):
        ignored.append("actor")
        actor = ""
    cursor = given["cursor"]
    if cursor and not CURSOR.fullmatch(cursor):
        ignored.append("cursor")
        cursor = ""
    for name in ("action", "object"):
        if len(given[name]) > 200 or "\x00" in given[name]:
            ignored.append(name)
            given[name] = ""
    first, last = _day(given, "from", ignored), _day(given, "to", ignored)
    if first and last and first > last:
        ignored += ["from", "to"]
        first = last = None
    before = int(cursor) if cursor else None
    return Asked(actor, given["action"], given["object"], first, last, before, tuple(ignored))


def act(row: Any) -> Act:
    """Return an act of the table."""
    start = next((start for start in OPEN if row.action.startswith(start)), None)
    link = f"{OPEN[start]}{row.object}" if start and row.object else None
    return Act(
        row.at,
        row.actor,
        row.action,
        row.object,
        link,
        _pairs(row.before),
        _pairs(row.after),
        row.finished_at is None,
    )


def cells(row: Any, secret: str) -> list[object]:
    """Return an act as a row of COLUMNS; people are pseudonyms, the same as in every file of this installation."""
    about = row.object
    if row.action.startswith(OF_PEOPLE):
        about = pseudonym(f"user:{row.object}", secret)
    said = [orjson.dumps(each).decode() if each is not None else None for each in (row.before, row.after)]
    return [row.at, pseudonym(f"user:{row.person_id}", secret), row.action, about, *said, row.finished_at]


def people(rows: Iterable[Any]) -> list[tuple[str, str]]:
    """Return whose acts may be asked for."""
    return [(row.id, row.name) for row in rows]


def _pairs(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return []
    return [(str(name), _said(each)) for name, each in value.items() if each not in (None, "", [])]


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_said(each) for each in value)
    return orjson.dumps(value).decode() if isinstance(value, (dict, bool)) else str(value)


def _day(given: Mapping[str, str], name: str, ignored: list[str]) -> date | None:
    try:
        return date.fromisoformat(given[name]) if given[name] else None
    except ValueError:
        ignored.append(name)
        return None
