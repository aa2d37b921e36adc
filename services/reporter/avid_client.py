"""Talks to AVID's editorial API, and to nothing else.

Invariant: the key goes into one header of one request; it reaches no log, no exception text and no redirect.
Source: avid.md section 7.
"""

import asyncio
from datetime import datetime

import httpx

from services.reporter.delivery import KEPT_CHARACTERS, Answer, Reached, retry_after_s

SENT_NOTHING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
READ_BYTES = 4 * KEPT_CHARACTERS


class AvidClient:
    """Posts documents to one address."""

    def __init__(self, url: str, key: str | None, timeout_s: float) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "ombud"}
        if key:
            self._headers["Authorization"] = key
        self._timeout_s = timeout_s

    async def submit(self, body: bytes, now: datetime) -> Answer:
        """Post one document and return how far that got; `now` is what a Retry-After date is measured against."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(body, now)
        except TimeoutError:
            return Answer(Reached.UNCLEAR, f"no answer within {self._timeout_s:g} s")
        except SENT_NOTHING as error:
            return Answer(Reached.NOT_SENT, f"no connection ({type(error).__name__})")
        except (httpx.HTTPError, httpx.StreamError) as error:
            return Answer(Reached.UNCLEAR, f"the connection broke ({type(error).__name__})")

    async def review_status(self, url: str, now: datetime) -> Answer:
        """Ask what the editors say of a submission; nothing is changed by asking, so every failure is the same."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask("GET", url, None, now)
        except TimeoutError:
            return Answer(Reached.NOT_SENT, f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            return Answer(Reached.NOT_SENT, f"the connection broke ({type(error).__name__})")

    async def _post(self, body: bytes, now: datetime) -> Answer:
        return await self._ask("POST", self._url, body, now)

    async def _ask(self, method: str, url: str, body: bytes | None, now: datetime) -> Answer:
        timeout = httpx.Timeout(self._timeout_s, connect=self._timeout_s / 2)
        client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)
        async with client, client.stream(method, url, content=body, headers=self._headers) as response:
            read = b""
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) >= READ_BYTES:
                    break
            text = read[:READ_BYTES].decode("utf-8", "replace")
            wait = retry_after_s(response.headers.get("Retry-After"), now)
            return Answer(Reached.ANSWERED, status=response.status_code, text=text, retry_after_s=wait)
