"""Counts the scoring requests of a key. Off unless an operator sets a rate; each process counts for itself."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from services.classifier.gathering import REFUSED
from services.classifier.quota import Quota
from services.classifier.settings import ClassifierSettings
from shared.auth import INGEST_ASKS
from shared.clock import monotonic
from shared.errors import Problem

Metered = Callable[[Request], Awaitable[None]]


def metered(settings: ClassifierSettings) -> Metered:
    """Return the dependency, to stand after the one that asks for a key; all doors share one."""
    quota = Quota(settings.requests_per_s)

    async def meter(request: Request) -> None:
        """Raise Problem 429 when the key has made too many requests; one request counts once, whatever it asks."""
        principal = getattr(request.state, "principal", None)
        if not settings.requests_per_s or (principal and principal.name == INGEST_ASKS):
            return
        wait = quota.wait(principal.id if principal else "", monotonic())
        if wait:
            REFUSED.labels("quota").inc()
            raise Problem(429, "quota", "This key asks more often than it may.", headers={"Retry-After": str(wait)})

    return meter
