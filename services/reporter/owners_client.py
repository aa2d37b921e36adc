"""Reads what the owners of posts, corrections, statuses and models still know, page by page.

Invariant: who does not answer, refuses, or gives out what no stream would carry ends it; nothing is left out silently,
and neither the key nor a post reaches an exception.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson

from shared.bus.envelope import FIELD, Malformed, reader
from shared.errors import Unavailable
from shared.events import Event
from shared.exports import EXPORTS, Export
from shared.streams import FLOW, STREAM_OF

GIVE_UP_S = 120.0
"""A page of scores is explained before it is answered."""


class OwnersClient:
    """Asks each owner at its origin (None: nobody said where it is), with a key that has the scope `admin`."""

    def __init__(self, origins: Mapping[str, str | None], key: str) -> None:
        self._origins = origins
        self._headers = {"Authorization": f"Bearer {key}"}

    async def check(self) -> None:
        """Ask for one row of each export. Raises Unavailable, which says who it is about."""
        for export in EXPORTS.values():
            async with self._client(export) as client:
                await self._page(client, export, {"limit": "1"})

    async def pages(self, export: Export) -> AsyncIterator[list[Event[Any]]]:
        """Yield an export to its end. Raises Unavailable, which says who it is about."""
        asking: dict[str, str] = {}
        async with self._client(export) as client:
            while True:
                page = await self._page(client, export, asking)
                yield [_event(export, each) for each in page["events"]]
                if page["next"] is None:
                    return
                asking = {"cursor": page["next"]}

    def _client(self, export: Export) -> httpx.AsyncClient:
        origin = self._origins.get(export.owner)
        if origin is None:
            setting = f"OMBUD_REPORTER_{export.owner.upper()}_URL"
            raise Unavailable(f"{export.owner}: nobody said where it answers ({setting})")
        # trust_env off: the owners are inside, no proxy of the machine's leads there
        return httpx.AsyncClient(base_url=origin, headers=self._headers, timeout=GIVE_UP_S, trust_env=False)

    async def _page(self, client: httpx.AsyncClient, export: Export, asking: Mapping[str, str]) -> dict[str, Any]:
        try:
            answer = await client.get(export.path, params=dict(asking))
        except httpx.HTTPError as error:
            raise Unavailable(f"{export.owner}: no answer at {client.base_url} ({type(error).__name__})") from None
        try:
            page = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            page = None
        if answer.is_success and isinstance(page, dict) and page.keys() >= {"events", "next"}:
            return page
        reason = f", {page['reason']}" if isinstance(page, dict) and "reason" in page else ""
        raise Unavailable(f"{export.owner}: {client.base_url}{export.path} answered {answer.status_code}{reason}")


def _event(export: Export, given: dict[str, Any]) -> Event[Any]:
    """Return an event as a consumer of its stream would read it."""
    stream = STREAM_OF.get(str(given.get("type")))
    if stream is None or stream.name not in export.streams:
        raise Unavailable(f"{export.owner}: {export.name} hold something else")
    event = reader(FLOW[stream.name])({FIELD: orjson.dumps(given)})
    if isinstance(event, Malformed):
        raise Unavailable(f"{export.owner}: {export.name} hold an event that cannot be read")
    return event
