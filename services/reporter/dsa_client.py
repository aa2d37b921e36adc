"""Talks to a Transparency Database, and to nothing else.

Invariant: the token goes into one header of one request; it reaches no log, no exception text and no redirect.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from services.reporter.delivery import Answer, Reached

READ_BYTES = 1_000_000
"""Of an answer this much is read: errors of a hundred statements fit."""


class DsaClient:
    """Posts statements to one address, up to a hundred at once."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/statements"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "ombud"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s

    async def submit(self, bodies: Sequence[dict[str, Any]]) -> Answer:
        """Post statements and return how far that got."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(orjson.dumps({"statements": list(bodies)}))
        except TimeoutError:
            return Answer(Reached.UNCLEAR, f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            return Answer(Reached.UNCLEAR, f"the connection broke ({type(error).__name__})")

    async def _post(self, content: bytes) -> Answer:
        client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False)
        async with client, client.stream("POST", self._url, content=content, headers=self._headers) as response:
            read = b""
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) >= READ_BYTES:
                    break
            text = read[:READ_BYTES].decode("utf-8", "replace")
            return Answer(Reached.ANSWERED, status=response.status_code, text=text)
