"""A platform that sends posts over HTTP and repeats whatever was not answered: the ids make that safe."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from random import Random
from typing import Any

import httpx
import orjson

from shared.clock import monotonic

LATER = (429, 502, 503, 504)
PAUSE_S = 0.2


class Sender:
    """Sends in pieces of different sizes, over both routes. `sent` counts posts that were answered with 202."""

    def __init__(self, http: httpx.AsyncClient, seed: int = 0, *, largest: int = 300, patience_s: float = 60) -> None:
        self._http = http
        self._random = Random(seed)
        self._largest = largest
        self._patience_s = patience_s
        self.sent = 0
        self.repeats = 0
        self.known_already = 0

    async def send(
        self, posts: Iterable[dict[str, Any]], room: Callable[[int], Awaitable[object]] | None = None
    ) -> None:
        """Send posts in order; before each piece wait for `room(posts sent so far)`."""
        posts = iter(posts)
        while piece := list(islice(posts, self._random.randint(1, self._largest))):
            if room is not None:
                await room(self.sent)
            await self._deliver(piece)
            self.sent += len(piece)

    async def _deliver(self, piece: Sequence[dict[str, Any]]) -> None:
        until = monotonic() + self._patience_s
        streamed = self._random.random() < 0.2
        while True:
            try:
                answer = await self._post(piece, streamed)
            except httpx.TransportError as error:
                why = repr(error)
            else:
                if answer.status_code == 202:
                    break
                assert answer.status_code in LATER, f"{answer.status_code}: {answer.text}"
                why = answer.text
            assert monotonic() < until, f"not answered within {self._patience_s} s: {why}"
            self.repeats += 1
            await asyncio.sleep(PAUSE_S)
        said = answer.json()
        assert (said["rejected_total"], said["accepted"] + said["duplicates"]) == (0, len(piece)), said
        self.known_already += said["duplicates"]

    async def _post(self, piece: Sequence[dict[str, Any]], streamed: bool) -> httpx.Response:
        if streamed:
            return await self._http.post("/v1/posts:import", content=b"\n".join(map(orjson.dumps, piece)))
        return await self._http.post("/v1/posts", json=list(piece))
