"""What stands around every page: who sees it, where they are, what they prefer. Pure; templates see it as `frame`."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.reporter.console.members import Member
from services.reporter.console.roles import Role, may


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the navigation: its name (translated in the template), where it leads, the key after `g`."""

    name: str
    path: str
    key: str
    roles: tuple[Role, ...]
    here: bool = False


NAVIGATION = (
    Entry("overview", "/analysis", "o", (Role.VIEWER,)),
    Entry("review", "/analysis/flagged", "r", (Role.REVIEWER,)),
    Entry("audits", "/audits", "a", (Role.AUDITOR,)),
    Entry("quality", "/quality", "q", (Role.VIEWER,)),
    Entry("live", "/live", "l", (Role.REVIEWER,)),
    Entry("try", "/try", "t", (Role.REVIEWER,)),
)
"""Six entries; those whose page is not there yet, or is not for a role, are left out."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Around a page: `position` is where its data stand, `bundle` where the library of charts is, empty without one."""

    member: Member | None
    language: str
    theme: str
    release: str
    csrf: str
    command_id: str
    path: str
    there: frozenset[str]
    navigation: Sequence[Entry]
    position: str = ""
    waiting: int | None = None
    bundle: str = ""


def navigation(member: Member | None, path: str, there: frozenset[str]) -> list[Entry]:
    """Return the entries that a person may follow; the one with the longest path that fits is here."""
    if member is None:
        return []
    open_ = [each for each in NAVIGATION if each.path in there and may(member.role, each.roles)]
    fitting = [each.path for each in open_ if path == each.path or path.startswith(f"{each.path}/")]
    here = max(fitting, key=len, default=None)
    return [Entry(each.name, each.path, each.key, each.roles, each.path == here) for each in open_]
