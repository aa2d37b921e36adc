"""One request to an outsider's HTTP API: a time limit over all of it, no redirects, a limit on what is read.

Invariant: what an answer holds beyond its limit is not read, headers with keys are in no exception text, and what may
have arrived is told apart from what was not sent.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

import httpx

from services.reporter.delivery import Answer, Reached, retry_after_s

SENT_NOTHING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def headers_of(**more: str) -> dict[str, str]:
    """Return the headers of a request with JSON."""
    return {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "ombud", **more}


async def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout_s: float,
    read_bytes: int,
    now: datetime,
) -> Answer:
    """Return how far a request got; `now` is what a Retry-After date is measured against."""
    timeout = httpx.Timeout(timeout_s, connect=timeout_s / 2)
    client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)
    try:
        async with (
            asyncio.timeout(timeout_s),
            client,
            client.stream(method, url, content=body, headers=dict(headers)) as response,
        ):
            read = b""
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) >= read_bytes:
                    break
            text = read[:read_bytes].decode("utf-8", "replace")
            wait_s = retry_after_s(response.headers.get("Retry-After"), now)
            return Answer(Reached.ANSWERED, status=response.status_code, text=text, retry_after_s=wait_s)
    except TimeoutError:
        return Answer(Reached.UNCLEAR, f"no answer within {timeout_s:g} s")
    except SENT_NOTHING as error:
        return Answer(Reached.NOT_SENT, f"no connection ({type(error).__name__})")
    except (httpx.HTTPError, httpx.StreamError) as error:
        return Answer(Reached.UNCLEAR, f"the connection broke ({type(error).__name__})")
