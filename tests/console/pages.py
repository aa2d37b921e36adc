"""Every page of the console, one line each: route, roles of section 3, how to reach it. A test finds what is missing.

`path` is where the page is opened, made from the installation, if that is not the route itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.reporter.console.roles import Role
from tests.console.installation import Installation


@dataclass(frozen=True)
class Case:
    """A page. `roles`: those that open it; empty: whoever has signed in; None: everybody."""

    route: str
    roles: tuple[Role, ...] | None
    path: Callable[[Installation], str] | None = None
    html: bool = True

    def reach(self, installation: Installation) -> str:
        """Return where the page is opened."""
        return self.path(installation) if self.path else self.route

    def opens_for(self, role: Role | None) -> bool:
        """Return whether somebody may see it."""
        if self.roles is None:
            return True
        return role is not None and (not self.roles or bool(OPENS[role] & set(self.roles)))

    @property
    def visitor(self) -> Role | None:
        """Return the least of those who may see it."""
        if self.roles is None:
            return None
        return next(role for role in Role if self.opens_for(role))


OPENS = {
    Role.VIEWER: {Role.VIEWER},
    Role.REVIEWER: {Role.VIEWER, Role.REVIEWER},
    Role.AUDITOR: {Role.VIEWER, Role.AUDITOR},
    Role.LEAD: {Role.VIEWER, Role.REVIEWER, Role.AUDITOR, Role.LEAD},
    Role.ADMIN: set(Role),
}
"""The table of section 3, said again: role -> whose pages open."""

PAGES = [
    Case("/signin", None),
    Case("/join", None, lambda _: "/join?token=no-such-link"),
    Case("/static/{digest}/{name}", None, lambda _: "/static/x/console.css", html=False),
    Case("/", None, html=False),
    Case("/analysis", (Role.VIEWER,)),
    Case("/analysis/numbers", (Role.VIEWER,), html=False),
    Case("/charts/{key}.svg", (Role.VIEWER,), lambda _: "/charts/toxicity.svg", html=False),
    Case("/charts/{key}.vl.json", (Role.VIEWER,), lambda _: "/charts/toxicity.vl.json", html=False),
    Case("/charts/{key}.csv", (Role.VIEWER,), lambda _: "/charts/toxicity.csv", html=False),
    Case("/events", (Role.VIEWER,), html=False),
    Case("/live", (Role.REVIEWER,)),
    Case("/live/rows", (Role.REVIEWER,), html=False),
    Case("/try", (Role.REVIEWER,)),
    Case("/settings", ()),
]

FORMS: dict[str, tuple[Role, ...] | None] = {
    "/signin": None,
    "/join": None,
    "/signout": (),
    "/settings": (),
    "/try/score": (Role.REVIEWER,),
}
"""POST route -> the roles that may send it."""

STATUS = {"/join": 410, "/events": 406, "/": 303}
"""What is not 200 where the page is opened as above."""

SHOWN = [case for case in PAGES if case.html]
