"""Questions about people, who is signed in, invitations, and what was done under which command id.

Invariant: of a session, an invitation or a password only what cannot be turned back is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import commands, invitations, notes, people, reveals, sessions, tries, views
from shared.db import insert_first, upsert

ACTIVE = people.c.disabled_at.is_(None)


class PeopleQueries:
    """People of the console and their sessions."""

    async def person_of_account(self, connection: AsyncConnection, account: str) -> Row[Any] | None:
        """Return who signs in under an account, also if that is not allowed any more."""
        return (await connection.execute(select(people).where(people.c.account == account))).first()

    async def person_of_subject(self, connection: AsyncConnection, subject: str) -> Row[Any] | None:
        """Return whom an identity provider knows under a subject."""
        return (await connection.execute(select(people).where(people.c.subject == subject))).first()

    async def add_person(self, connection: AsyncConnection, row: Mapping[str, Any]) -> bool:
        """Add a person; return False if the account is taken."""
        taken = select(func.count()).select_from(people).where(people.c.account == row["account"])
        if (await connection.execute(taken)).scalar_one():
            return False
        return await insert_first(connection, people, row)

    async def person(self, connection: AsyncConnection, person_id: str) -> Row[Any] | None:
        """Return one person."""
        return (await connection.execute(select(people).where(people.c.id == person_id))).first()

    async def list_people(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        """Return everybody by name."""
        return (await connection.execute(select(people).order_by(people.c.name, people.c.id))).all()

    async def active_people(self, connection: AsyncConnection, roles: Iterable[str]) -> Sequence[Row[Any]]:
        """Return those who may sign in and have one of these roles, by name."""
        where = (people.c.role.in_(list(roles)), ACTIVE)
        return (await connection.execute(select(people).where(*where).order_by(people.c.name, people.c.id))).all()

    async def lock_role(self, connection: AsyncConnection, role: str) -> set[str]:
        """Return who may sign in with a role; nobody else changes them until the transaction ends."""
        question = select(people.c.id).where(people.c.role == role, ACTIVE).order_by(people.c.id)
        return {row.id for row in await connection.execute(question.with_for_update())}

    async def signed_in(self, connection: AsyncConnection, now: datetime) -> dict[str, tuple[int, datetime]]:
        """Return how many sessions each person has that have not ended, and when the newest began."""
        question = select(sessions.c.person_id, func.count().label("open"), func.max(sessions.c.created_at).label("at"))
        question = question.where(sessions.c.until > now).group_by(sessions.c.person_id)
        return {row.person_id: (row.open, row.at) for row in await connection.execute(question)}

    async def change_person(self, connection: AsyncConnection, person_id: str, values: Mapping[str, Any]) -> bool:
        """Set columns of a person; return whether there is one."""
        changed = await connection.execute(update(people).where(people.c.id == person_id).values(**values))
        return bool(changed.rowcount)

    async def forget_person(self, connection: AsyncConnection, person_id: str, now: datetime) -> None:
        """Leave of an account only its id, which what was done names, and take away what was this person's alone."""
        nobody: dict[str, Any] = {
            "account": f"removed {person_id}",
            "name": "",
            "password": None,
            "subject": None,
            "preferences": {},
        }
        await self.change_person(connection, person_id, nobody | {"disabled_at": now})
        await connection.execute(delete(views).where(views.c.person_id == person_id, views.c.team.is_(False)))
        for table in (commands, reveals, notes, tries):
            await connection.execute(delete(table).where(table.c.person_id == person_id))
        await self.drop_invitations_of(connection, person_id)

    async def add_session(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Remember that somebody has signed in."""
        await upsert(connection, sessions, [row])

    async def session(self, connection: AsyncConnection, hashed: str, now: datetime) -> Any:
        """Return who is signed in under a session that has not ended, with their preferences."""
        columns = (sessions.c.until, people.c.id, people.c.account, people.c.name, people.c.role, people.c.preferences)
        question = select(*columns).join(people, people.c.id == sessions.c.person_id)
        question = question.where(sessions.c.hash == hashed, sessions.c.until > now, ACTIVE)
        return (await connection.execute(question)).first()

    async def all_sessions(self, connection: AsyncConnection, now: datetime) -> Sequence[Any]:
        """Return every session that has not ended: its hash and end, and who it is."""
        columns = (sessions.c.hash, sessions.c.until, people.c.id, people.c.name, people.c.role)
        question = select(*columns).join(people, people.c.id == sessions.c.person_id)
        return (await connection.execute(question.where(sessions.c.until > now, ACTIVE))).all()

    async def sessions_of(self, connection: AsyncConnection, person_id: str) -> list[str]:
        """Return the hashes of a person's sessions."""
        rows = await connection.execute(select(sessions.c.hash).where(sessions.c.person_id == person_id))
        return [row.hash for row in rows]

    async def drop_sessions(self, connection: AsyncConnection, hashes: Sequence[str]) -> None:
        """Forget sessions."""
        if hashes:
            await connection.execute(delete(sessions).where(sessions.c.hash.in_(hashes)))

    async def ended_sessions(self, connection: AsyncConnection, now: datetime) -> list[str]:
        """Return sessions that are over."""
        return [row.hash for row in await connection.execute(select(sessions.c.hash).where(sessions.c.until <= now))]

    async def invite(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Remember an invitation."""
        await upsert(connection, invitations, [row])

    async def invitation(self, connection: AsyncConnection, hashed: str, now: datetime) -> Row[Any] | None:
        """Return an invitation that is still good."""
        good = (invitations.c.hash == hashed, invitations.c.used_at.is_(None), invitations.c.expires_at > now)
        question = select(invitations, people.c.account, people.c.name)
        question = question.outerjoin(people, people.c.id == invitations.c.person_id)
        return (await connection.execute(question.where(*good))).first()

    async def open_invitations(self, connection: AsyncConnection, now: datetime) -> Sequence[Row[Any]]:
        """Return the links that still work, with whose password they set anew, the newest last."""
        question = select(invitations, people.c.name).outerjoin(people, people.c.id == invitations.c.person_id)
        good = (invitations.c.used_at.is_(None), invitations.c.expires_at > now)
        return (await connection.execute(question.where(*good).order_by(invitations.c.expires_at))).all()

    async def drop_invitations_of(self, connection: AsyncConnection, person_id: str) -> None:
        """Let no link set a person's password any more."""
        await connection.execute(delete(invitations).where(invitations.c.person_id == person_id))

    async def drop_invitation(self, connection: AsyncConnection, hashed: str) -> str | None:
        """Withdraw a link; return the role it would have given, None if there is none."""
        gone = delete(invitations).where(invitations.c.hash == hashed, invitations.c.used_at.is_(None))
        found = (await connection.execute(gone.returning(invitations.c.role))).first()
        return None if found is None else str(found.role)

    async def use_invitation(self, connection: AsyncConnection, hashed: str, now: datetime) -> bool:
        """Burn an invitation; of several callers at once exactly one gets True."""
        good = (invitations.c.hash == hashed, invitations.c.used_at.is_(None), invitations.c.expires_at > now)
        return bool((await connection.execute(update(invitations).where(*good).values(used_at=now))).rowcount)

    async def begin_command(self, connection: AsyncConnection, row: Mapping[str, Any]) -> bool:
        """Take a command id; return False if it was taken before."""
        return await insert_first(connection, commands, row)

    async def command(self, connection: AsyncConnection, person_id: str, command_id: str) -> Row[Any] | None:
        """Return what is known of a command."""
        where = (commands.c.person_id == person_id, commands.c.command_id == command_id)
        return (await connection.execute(select(commands).where(*where))).first()

    async def answer_command(self, connection: AsyncConnection, person_id: str, command_id: str, answer: Any) -> None:
        """Keep the answer of a command."""
        where = (commands.c.person_id == person_id, commands.c.command_id == command_id)
        await connection.execute(update(commands).where(*where).values(answer=answer))

    async def forget_command(self, connection: AsyncConnection, person_id: str, command_id: str) -> None:
        """Let a command that could not be done be tried again."""
        where = (commands.c.person_id == person_id, commands.c.command_id == command_id)
        await connection.execute(delete(commands).where(*where))

    async def drop_commands(self, connection: AsyncConnection, before: datetime) -> None:
        """Forget commands of long ago."""
        await connection.execute(delete(commands).where(commands.c.at < before))
