"""Every question ingest asks its tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import api_keys, coral_events, cursors, invitations, requests, secrets
from shared.auth import Principal
from shared.db import Database, insert_first, insert_new, insert_those_first
from shared.vocabulary import Scope

SALT = "pseudonym_salt"

_one = (
    requests.c.principal == bindparam("p"),
    requests.c.key == bindparam("k"),
    requests.c.received_at == bindparam("at"),
)
VOID = delete(requests).where(*_one)
ANSWERED = (
    update(requests)
    .where(*_one, requests.c.status.is_(None))
    .values(status=bindparam("said"), body=bindparam("answer"))
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with an Idempotency-Key: who asks, under which key (its hash), and for what."""

    principal: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """A request that begins now: a row received before `expired` is as good as none, see `Store.begin_request`."""

    asked: Asked
    now: datetime
    expired: datetime
    abandoned: datetime

    @property
    def name(self) -> tuple[str, str]:
        """Return the key of its row."""
        return self.asked.principal, self.asked.key

    def is_free(self, known: Row[Any] | None) -> bool:
        """Return whether the row of its key stands no more in its way."""
        if known is None or known.received_at < self.expired:
            return True
        same = known.fingerprint == self.asked.fingerprint
        return same and known.status is None and known.received_at < self.abandoned


class Store:
    """API keys, invitations, the salt of author pseudonyms, cursors, answered requests, and Coral's events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def valid_keys(self) -> dict[str, Principal]:
        """Return hash -> who holds it, for every key that was not revoked."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(api_keys).where(api_keys.c.revoked_at.is_(None)))).all()
        return {row.hash: Principal(row.id, row.name, frozenset(map(Scope, row.scopes))) for row in rows}

    async def list_keys(self) -> Sequence[Row[Any]]:
        """Return every key ever made, oldest first."""
        async with self._database.read() as connection:
            return (await connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))).all()

    async def add_key(self, name: str, hashed: str, scopes: Sequence[Scope], now: datetime) -> str:
        """Keep a new key by its hash and return its id; a hash that is known already stays as it is."""
        row = {
            "id": str(uuid4()),
            "name": name,
            "hash": hashed,
            "scopes": [scope.value for scope in scopes],
            "created_at": now,
        }
        async with self._database.begin() as connection:
            await insert_new(connection, api_keys, [row])
        return row["id"]  # type: ignore[return-value]

    async def revoke_key(self, key_id: str, now: datetime) -> bool:
        """Make a key worthless; return whether there was one to revoke."""
        valid = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
        async with self._database.begin() as connection:
            return bool((await connection.execute(update(api_keys).where(valid).values(revoked_at=now))).rowcount)

    async def note_uses(self, uses: Mapping[str, datetime]) -> None:
        """Keep when keys were last used, in one statement; a later moment that is known already stays."""
        if not uses:
            return
        later = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < bindparam("at"))
        changed = update(api_keys).where(api_keys.c.id == bindparam("key"), later).values(last_used_at=bindparam("at"))
        async with self._database.begin() as connection:
            await connection.execute(changed, [{"key": key, "at": at} for key, at in sorted(uses.items())])

    async def add_invitation(self, hashed: str, expires_at: datetime) -> None:
        """Keep a one-time token by its hash."""
        async with self._database.begin() as connection:
            await insert_new(connection, invitations, [{"hash": hashed, "expires_at": expires_at}])

    async def use_invitation(self, hashed: str, now: datetime) -> bool:
        """Burn a one-time token; return whether it was still good. Two callers never both get True."""
        good = (invitations.c.hash == hashed) & invitations.c.used_at.is_(None) & (invitations.c.expires_at > now)
        async with self._database.begin() as connection:
            return bool((await connection.execute(update(invitations).where(good).values(used_at=now))).rowcount)

    async def salt(self, candidate: str) -> str:
        """Return the salt of author pseudonyms; the first candidate ever offered stays for good."""
        async with self._database.begin() as connection:
            await insert_new(connection, secrets, [{"name": SALT, "value": candidate}])
            value = await connection.execute(select(secrets.c.value).where(secrets.c.name == SALT))
            return str(value.scalar_one())

    async def take_lease(self, source: str, owner: str, now: datetime, until: datetime) -> Row[Any] | None:
        """Return the source's row if `owner` may collect until then; None while somebody else does."""
        new = {"source": source, "state": "waiting", "posts": 0}
        free = or_(cursors.c.lease_until.is_(None), cursors.c.lease_until <= now, cursors.c.owner == owner)
        async with self._database.begin() as connection:
            await insert_new(connection, cursors, [new])
            taken = update(cursors).where(cursors.c.source == source, free).values(owner=owner, lease_until=until)
            if not (await connection.execute(taken)).rowcount:
                return None
            return (await connection.execute(select(cursors).where(cursors.c.source == source))).one()

    async def move_cursor(
        self, source: str, owner: str, cursor: Mapping[str, Any], posts: int, now: datetime, until: datetime
    ) -> bool:
        """Keep where to go on and renew the lease; False when somebody else holds it by now."""
        values = {
            "cursor": dict(cursor),
            "posts": cursors.c.posts + posts,
            "moved_at": now,
            "lease_until": until,
            "state": "collecting",
            "error": None,
        }
        mine = (cursors.c.source == source) & (cursors.c.owner == owner)
        async with self._database.begin() as connection:
            return bool((await connection.execute(update(cursors).where(mine).values(values))).rowcount)

    async def let_go(self, source: str, owner: str, *, state: str, error: str | None) -> None:
        """Give the lease back and say how the collector stands."""
        mine = (cursors.c.source == source) & (cursors.c.owner == owner)
        values = {"lease_until": None, "owner": None, "state": state, "error": error}
        async with self._database.begin() as connection:
            await connection.execute(update(cursors).where(mine).values(values))

    async def list_cursors(self) -> dict[str, Row[Any]]:
        """Return every collector's row by the name of its source."""
        async with self._database.read() as connection:
            return {row.source: row for row in (await connection.execute(select(cursors))).all()}

    async def begin_request(
        self, asked: Asked, now: datetime, *, expired: datetime, abandoned: datetime
    ) -> Row[Any] | None:
        """Return what is known of a request, or None if it is new and the caller's to answer.

        A row received before `expired` is as good as none; so is one of the same request that nobody answered and
        that was received before `abandoned`. Of several callers at once exactly one gets None.
        """
        return await self._database.together(_begun, Beginning(asked, now, expired, abandoned))

    async def answer_request(self, asked: Asked, received_at: datetime, status: int, body: bytes) -> None:
        """Keep the answer of a request that is still the caller's."""
        mine = {"p": asked.principal, "k": asked.key, "at": received_at, "said": status, "answer": body}
        await self._database.together(_answered, mine)

    async def forget_request(self, asked: Asked, received_at: datetime) -> None:
        """Forget a request that was not answered for good, so that it can be sent again at once."""
        async with self._database.begin() as connection:
            await connection.execute(
                delete(requests).where(_same(asked), requests.c.received_at == received_at, requests.c.status.is_(None))
            )

    async def forget_requests(self, before: datetime) -> None:
        """Forget every request that was received before a moment."""
        async with self._database.begin() as connection:
            await connection.execute(delete(requests).where(requests.c.received_at < before))

    async def keep_coral_event(self, row: Mapping[str, Any]) -> bool:
        """Keep an event of Coral's and return whether it was new."""
        async with self._database.begin() as connection:
            return await insert_first(connection, coral_events, row)

    async def list_coral_events(self, source: str, limit: int) -> Sequence[Row[Any]]:
        """Return the newest events of a source, newest first."""
        newest = coral_events.c.received_at.desc(), coral_events.c.event_id
        question = select(coral_events).where(coral_events.c.source == source).order_by(*newest).limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(question)).all()

    async def drop_coral_events(self, before: datetime) -> int:
        """Forget events that were received before a moment; return how many."""
        old = coral_events.c.received_at < before
        async with self._database.begin() as connection:
            return (await connection.execute(delete(coral_events).where(old))).rowcount


