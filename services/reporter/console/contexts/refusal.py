"""What stands on a page that says why something was refused."""

from dataclasses import dataclass

from services.reporter.console.roles import Role


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal: its HTTP status, a stable word, which roles would do, what was asked for."""

    status: int
    reason: str
    roles: tuple[Role, ...]
    asked: str
