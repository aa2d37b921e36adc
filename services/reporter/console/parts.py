"""What every page and action of the console is made with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.reporter.broadcast import Broadcast
from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.commands import Commands
from services.reporter.console.guard import Acting, Entrance
from services.reporter.console.leases import Leases
from services.reporter.console.oidc import Rules
from services.reporter.console.people import People
from services.reporter.console.presence import Presence
from services.reporter.console.rendering import Pages
from services.reporter.console.roles import Role
from services.reporter.console.service_client import ServiceClient
from services.reporter.console.sessions import Sessions
from services.reporter.feed import Position
from services.reporter.hooking import Hooking
from services.reporter.owning import Owning
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from services.reporter.submitting import Submitting
from services.reporter.writing import Writing
from shared.errors import Unavailable
from shared.runtime import Platform

if TYPE_CHECKING:
    from services.reporter.console.oidc_client import OidcClient

EARLIER_MS = 2_000


@dataclass(frozen=True)
class Reporting:
    """The commands on reports; `configured`: there is somewhere to send them."""

    writing: Writing
    owning: Owning
    submitting: Submitting
    configured: bool


@dataclass(frozen=True)
class Parts:
    """Tables, people, templates, commands, the way to other services, the feed, reports."""

    platform: Platform
    settings: ReporterSettings
    store: Store
    sessions: Sessions
    people: People
    oidc: "OidcClient | None"
    oidc_rules: Rules
    pages: Pages
    commands: Commands
    services: ServiceClient
    leases: Leases
    presence: Presence
    broadcast: Broadcast
    charts: ChartWorker
    reporting: Reporting
    hooking: Hooking
    route: type[APIRoute]

    async def position(self) -> str:
        """Return where in the feed a page is that is made now; empty while the broker is away.

        A little earlier, because what was just said may not have reached the tables: heard twice does no harm.
        """
        try:
            now = await self.broadcast.now()
        except Unavailable:
            return ""
        return str(Position(max(0, now.ms - EARLIER_MS), 0, 0))

    @property
    def waiting_s(self) -> float:
        """Return the age of the oldest event that the reporter has not applied yet, in seconds."""
        return max((each.oldest_s for each in self.platform.states if each.group == "reporter"), default=0.0)

    def router(self) -> APIRouter:
        """Return an empty router of the console; its routes are not part of the API's documentation."""
        return APIRouter(tags=["console"], route_class=self.route, include_in_schema=False)

    def entrance(self, *roles: Role) -> Entrance:
        """Return the dependency of a GET: a Member with one of these roles; none: whoever has signed in."""
        return Entrance(self.sessions, *roles)

    def acting(self, *roles: Role) -> Acting:
        """Return the dependency of a POST: a Command of somebody with one of these roles."""
        return Acting(self.sessions, *roles)