async def _begun(connection: AsyncConnection, beginnings: Sequence[Beginning]) -> list[Row[Any] | None]:
    """Return for each request what is known of it, None if it is the caller's from now on; the first of a key wins."""
    known = await _known(connection, {each.name for each in beginnings})
    mine: dict[tuple[str, str], Beginning] = {}
    for each in beginnings:
        if each.is_free(known.get(each.name)):
            mine.setdefault(each.name, each)
    void = [{"p": row.principal, "k": row.key, "at": row.received_at} for name, row in known.items() if name in mine]
    if void:
        await connection.execute(VOID, void)
    rows = [
        {"principal": name[0], "key": name[1], "fingerprint": each.asked.fingerprint, "received_at": each.now}
        for name, each in sorted(mine.items())
    ]
    # of several processes that insert the same key one gets it back
    won = await insert_those_first(connection, requests, rows)
    ours = {id(each) for name, each in mine.items() if name in won}
    known = await _known(connection, {each.name for each in beginnings if id(each) not in ours})
    return [None if id(each) in ours else known[each.name] for each in beginnings]


async def _known(connection: AsyncConnection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Row[Any]]:
    if not names:
        return {}
    which = tuple_(requests.c.principal, requests.c.key).in_(sorted(names))
    return {(row.principal, row.key): row for row in await connection.execute(select(requests).where(which))}


async def _answered(connection: AsyncConnection, answers: Sequence[Mapping[str, Any]]) -> Sequence[None]:
    """Keep answers of requests that are still their callers'."""
    await connection.execute(ANSWERED, list(answers))
    return [None] * len(answers)


def _same(asked: Asked) -> ColumnElement[bool]:
    return (requests.c.principal == asked.principal) & (requests.c.key == asked.key)
