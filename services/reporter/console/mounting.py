"""Puts the console together: every page and every action, in one router each."""

from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.reporter.broadcast import Broadcast
from services.reporter.console import feed
from services.reporter.console.actions import ACTIONS
from services.reporter.console.assets import assets, release
from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.commands import Commands
from services.reporter.console.guard import console_route
from services.reporter.console.leases import Leases
from services.reporter.console.oidc import Rules
from services.reporter.console.pages import PAGES
from services.reporter.console.parts import Parts, Reporting
from services.reporter.console.people import People
from services.reporter.console.presence import Presence
from services.reporter.console.rendering import Pages
from services.reporter.console.roles import Role
from services.reporter.console.service_client import ServiceClient
from services.reporter.console.sessions import Sessions
from services.reporter.hooking import Hooking
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from shared.clock import utcnow
from shared.runtime import Loop, Platform

if TYPE_CHECKING:
    from services.reporter.console.oidc_client import OidcClient

WARMED_AFTER_S = 5.0


def rules(settings: ReporterSettings) -> Rules:
    """Return whom the operator admits from an OpenID provider."""
    default = Role(settings.oidc_default_role) if settings.oidc_default_role else None
    roles = {value: Role(name) for value, name in settings.oidc_roles.items()}
    return Rules(settings.oidc_role_claim, roles, default, settings.oidc_domains)


def provider(settings: ReporterSettings) -> "OidcClient | None":
    """Return what speaks to the OpenID provider; without one its libraries (12 MB) stay out of memory."""
    if not settings.oidc:
        return None
    from services.reporter.console.oidc_client import OidcClient

    return OidcClient(settings)


class Console:
    """The console of this process."""

    def __init__(
        self,
        platform: Platform,
        settings: ReporterSettings,
        store: Store,
        broadcast: Broadcast,
        reporting: Reporting,
        hooking: Hooking,
    ) -> None:
        pages = Pages()
        self._store, self._tries_kept_s = store, settings.tries_kept_s
        self.sessions = Sessions(store, platform.keys, platform.redis, settings, platform.settings)
        self._charts = ChartWorker()
        pages.bundle = f"/charts/bundle-{self._charts.edition}.js" if self._charts.there else ""
        self._services = ServiceClient(platform, settings)
        self.people = People(store, self.sessions)
        self._presence = Presence(platform.redis)
        self._oidc = provider(settings)
        parts = Parts(
            platform=platform,
            settings=settings,
            store=store,
            sessions=self.sessions,
            people=self.people,
            oidc=self._oidc,
            oidc_rules=rules(settings),
            pages=pages,
            commands=Commands(store),
            services=self._services,
            leases=Leases(platform.redis),
            presence=self._presence,
            broadcast=broadcast,
            charts=self._charts,
            reporting=reporting,
            hooking=hooking,
            route=console_route(pages),
        )
        self.routers: list[APIRouter] = [build(parts) for build in (*PAGES, *ACTIONS, feed.build_router)]
        pages.there = frozenset(
            route.path
            for router in self.routers
            for route in router.routes
            if isinstance(route, APIRoute) and "GET" in (route.methods or ())
        )
        self.loops = [
            Loop("sessions", 5.0, self.sessions.tidy),
            Loop("console commands", 3600.0, self.sessions.forget_commands),
            Loop("saved texts", 3600.0, self._forget_tries),
        ]
        assets(), release()  # read before the first page needs them

    async def invite(self, role: str) -> str:
        """Return a link that makes one account with a role. Raises ValueError for a role there is none of."""
        return (await self.sessions.invite(Role(role), "command line"))[0]

    async def start(self) -> None:
        """Make what cursors are signed with, once for an installation; let what draws charts get warm."""
        async with self._store.begin() as connection:
            await self._store.make_secrets(connection)
        self._charts.warm(WARMED_AFTER_S)

    async def _forget_tries(self) -> None:
        async with self._store.begin() as connection:
            await self._store.drop_tries(connection, utcnow() - timedelta(seconds=self._tries_kept_s))

    async def stop(self) -> None:
        """Close what the console opened."""
        await self._presence.stop()
        await self._services.stop()
        if self._oidc is not None:
            await self._oidc.stop()
        await self._charts.stop()
