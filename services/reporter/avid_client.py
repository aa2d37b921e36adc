"""Talks to AVID's editorial API, and to nothing else.

Invariant: the key goes into one header of one request; it reaches no log, no exception text and no redirect.
Source: avid.md section 7.
"""

from dataclasses import replace
from datetime import datetime

from services.reporter.delivery import KEPT_CHARACTERS, Answer, Reached
from services.reporter.outsider import ask, headers_of

READ_BYTES = 4 * KEPT_CHARACTERS


class AvidClient:
    """Posts documents to one address."""

    def __init__(self, url: str, key: str | None, timeout_s: float) -> None:
        self._url = url
        self._headers = headers_of(**({"Authorization": key} if key else {}))
        self._timeout_s = timeout_s

    async def submit(self, body: bytes, now: datetime) -> Answer:
        """Post one document and return how far that got; `now` is what a Retry-After date is measured against."""
        return await self._ask("POST", self._url, body, now)

    async def review_status(self, url: str, now: datetime) -> Answer:
        """Ask what the editors say of a submission; nothing is changed by asking, so every failure is the same."""
        answer = await self._ask("GET", url, None, now)
        return replace(answer, reached=Reached.NOT_SENT) if answer.reached is Reached.UNCLEAR else answer

    async def _ask(self, method: str, url: str, body: bytes | None, now: datetime) -> Answer:
        return await ask(
            method, url, headers=self._headers, body=body, timeout_s=self._timeout_s, read_bytes=READ_BYTES, now=now
        )
