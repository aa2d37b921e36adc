"""API keys with scopes. Only hashes are kept; ingest owns them and every service reads them from the broker.

A person who has signed in at the console holds such a key, too: the session, which the reporter owns and which ends.
Invariant: a key is compared by the SHA-256 of its 256 random bits, so no comparison leaks a prefix.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.keys import API_KEYS, KEY_USES, SESSIONS
from shared.clock import millis, monotonic
from shared.errors import Problem, Unavailable
from shared.ids import digest
from shared.vocabulary import Scope

INGEST_ASKS = "ingest asks the classifier"
"""Name of the key that ingest makes for itself; it speaks for platforms, so no quota of a caller is on it."""
CACHED_S = 2.0
"""How long a revoked key may still be believed."""
NOTED_S = 3600
"""How often a process notes that a key was used: not at each use."""
AGAIN_S = 60
UNKNOWN_S = 0.25
"""A key that nobody knows makes a process read again, but not more often: somebody may have just signed in."""

SCOPES = frozenset(Scope)
"""Those that this release knows: a newer service may have written others, and those open nothing here."""

bearer = HTTPBearer(auto_error=False, description="An Ombud API key.")
header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for clients without bearer.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a key: the key's id and name, and what it may do.

    `until` is when a session ends, in ms since the epoch; an API key has no end of its own.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    until: int | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the scope, or one that implies it, is among the key's."""
        wide = {Scope.ADMIN, Scope.READ} if scope is Scope.FIGURES else {Scope.ADMIN}
        return scope in self.scopes or not wide.isdisjoint(self.scopes)


def new_key() -> str:
    """Return a fresh API key: `ombud_` and 256 random bits."""
    return f"ombud_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """Return what is kept of a key."""
    return digest(key.encode())


class KeyRing:
    """What this process knows of API keys and sessions; reads the broker again every two seconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Principal] = {}
        self._noted: dict[str, int] = {}
        self._read_at = float("-inf")

    async def find(self, key: str) -> Principal | None:
        """Return who holds `key`. Raises Unavailable when the broker is down and nothing is known yet."""
        hashed = hash_key(key)
        if monotonic() - self._read_at > (CACHED_S if hashed in self._known else UNKNOWN_S):
            await self._read()
        found = self._known.get(hashed)
        if found is None or (found.until is not None and found.until <= millis()):
            return None
        if found.until is None and millis() - self._noted.get(found.id, 0) >= NOTED_S * 1000:
            await self._note(found.id)
        return found

    async def _note(self, key_id: str) -> None:
        """Note on the broker that a key is used; where that is down a use a minute later tries again."""
        now = millis()
        self._noted[key_id] = now  # first, so that requests which come together note it once
        try:
            await self._redis.hset(KEY_USES, key_id, str(now))
        except RedisError:
            self._noted[key_id] = now - (NOTED_S - AGAIN_S) * 1000

    async def uses(self) -> dict[str, datetime]:
        """Return when keys were last used, to within an hour, as far as the broker knows. Raises Unavailable."""
        try:
            rows: Any = await self._redis.hgetall(KEY_USES)
        except RedisError as error:
            raise Unavailable("broker") from error
        return {name.decode(): datetime.fromtimestamp(int(at) / 1000, UTC) for name, at in rows.items()}

    async def _read(self) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hgetall(SESSIONS)
                pipe.hgetall(API_KEYS)
                sessions, keys = await pipe.execute()
        except RedisError as error:
            if not self._known:
                raise Unavailable("broker") from error
            return
        self._read_at = monotonic()
        self._known = {name.decode(): _principal(raw) for name, raw in (sessions | keys).items()}

    async def publish(self, principals: dict[str, Principal]) -> None:
        """Replace what every service reads: hash of a key -> who holds it. Only ingest calls this."""
        rows: dict[Any, Any] = {hashed: orjson.dumps(_row(each)) for hashed, each in principals.items()}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(API_KEYS)
            if rows:
                pipe.hset(API_KEYS, mapping=rows)
            await pipe.execute()
        self._read_at = float("-inf")

    async def sessions(self) -> dict[str, Principal]:
        """Return the sessions that every service believes: hash -> who it is. Raises Unavailable."""
        try:
            rows: Any = await self._redis.hgetall(SESSIONS)
        except RedisError as error:
            raise Unavailable("broker") from error
        return {hashed.decode(): _principal(raw) for hashed, raw in rows.items()}

    async def add_session(self, hashed: str, principal: Principal) -> None:
        """Let a session be believed everywhere, as who it is now. Raises Unavailable. Only the reporter calls this."""
        try:
            await self._redis.hset(SESSIONS, hashed, orjson.dumps(_row(principal)))
        except RedisError as error:
            raise Unavailable("broker") from error
        self._read_at = float("-inf")

    async def end_sessions(self, hashes: Sequence[str]) -> None:
        """Let sessions be believed no more. Raises Unavailable. Only the reporter calls this."""
        try:
            if hashes:
                await self._redis.hdel(SESSIONS, *hashes)
        except RedisError as error:
            raise Unavailable("broker") from error
        self._read_at = float("-inf")


