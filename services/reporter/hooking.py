"""What people do with webhooks: make, change, pause, resume, redrive, try and remove them.

Invariant: a secret is given out once, when it is made; an address in a private network is refused before it is stored.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson

from services.reporter.feed import STREAMS
from services.reporter.sealing import Seal, WrongKey
from services.reporter.store import Store, Stored
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from services.reporter.webhooks import SECRET_BYTES, Posted, WebhookState, as_secret, headers
from shared.clock import utcnow
from shared.errors import Problem, not_found

OPEN = Seal()
ROTATION = timedelta(days=1)
"""How long both secrets sign after a new one was made."""
TESTED = "ombud.WebhookTested.v1"


class Hooking:
    """Webhooks as their owners see them."""

    def __init__(self, store: Store, tail: Tail, client: WebhookClient, seal: Seal = OPEN) -> None:
        self._seal = seal
        self._store = store
        self._tail = tail
        self._client = client

    async def make(self, url: str, streams: Sequence[str], *, text: bool, description: str, by: str) -> tuple[str, str]:
        """Make a webhook for what is said from now on; return its id and its secret."""
        await self._check(url)
        now, secret = utcnow(), as_secret(secrets.token_bytes(SECRET_BYTES))
        row = {
            "id": str(uuid4()),
            "url": url,
            "description": description,
            "streams": list(streams),
            "text": text,
            "state": WebhookState.ACTIVE.value,
            "secret": self._seal.close(secret),
            "seen": self._tail.until(await self._tail.now(), STREAMS),
            "turn": 0,
            "attempts": 0,
            "due_at": now,
            "created_by": by,
            "created_at": now,
            "updated_at": now,
        }
        async with self._store.begin() as connection:
            await self._store.add_webhook(connection, row)
        return str(row["id"]), secret

    async def change(self, webhook_id: str, values: dict[str, Any], *, paused: bool | None, rotate: bool) -> str | None:
        """Change a webhook; return its new secret if one was asked for. Raises Problem 404 and 422."""
        if "url" in values:
            await self._check(values["url"])
        now, secret = utcnow(), as_secret(secrets.token_bytes(SECRET_BYTES)) if rotate else None
        now_at = await self._tail.now()
        async with self._store.begin() as connection:
            row = self._known(await self._store.webhook(connection, webhook_id))
            more: dict[str, Any] = {"updated_at": now}
            if added := set(values.get("streams", ())) - set(row.streams):
                more |= {"seen": row.seen | self._tail.until(now_at, added), "turn": row.turn + 1}
            if secret is not None:
                more |= {"secret": self._seal.close(secret), "old_secret": row.secret, "old_until": now + ROTATION}
            if paused:
                more |= {"state": WebhookState.PAUSED.value, "reason": "paused by hand"}
            elif paused is False:
                more |= {"state": WebhookState.ACTIVE.value, "reason": None, "attempts": 0, "due_at": now}
                await self._store.start_anew(connection, webhook_id)
            await self._store.change_webhook(connection, webhook_id, values | more)
        return secret

    async def remove(self, webhook_id: str) -> None:
        """Remove a webhook and its line."""
        async with self._store.begin() as connection:
            if not await self._store.remove_webhook(connection, webhook_id):
                raise not_found("webhook")

    async def redrive(self, webhook_id: str) -> int:
        """Put dead letters back where they were in the line; return how many."""
        async with self._store.begin() as connection:
            self._known(await self._store.webhook(connection, webhook_id))
            return await self._store.redrive(connection, webhook_id)

    async def try_out(self, webhook_id: str, by: str) -> Posted:
        """Post an event that says nothing, whatever the webhook's state; nothing is tried again."""
        async with self._store.read() as connection:
            row = self._known(await self._store.webhook(connection, webhook_id))
        now, event_id = utcnow(), str(uuid4())
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": "ombud/reporter",
            "type": TESTED,
            "time": now.isoformat(),
            "subject": webhook_id,
            "datacontenttype": "application/json",
            "data": {"webhook_id": webhook_id, "asked_by": by},
        }
        body = orjson.dumps(event)
        try:
            secret = self._seal.open(row.secret)
        except WrongKey:
            raise Problem(409, "wrong_key", "The secret was sealed with another key: rotate it.") from None
        return await self._client.post(row.url, body, headers(event_id, body, [secret], now), now)

    async def seal(self) -> None:
        """Seal secrets that were stored before there was a key."""
        if not self._seal.closes:
            return
        async with self._store.begin() as connection:
            for row in await self._store.webhooks(connection):
                kept = {name: getattr(row, name) for name in ("secret", "old_secret") if getattr(row, name)}
                sealed = {name: self._seal.close(value) for name, value in kept.items()}
                if sealed != kept:
                    await self._store.change_webhook(connection, row.id, sealed)

    @staticmethod
    def _known(row: Stored | None) -> Stored:
        if row is None:
            raise not_found("webhook")
        return row

    async def _check(self, url: str) -> None:
        if fault := await self._client.fault(url):
            raise Problem(422, "url_refused", f"This address is not posted to: {fault}.", field="url")
