"""Reads a list that a server gives out page by page: patient with what passes, strict about what is no list.

Invariant: a key never leaves the server it was given for, and no answer is larger in memory than a page may be.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson

PAGE = 1_000
MOST_BYTES = 64 * 1024 * 1024
"""Largest page; a seed's server gives everything in one."""
MOST_PAGES = 100_000
ATTEMPTS = 5
LONGEST_PAUSE_S = 30.0
KEY_HINT = {401: ", it wants a key (--key)", 403: ", the key may not read"}
PASSING = (429, 500, 502, 503, 504)
TIMEOUT_S, PAGE_S = 30.0, 300.0
"""Longest silence of a server, and longest time of a page: one that gives a byte now and then is given up, too."""


class NoList(Exception):
    """A server gave no list; the message says why and quotes nothing of the answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


async def listed(http: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> AsyncIterator[list[Any]]:
    """Yield the pages of a list, following `Link: <...>; rel="next"`. Raises NoList."""
    url = http.base_url.join(path.lstrip("/")).copy_merge_params(dict(query))
    seen: set[httpx.URL] = set()
    while True:
        if url in seen or len(seen) == MOST_PAGES:
            raise NoList("its pages lead round in a circle")
        seen.add(url)
        answer, content = await _page(http, url)
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise NoList("the answer is no JSON") from None
        if not isinstance(found, list):
            raise NoList("the answer is no JSON array")
        yield found
        following = answer.links.get("next", {}).get("url")
        if following is None:
            return
        try:
            url = url.join(following)
        except (httpx.InvalidURL, ValueError):
            raise NoList("its next page has no address") from None
        if _origin(url) != _origin(http.base_url):
            raise NoList("its next page lies on another server")


async def _page(http: httpx.AsyncClient, url: httpx.URL) -> tuple[httpx.Response, bytes]:
    why = NoList("nothing was tried")
    for attempt in range(ATTEMPTS):
        pause = 0.2 * 2**attempt
        try:
            async with asyncio.timeout(PAGE_S):
                answer, content = await _answer(http, url)
        except TimeoutError:
            raise NoList(f"a page takes longer than {PAGE_S:g} s") from None
        except httpx.TransportError as error:
            why = NoList(f"no connection ({type(error).__name__})")
        else:
            if answer.status_code == 200:
                return answer, content
            why = NoList(f"HTTP {answer.status_code}{KEY_HINT.get(answer.status_code, '')}", answer.status_code)
            if answer.status_code not in PASSING:
                break
            pause = _asked_for(answer.headers.get("Retry-After"), pause)
        if attempt + 1 < ATTEMPTS:
            await asyncio.sleep(min(pause, LONGEST_PAUSE_S))
    raise why


async def _answer(http: httpx.AsyncClient, url: httpx.URL) -> tuple[httpx.Response, bytes]:
    pieces: list[bytes] = []
    size = 0
    async with http.stream("GET", url, timeout=TIMEOUT_S) as answer:
        async for piece in answer.aiter_bytes():
            size += len(piece)
            if size > MOST_BYTES:
                raise NoList(f"a page has more than {MOST_BYTES // 2**20} MiB")
            pieces.append(piece)
    content = b"".join(pieces)
    return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=content), content


def _plain(headers: httpx.Headers) -> list[tuple[str, str]]:
    """Return the headers without how the body was packed: it is unpacked."""
    packed = ("content-encoding", "content-length", "transfer-encoding")
    return [(name, value) for name, value in headers.multi_items() if name.lower() not in packed]


def _asked_for(value: str | None, otherwise: float) -> float:
    try:
        return max(0.0, float(value)) if value is not None else otherwise
    except ValueError:
        return otherwise


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default
