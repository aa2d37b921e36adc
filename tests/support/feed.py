"""Somebody who follows the event feed as a browser does: comes back with the id of what came last."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import orjson

from services.reporter.feed import Position
from shared.events import Event, PostCorrected, PostScored, said
from shared.vocabulary import Verdict
from tests.support.kit import post, score

SSE = {"Accept": "text/event-stream"}


@dataclass
class Follower:
    """Follows `/v1/events`, or with a session what pages of the console do.

    `got` holds (position, stream, document) of every event, `late` its seconds on the way.
    """

    http: httpx.AsyncClient
    query: dict[str, Any] = field(default_factory=dict)
    path: str = "/v1/events"
    session: str | None = None
    last: str | None = None
    got: list[tuple[Position, str, dict[str, Any]]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    opened: int = 0
    ended: int = 0

    async def follow(self) -> None:
        """Read until cancelled; whenever the connection ends, begin again where it ended."""
        while True:
            with suppress(httpx.TransportError):
                await self.read()
            self.ended += 1
            await asyncio.sleep(0.05)

    async def read(self) -> None:
        """Read one connection to its end."""
        known = {"Last-Event-ID": self.last} if self.last else {}
        if self.session:
            known["Cookie"] = f"ombud_session={self.session}"
        async with self.http.stream("GET", self.path, params=self.query, headers=SSE | known, timeout=60) as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            self.opened += 1
            event: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
                    continue
                self.take(event)
                event = {}

    def take(self, event: dict[str, str]) -> None:
        """Take one dispatched block: its id counts even where it is no event."""
        self.last = event.get("id", self.last)
        if "data" in event and "id" in event and event["event"] != "beat":
            document = orjson.loads(event["data"])
            self.got.append((Position.read(event["id"]), event["event"], document))
            if "time" in document:
                self.late.append(time.time() - datetime.fromisoformat(document["time"]).timestamp())
        elif "data" in event:
            self.notices.append(event["event"])

    @property
    def ids(self) -> list[str]:
        """Return the event ids in the order they came."""
        return [document["id"] for _, _, document in self.got]

    @property
    def positions(self) -> list[Position]:
        """Return the positions in the order they came."""
        return [position for position, _, _ in self.got]


def scored(n: int, text: str = "some words", author: str | None = None) -> Event[PostScored]:
    """Return the score of post number `n`."""
    return score(post(n, text, author))


def corrected(n: int) -> Event[PostCorrected]:
    """Return a correction of post number `n`, which carries words, too."""
    at = scored(n).data
    word = PostCorrected(
        correction_id=f"c{n}",
        post_id=at.post.post_id,
        text="some corrected words",
        verdict=Verdict.CORRECT,
        corrected_at=at.scored_at,
    )
    return said(word, by="ingest", cause=f"correction {n}")