def _row(principal: Principal) -> dict[str, Any]:
    row = {"id": principal.id, "name": principal.name, "scopes": sorted(principal.scopes)}
    return row if principal.until is None else row | {"until": principal.until}


def _principal(raw: bytes) -> Principal:
    row = orjson.loads(raw)
    scopes = frozenset(Scope(each) for each in row["scopes"] if each in SCOPES)
    return Principal(row["id"], row["name"], scopes, row.get("until"))


class Admission:
    """What lets a request pass or not before the first byte of its body is read."""

    async def check(self, request: Request) -> Any:
        """Raise Problem 401 or 403 if the request may not pass."""


class Requirement(Admission):
    """The dependency that lets a request pass only with a key that has a scope."""

    def __init__(self, keys: KeyRing, scope: Scope) -> None:
        self._keys = keys
        self._scope = scope

    async def __call__(
        self,
        request: Request,
        credentials: HTTPAuthorizationCredentials | None = Security(bearer),
        api_key: str | None = Security(header),
    ) -> Principal:
        """Return who asks. Raises Problem 401 (no key, or one we do not know) and 403 (a key without the scope)."""
        return await self.admit(request, credentials.credentials if credentials else api_key)

    async def admit(self, request: Request, key: str | None) -> Principal:
        """Return who holds the key that came with a request. Raises Problem 401 and 403."""
        challenge = {"WWW-Authenticate": "Bearer"}
        if not key:
            raise Problem(401, "no_key", "Send an API key as a bearer token.", headers=challenge)
        principal = await self._keys.find(key)
        if principal is None:
            raise Problem(401, "unknown_key", "This API key is not known here.", headers=challenge)
        if not principal.may(self._scope):
            raise Problem(403, "missing_scope", f"This API key lacks the scope {self._scope}.", scope=self._scope.value)
        request.state.principal = principal
        return principal

    async def check(self, request: Request) -> Principal:
        """Do the same before the framework does it."""
        return await self(request, await bearer(request), await header(request))


LEADS = frozenset({Scope.REVIEW, Scope.AUDIT})
"""Who may do both leads: of the roles of the console only a lead may, besides administrators."""


class Leading(Requirement):
    """Lets in who leads, and who administers."""

    def __init__(self, keys: KeyRing) -> None:
        super().__init__(keys, Scope.ADMIN)

    async def admit(self, request: Request, key: str | None) -> Principal:
        """Return who holds the key. Raises Problem 401, and 403 for a key that neither leads nor administers."""
        principal = await self._keys.find(key) if key else None
        if principal is None or not principal.scopes >= LEADS:
            return await super().admit(request, key)
        request.state.principal = principal
        return principal


def require(keys: KeyRing, scope: Scope) -> Requirement:
    """Return the dependency that lets a request pass only with a key that has `scope`."""
    return Requirement(keys, scope)
