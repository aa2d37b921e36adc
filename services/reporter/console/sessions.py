"""Signing in and out, accounts, and the links that make them.

Invariant: a session is a key like any other at the services, but it ends; the table is the truth, the broker holds
the copy that every service believes, and neither holds the session itself.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.reporter.console.members import Member, Preferences, preferences
from services.reporter.console.roles import SCOPES, Role
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from shared.auth import KeyRing, Principal, hash_key, new_key
from shared.bus.keys import attempts_key
from shared.clock import utcnow
from shared.errors import Problem, Unavailable
from shared.settings import Settings

log = structlog.get_logger("ombud.reporter")

SIGNINS = Counter("ombud_reporter_signins", "Tries to sign in at the console.", ["outcome"])
FAILURES_KEPT_S = 900
COMMANDS_KEPT = timedelta(days=1)
HASHER = PasswordHasher()
"""Argon2id with the parameters of RFC 9106, section 4 (low memory), which are the library's own."""


@dataclass(frozen=True, slots=True)
class Invited:
    """What a link is for: an account with a role, or a new password of the person whose `account` it names."""

    role: Role
    account: str | None = None
    name: str | None = None
    person_id: str | None = None


class Sessions:
    """People of this installation and who of them is signed in."""

    def __init__(self, store: Store, keys: KeyRing, redis: Redis, settings: ReporterSettings, common: Settings) -> None:
        self._store = store
        self._keys = keys
        self._redis = redis
        self._settings = settings
        self._common = common

    async def find(self, token: str) -> Member | None:
        """Return who is signed in with a session."""
        async with self._store.read() as connection:
            row = await self._store.session(connection, hash_key(token), utcnow())
            team = await self._store.team_settings(connection) if row is not None else {}
        if row is None:
            return None
        return Member(row.id, row.account, row.name, Role(row.role), preferences(row.preferences, team), token)

    async def sign_in(self, account: str, password: str, address: str) -> tuple[str, datetime]:
        """Return a new session and its end.

        Raises Problem 401 (wrong account or password) and 429 (too many wrong ones lately).
        """
        account = account.strip().lower()
        await self._check_failures(account, address)
        async with self._store.read() as connection:
            person = await self._store.person_of_account(connection, account)
        known = person.password if person is not None and person.disabled_at is None else None
        right = await asyncio.to_thread(_verify, known, password)
        if person is None or known is None or not right:
            await self._failed(account, address)
            SIGNINS.labels("refused").inc()
            raise Problem(401, "wrong_password", "Account and password do not belong together.")
        SIGNINS.labels("signed_in").inc()
        return await self.begin(person.id, person.name, Role(person.role))

    async def begin(self, person_id: str, name: str, role: Role, way: str = "/signin") -> tuple[str, datetime]:
        """Return a new session of a person and its end. `way`: what the history says they came by."""
        token, now = new_key(), utcnow()
        until = now + timedelta(seconds=self._settings.session_s)
        row = {"hash": hash_key(token), "person_id": person_id, "created_at": now, "until": until}
        async with self._store.begin() as connection:
            await self._store.add_session(connection, row)
            await self._store.begin_act(connection, _act(person_id, way))
        await self._keys.add_session(hash_key(token), _principal(person_id, name, role, until))
        return token, until

    async def end(self, member: Member) -> None:
        """End the session of somebody who signs out."""
        await self._drop([hash_key(member.token)], _act(member.id, "/signout"))

    async def end_all(self, person_id: str) -> None:
        """End every session of a person."""
        async with self._store.read() as connection:
            hashes = await self._store.sessions_of(connection, person_id)
        await self._drop(hashes)

    async def _drop(self, hashes: list[str], act: dict[str, Any] | None = None) -> None:
        async with self._store.begin() as connection:
            await self._store.drop_sessions(connection, hashes)
            if act is not None:
                await self._store.begin_act(connection, act)
        await self._keys.end_sessions(hashes)

    async def invite(self, role: Role, by: str, person_id: str | None = None) -> tuple[str, datetime]:
        """Return a link that makes one account with a role, or sets one person's password anew, and when it ends."""
        token, expires_at = secrets.token_urlsafe(32), utcnow() + timedelta(seconds=self._settings.person_invitation_s)
        row = {"hash": hash_key(token), "role": role.value, "created_by": by, "expires_at": expires_at, "used_at": None}
        async with self._store.begin() as connection:
            if person_id is not None:
                await self._store.drop_invitations_of(connection, person_id)  # the newest link is the one that works
            await self._store.invite(connection, row | {"person_id": person_id})
        return f"{self.origin()}/join?token={token}", expires_at

    def origin(self) -> str:
        """Return the address people know us by, without a slash at the end."""
        return (self._common.public_url or f"http://{self._common.host}:{self._common.port}").rstrip("/")

    async def first_time(self, what: str, kept_s: int) -> bool:
        """Return whether something that may happen once happens for the first time. Raises Unavailable."""
        try:
            return bool(await self._redis.set(attempts_key(what), 1, nx=True, ex=kept_s))
        except RedisError as error:
            raise Unavailable("broker") from error

    async def invited(self, token: str) -> Invited | None:
        """Return what a link is for, None if it was used or is too old."""
        async with self._store.read() as connection:
            row = await self._store.invitation(connection, hash_key(token), utcnow())
        return None if row is None else Invited(Role(row.role), row.account, row.name, row.person_id)

    async def join(self, token: str, account: str, name: str, password: str) -> tuple[str, datetime]:
        """Make an account by a link and return a new session and its end.

        Raises Problem 410 (the link is not good any more) and 409 (the account is taken).
        """
        invited = await self.invited(token)
        if invited is None:
            raise _used()
        if invited.person_id is not None:
            return await self._set_password(token, invited.person_id, password)
        row = person_row(account, name, invited.role) | {"password": await asyncio.to_thread(HASHER.hash, password)}
        async with self._store.begin() as connection:
            if not await self._store.add_person(connection, row):
                raise Problem(409, "account_taken", "Somebody else has this account.", field="account")
            if not await self._store.use_invitation(connection, hash_key(token), utcnow()):
                raise _used()
        return await self.begin(row["id"], row["name"], invited.role, "/join")

    async def _set_password(self, token: str, person_id: str, password: str) -> tuple[str, datetime]:
        hashed = await asyncio.to_thread(HASHER.hash, password)
        async with self._store.begin() as connection:
            person = await self._store.person(connection, person_id)
            used = await self._store.use_invitation(connection, hash_key(token), utcnow())
            if not used or person is None or person.disabled_at is not None:
                raise _used()
            await self._store.change_person(connection, person_id, {"password": hashed})
        await self.end_all(person_id)
        return await self.begin(person.id, person.name, Role(person.role), "/join")

    async def tell(self, person_id: str) -> None:
        """Let every service believe the open sessions of a person as what the table says: its role, or none at all."""
        async with self._store.read() as connection:
            hashes = await self._store.sessions_of(connection, person_id)
            alive = {
                row.hash: row for row in await self._store.all_sessions(connection, utcnow()) if row.id == person_id
            }
        for hashed, row in alive.items():
            await self._keys.add_session(hashed, _principal(row.id, row.name, Role(row.role), row.until))
        await self._keys.end_sessions([each for each in hashes if each not in alive])

    async def keep_preferences(self, member: Member, wanted: Preferences) -> None:
        """Keep what a person prefers."""
        async with self._store.begin() as connection:
            await self._store.change_person(connection, member.id, {"preferences": wanted.row()})

    async def tidy(self) -> None:
        """Forget what is over, and let the broker's copy say what the table says.

        The broker is asked first: what it has and the table, read later, has not, is over.
        """
        now = utcnow()
        copied = await self._keys.sessions()
        async with self._store.read() as connection:
            over = await self._store.ended_sessions(connection, now)
            alive = {row.hash: row for row in await self._store.all_sessions(connection, now)}
        if over:
            async with self._store.begin() as connection:
                await self._store.drop_sessions(connection, over)
        await self._keys.end_sessions([each for each in copied if each not in alive])
        for hashed, row in alive.items():
            if copied.get(hashed) != (who := _principal(row.id, row.name, Role(row.role), row.until)):
                await self._keys.add_session(hashed, who)

    async def forget_commands(self) -> None:
        """Forget under which ids people did something long ago."""
        async with self._store.begin() as connection:
            await self._store.drop_commands(connection, utcnow() - COMMANDS_KEPT)

    async def _check_failures(self, account: str, address: str) -> None:
        try:
            counts = await self._redis.mget(attempts_key(f"account {account}"), attempts_key(f"address {address}"))
        except RedisError as error:
            raise Unavailable("broker") from error
        limits = (self._settings.signin_failures, self._settings.signin_failures_of_address)
        if any(int(count or 0) >= limit for count, limit in zip(counts, limits, strict=True)):
            SIGNINS.labels("limited").inc()
            raise Problem(
                429,
                "too_many_attempts",
                "Too many wrong passwords lately.",
                headers={"Retry-After": str(FAILURES_KEPT_S)},
            )

    async def _failed(self, account: str, address: str) -> None:
        try:
            for what in (f"account {account}", f"address {address}"):
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.incr(attempts_key(what))
                    pipe.expire(attempts_key(what), FAILURES_KEPT_S, nx=True)
                    await pipe.execute()
        except RedisError as error:
            raise Unavailable("broker") from error


def person_row(account: str, name: str, role: Role, subject: str | None = None) -> dict[str, Any]:
    """Return the row of a new person without a password."""
    return {
        "id": str(uuid4()),
        "account": account.strip().lower(),
        "name": name.strip(),
        "password": None,
        "subject": subject,
        "role": role.value,
        "preferences": Preferences().row(),
        "created_at": utcnow(),
        "disabled_at": None,
    }


def _principal(person_id: str, name: str, role: Role, until: datetime) -> Principal:
    return Principal(f"user:{person_id}", name, SCOPES[role], int(until.timestamp() * 1000))


def _act(person_id: str, action: str) -> dict[str, Any]:
    now = utcnow()
    return {"person_id": person_id, "action": action, "object": "", "at": now, "finished_at": now}


def _used() -> Problem:
    return Problem(410, "invitation_used", "This link was used already or is too old.")


@cache
def _nobodys() -> str:
    """Return a hash that no password has: an account that is not there takes as long to refuse as one that is."""
    return HASHER.hash(secrets.token_hex(16))


def _verify(known: str | None, password: str) -> bool:
    try:
        return HASHER.verify(known or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False
