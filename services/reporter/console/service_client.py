"""Asks the services that own what people change: in this process without a socket, else over HTTP.

Invariant: the person's own session goes along as bearer token, so that each service decides about each person itself;
neither it nor a text reaches a log line or an exception.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from services.reporter.settings import ReporterSettings
from shared.bus.tracing import onward
from shared.errors import Problem, Unavailable
from shared.runtime import Platform

GIVE_UP_S = 10.0
INSIDE = "http://ombud.invalid"
"""Stands where an address has to stand; nothing is looked up."""


class ServiceClient:
    """Requests to ingest, classifier, trainer and auditor in somebody's name."""

    def __init__(self, platform: Platform, settings: ReporterSettings) -> None:
        self._platform = platform
        self._origins = {
            "ingest": settings.ingest_url,
            "classifier": settings.classifier_url,
            "trainer": settings.trainer_url,
            "auditor": settings.auditor_url,
        }
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        token: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Any:
        """Return what a service answered, read from JSON; None for an empty answer.

        `key` is the Idempotency-Key, where the route takes one. Raises Problem with the service's own status, reason,
        detail and field where it refuses, and Unavailable where it is down or says something else.
        """
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        content = None if json is None else orjson.dumps(json)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = await self._client(service).request(
                method, path, content=content, params=dict(params or {}), headers=onward(headers)
            )
        except (httpx.HTTPError, OSError):
            raise Unavailable(service) from None
        return _read(service, answer)

    async def stop(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, service: str) -> httpx.AsyncClient:
        known = self._clients.get(service)
        if known is None:
            known = self._clients[service] = self._connect(service)
        return known

    def _connect(self, service: str) -> httpx.AsyncClient:
        origin = self._origins[service]
        if origin is not None:
            # trust_env off: the others are inside, no proxy of the machine's leads there
            return httpx.AsyncClient(base_url=origin, timeout=GIVE_UP_S, follow_redirects=False, trust_env=False)
        if self._platform.app is None or service not in {each.name for each in self._platform.services}:
            raise Unavailable(f"{service}: nobody said where it is")
        transport = httpx.ASGITransport(app=self._platform.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=INSIDE, timeout=GIVE_UP_S, trust_env=False)


def _read(service: str, answer: httpx.Response) -> Any:
    try:
        body = orjson.loads(answer.content) if answer.content else None
    except orjson.JSONDecodeError:
        raise Unavailable(f"{service} answered no JSON") from None
    if answer.is_success:
        return body
    refusal = body if isinstance(body, dict) else {}
    if answer.status_code >= 500 or "reason" not in refusal:
        raise Unavailable(f"{service} answered {answer.status_code}")
    raise Problem(
        answer.status_code,
        str(refusal["reason"]),
        str(refusal.get("detail", "")),
        field=refusal.get("field"),
        service=service,
    )
