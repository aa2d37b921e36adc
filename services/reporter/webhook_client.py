"""Posts to the addresses of webhooks, and to nothing else.

Invariant: the connection goes to an address that was checked, not to what the name resolves to a moment later; nothing
is redirected, no proxy of the environment is asked, and of an answer only its status is looked at.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import httpx

from services.reporter.delivery import retry_after_s
from services.reporter.webhooks import Posted, is_public, url_fault

PRIVATE = "the address is in a private network"


class WebhookClient:
    """Posts documents. With `private` (a setting) addresses of private networks are posted to, too."""

    def __init__(self, *, private: bool, timeout_s: float) -> None:
        self._private = private
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    async def fault(self, url: str) -> str | None:
        """Return why an address is not posted to, or None. A name that does not resolve now may do so later."""
        if fault := url_fault(url):
            return fault
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                return None if await self._address(httpx.URL(url)) else PRIVATE
        return None

    async def _address(self, url: httpx.URL) -> str | None:
        """Return an address of the host that may be posted to; None if there are only private ones. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port or url.scheme, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        allowed = addresses if self._private or all(map(is_public, addresses)) else []
        return allowed[0] if allowed else None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Posted:
        """Post one document; `now` is what a Retry-After date is measured against."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(httpx.URL(url), body, headers, now)
        except TimeoutError:
            return Posted(why=f"no answer within {self._timeout_s:g} s")
        except OSError as error:
            return Posted(why=f"the host is not found ({type(error).__name__})")
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            return Posted(why=f"no connection ({type(error).__name__})")

    async def _post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str], now: datetime) -> Posted:
        address = await self._address(url)
        if address is None:
            return Posted(why=PRIVATE)
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False, trust_env=False)
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={**headers, "Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )
        answer = await self._client.send(request, stream=True)
        try:
            return Posted(answer.status_code, retry_after_s=retry_after_s(answer.headers.get("Retry-After"), now))
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Give every connection back."""
        if self._client is not None:
            await self._client.aclose()
