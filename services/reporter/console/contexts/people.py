"""What stands on the page of people, and of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.roles import Role

SCOPED = tuple(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `sessions`: open ones; `seen_at`: when the newest of them began."""

    id: str
    account: str
    name: str
    role: Role
    provider: bool
    created_at: datetime
    disabled_at: datetime | None
    sessions: int
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was not used yet. `name`: whose password it sets anew."""

    id: str
    role: Role
    name: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class People:
    """Everybody, the links that still work, and the link that was just made, which is shown this once."""

    people: Sequence[Person]
    links: Sequence[Link]
    roles: Sequence[Role] = SCOPED
    made: str | None = None
    made_role: Role | None = None


@dataclass(frozen=True, slots=True)
class One:
    """One person. `fault`: why the last change was refused (a stable word), `done` what was just changed.

    `self_`: it is who looks; `made`: a link that was just made, shown this once.
    """

    person: Person
    self_: bool
    roles: Sequence[Role] = SCOPED
    fault: str = ""
    done: str = ""
    made: str | None = None


def person(row: Any, signed_in: Mapping[str, tuple[int, datetime]]) -> Person:
    """Return a person of the table."""
    sessions, seen_at = signed_in.get(row.id, (0, None))
    return Person(
        row.id,
        row.account,
        row.name,
        Role(row.role),
        row.subject is not None,
        row.created_at,
        row.disabled_at,
        sessions if row.disabled_at is None else 0,
        seen_at,
    )


def people(rows: Sequence[Any], signed_in: Mapping[str, tuple[int, datetime]]) -> list[Person]:
    """Return everybody: who may sign in first, by name."""
    return sorted((person(row, signed_in) for row in rows), key=lambda each: each.disabled_at is not None)


def links(rows: Sequence[Any]) -> list[Link]:
    """Return the links that still work."""
    return [Link(row.hash, Role(row.role), row.name, row.expires_at) for row in rows]
