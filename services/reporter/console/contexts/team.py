"""What stands on the settings of the team. Invariant: no figure in here is about one person (W6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.formats import LANGUAGES
from services.reporter.console.members import Defaults, defaults
from services.reporter.console.roles import Role

FEWEST = 5
"""People who have to stand behind a total before anybody sees it."""
DAYS = 30


@dataclass(frozen=True, slots=True)
class Total:
    """How many veiled texts the team asked to see in DAYS days, and how many people that were."""

    people: int
    texts: int


@dataclass(frozen=True, slots=True)
class Team:
    """Defaults, who has which role, and the total of what the team was exposed to, if enough people stand behind it."""

    defaults: Defaults
    roles: Sequence[tuple[Role, Sequence[str]]]
    total: Total | None
    fewest: int
    days: int
    saved: bool
    languages: Sequence[str] = LANGUAGES


def total(people: int, texts: int) -> Total | None:
    """Return a total of the team; None where it would say too much about each."""
    return Total(people, texts) if people >= FEWEST else None


def team(settings: Mapping[str, Any], given: Iterable[Any], exposure: tuple[int, int], *, saved: bool) -> Team:
    """Return the page."""
    names: dict[Role, list[str]] = {role: [] for role in reversed(Role)}
    for row in given:
        names[Role(row.role)].append(row.name)
    return Team(defaults(settings), list(names.items()), total(*exposure), FEWEST, DAYS, saved)
