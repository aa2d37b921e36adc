"""Talks to a Transparency Database, and to nothing else.

Invariant: the token goes into one header of one request; it reaches no log, no exception text and no redirect.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from services.reporter.delivery import Answer
from services.reporter.outsider import ask, headers_of
from shared.clock import utcnow

READ_BYTES = 1_000_000
"""Of an answer this much is read: errors of a hundred statements fit."""


class DsaClient:
    """Posts statements to one address, up to a hundred at once."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/statements"
        self._headers = headers_of(**({"Authorization": f"Bearer {token}"} if token else {}))
        self._timeout_s = timeout_s

    async def submit(self, bodies: Sequence[dict[str, Any]]) -> Answer:
        """Post statements and return how far that got."""
        return await ask(
            "POST",
            self._url,
            headers=self._headers,
            body=orjson.dumps({"statements": list(bodies)}),
            timeout_s=self._timeout_s,
            read_bytes=READ_BYTES,
            now=utcnow(),
        )
