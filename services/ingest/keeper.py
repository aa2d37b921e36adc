"""Keeps API keys: the table is the truth, the broker holds the copy every service reads.

Invariant: a key itself is never stored, and a copy that was lost comes back within seconds.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from shared.auth import INGEST_ASKS, hash_key, new_key
from shared.bus.keys import API_KEYS
from shared.clock import utcnow
from shared.errors import Unavailable
from shared.runtime import Platform
from shared.vocabulary import Scope


class Keeper:
    """Makes, revokes and publishes keys; knows the salt of author pseudonyms."""

    def __init__(self, platform: Platform, settings: IngestSettings, store: Store) -> None:
        self._platform = platform
        self._settings = settings
        self.store = store
        self._salt = ""

    def salt(self) -> str:
        """Return the salt of author pseudonyms."""
        return self._salt

    def scoring_key(self) -> str:
        """Return the key with which ingest asks the classifier: made of the salt, so that all replicas have the same.

        What is signed holds no `|`, so it can never be an author whose pseudonym somebody asks for.
        """
        made = hmac.digest(self._salt.encode(), b"key of ingest for the classifier", "sha256")
        return f"ombud_{base64.urlsafe_b64encode(made).decode().rstrip('=')}"

    async def start(self) -> None:
        """Read or make the salt, accept the bootstrap key, publish every key."""
        given = self._platform.settings.pseudonym_salt
        self._salt = given.get_secret_value() if given else await self.store.salt(secrets.token_hex(32))
        await self.store.add_key(INGEST_ASKS, hash_key(self.scoring_key()), [Scope.SCORE], utcnow())
        bootstrap = self._platform.settings.bootstrap_key
        if bootstrap is not None:
            await self.store.add_key("bootstrap", hash_key(bootstrap.get_secret_value()), [Scope.ADMIN], utcnow())
        await self.publish()

    async def publish(self) -> None:
        """Write every valid key's hash where all services read it."""
        await self._platform.keys.publish(await self.store.valid_keys())

    async def mend(self) -> None:
        """Publish again if the broker lost the copy."""
        if not await self._platform.redis.exists(API_KEYS):
            await self.publish()

    async def keys(self) -> Sequence[Mapping[str, Any]]:
        """Return every key ever made, the oldest first, with when it was last used, to within an hour."""
        try:
            uses = await self._platform.keys.uses()
        except Unavailable:
            uses = {}
        rows: list[dict[str, Any]] = [dict(row._mapping) for row in await self.store.list_keys()]
        for row in rows:
            known = [at for at in (row["last_used_at"], uses.get(row["id"])) if at is not None]
            row["last_used_at"] = max(known, default=None)
        return rows

    async def note_uses(self) -> None:
        """Bring into the table what services noted on the broker: at most one row a key and hour."""
        uses = await self._platform.keys.uses()
        known = {row.id: row.last_used_at for row in await self.store.list_keys()}
        fresh = {key: at for key, at in uses.items() if key in known and (known[key] is None or known[key] < at)}
        await self.store.note_uses(fresh)

    async def make_key(self, name: str, scopes: Sequence[Scope]) -> tuple[str, str]:
        """Return the id and the text of a new key."""
        key = new_key()
        key_id = await self.store.add_key(name, hash_key(key), scopes, utcnow())
        await self.publish()
        return key_id, key

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return whether there was one."""
        revoked = await self.store.revoke_key(key_id, utcnow())
        await self.publish()
        return revoked

    async def invite(self) -> tuple[str, datetime]:
        """Return a fresh one-time admin link and when it ends."""
        token, expires_at = secrets.token_urlsafe(32), utcnow() + timedelta(seconds=self._settings.invitation_s)
        await self.store.add_invitation(hash_key(token), expires_at)
        common = self._platform.settings
        origin = common.public_url or f"http://{common.host}:{common.port}"
        return f"{origin.rstrip('/')}/welcome?token={token}", expires_at

    async def welcome(self, token: str) -> str | None:
        """Return an admin key for a token that is still good, else None."""
        if not await self.store.use_invitation(hash_key(token), utcnow()):
            return None
        return (await self.make_key("admin", [Scope.ADMIN]))[1]
