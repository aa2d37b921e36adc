"""Who may do what in the console, and which scopes that means at the services. Pure.

Invariant: a role that includes another one may all that the other one may, here and at every service.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from shared.vocabulary import Scope


class Role(StrEnum):
    """What a person is here for."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    LEAD = "lead"
    ADMIN = "admin"


INCLUDES: Mapping[Role, frozenset[Role]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.REVIEWER: frozenset({Role.VIEWER, Role.REVIEWER}),
    Role.AUDITOR: frozenset({Role.VIEWER, Role.AUDITOR}),
    Role.LEAD: frozenset(Role) - {Role.ADMIN},
    Role.ADMIN: frozenset(Role),
}
"""Role -> the roles whose pages it may see, its own among them."""

SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.FIGURES}),  # `read` opens texts of posts, which a viewer does not see
    Role.REVIEWER: frozenset({Scope.READ, Scope.FIGURES, Scope.REVIEW, Scope.SCORE}),
    Role.AUDITOR: frozenset({Scope.READ, Scope.FIGURES, Scope.AUDIT, Scope.REPORT}),
    Role.LEAD: frozenset({Scope.READ, Scope.FIGURES, Scope.REVIEW, Scope.SCORE, Scope.AUDIT, Scope.REPORT}),
    Role.ADMIN: frozenset({Scope.ADMIN}),
}
"""Role -> what a session of it may do at the services."""


def may(role: Role, needed: Iterable[Role]) -> bool:
    """Return whether a role includes one of those that a page is for."""
    return not INCLUDES[role].isdisjoint(needed)
