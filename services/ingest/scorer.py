"""Asks the classifier for an opinion on a text, and talks to nobody else.

Invariant: the key goes into one header; neither it nor a text reaches a log line, an exception or another host.
"""

from collections.abc import Callable

import httpx
from pydantic import ValidationError

from services.ingest.coral import Opinion
from shared.bus.tracing import onward
from shared.errors import Unavailable

GIVE_UP_S = 10.0
"""Who asks has a shorter patience of their own; this ends what nobody waits for any more."""


class Scorer:
    """A client of /predict; `key` gives the internal API key once it is known."""

    def __init__(self, origin: str, key: Callable[[], str]) -> None:
        self._origin = origin
        self._key = key
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Open the client; its connections are kept, because a new one would cost the time that a comment has."""
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=60)
        # trust_env off: the classifier is inside, no proxy of the machine's leads there
        self._client = httpx.AsyncClient(timeout=GIVE_UP_S, limits=limits, follow_redirects=False, trust_env=False)

    async def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def ask(self, text: str) -> Opinion:
        """Return what the classifier says of a text. Raises Unavailable when it is down or says something else."""
        if self._client is None:
            raise Unavailable("classifier")
        headers = onward({"Authorization": f"Bearer {self._key()}"})
        try:
            answer = await self._client.post(f"{self._origin}/predict", json={"inputs": text}, headers=headers)
            if answer.status_code != httpx.codes.OK:
                raise Unavailable(f"classifier answered {answer.status_code}")
            return Opinion.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError):
            raise Unavailable("classifier") from None
