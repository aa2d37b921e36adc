"""What administrators do with people: change roles, let in and keep out, end sessions, set passwords anew.

Invariant: at least one person who may sign in has the role `admin`; who loses a role or is kept out has lost it in the
console at once, and at every service when the broker was told. A removed account leaves an id and no name.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.reporter.console.oidc import Identity, Rules
from services.reporter.console.roles import Role
from services.reporter.console.sessions import Sessions, person_row
from services.reporter.store import Store, Stored
from shared.clock import utcnow
from shared.errors import Problem, not_found


class People:
    """People of this installation, as administrators see them."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    async def change_role(self, person_id: str, role: Role) -> Role:
        """Give a person another role; return the one before. Raises Problem 404 and 409 (the last administrator)."""
        before = await self._change(person_id, {"role": role.value}, leaves=role is not Role.ADMIN)
        await self._sessions.tell(person_id)
        return Role(before.role)

    async def disable(self, person_id: str) -> None:
        """Keep a person out and end what they have open. Raises Problem 404 and 409 (the last administrator)."""
        await self._change(person_id, {"disabled_at": utcnow()}, leaves=True)
        await self._sessions.end_all(person_id)

    async def enable(self, person_id: str) -> None:
        """Let a person in again. Raises Problem 404."""
        await self._change(person_id, {"disabled_at": None}, leaves=False)

    async def end_sessions(self, person_id: str) -> int:
        """Sign a person out everywhere; return of how many sessions. Raises Problem 404."""
        async with self._store.read() as connection:
            if await self._store.person(connection, person_id) is None:
                raise not_found("person")
            count = len(await self._store.sessions_of(connection, person_id))
        await self._sessions.end_all(person_id)
        return count

    async def reset(self, person_id: str, by: str) -> str:
        """Return a link under which a person chooses another password, once.

        Raises Problem 404, and 409 for somebody who is kept out or whom an identity provider signs in.
        """
        async with self._store.read() as connection:
            person = await self._store.person(connection, person_id)
        if person is None:
            raise not_found("person")
        if person.disabled_at is not None:
            raise Problem(409, "person_disabled", "Let this person in first.")
        if person.subject is not None:
            raise Problem(409, "provider_account", "This person signs in with your organisation and has no password.")
        return (await self._sessions.invite(Role(person.role), by, person_id))[0]

    async def withdraw(self, hashed: str) -> str:
        """Make a link worthless; return the role it would have given. Raises Problem 404."""
        async with self._store.begin() as connection:
            role = await self._store.drop_invitation(connection, hashed)
        if role is None:
            raise not_found("invitation")
        return role

    async def remove(self, person_id: str) -> tuple[int, Sequence[Stored]]:
        """Remove an account with the reports it never submitted; return how many these were, and what was submitted.

        What was sent stays: others have it, under an id that is kept with it. Raises Problem 404 and 409 (the last
        administrator).
        """
        await self.disable(person_id)
        owner = f"user:{person_id}"
        async with self._store.begin() as connection:
            await self._store.close_gate(
                connection
            )  # who is completing or sending one of them is done, or comes too late
            dropped = await self._store.drop_unsent_of(connection, owner)
            await self._store.forget_person(connection, person_id, utcnow())
            return dropped, await self._store.submitted_of(connection, owner)

    async def enter(self, known: Identity, rules: Rules) -> tuple[str, datetime]:
        """Return a new session, and its end, of whom a provider knows; the first time they get an account.

        Where the operator maps roles, the role follows what the provider says today. Raises Problem 403 and 409.
        """
        async with self._store.begin() as connection:
            person = await self._store.person_of_subject(connection, known.subject)
            if person is None:
                if known.role is None:
                    raise Problem(403, "provider_not_admitted", "Nobody gave this person a role.", why="no_role")
                row = person_row(known.account, known.name, known.role, known.subject)
                if not await self._store.add_person(connection, row):
                    raise Problem(409, "provider_not_admitted", "Somebody has this account.", why="account_taken")
                person = await self._store.person_of_subject(connection, known.subject)
        if person is None or person.disabled_at is not None:
            raise Problem(403, "provider_not_admitted", "This person is kept out.", why="kept_out")
        role = Role(person.role)
        if rules.roles and known.role not in (None, role):
            role = await self._follow(person.id, role, known.role or role)
        return await self._sessions.begin(person.id, person.name, role)

    async def _follow(self, person_id: str, role: Role, wanted: Role) -> Role:
        try:
            await self.change_role(person_id, wanted)
        except Problem as problem:
            if problem.reason != "last_admin":
                raise
            return role  # somebody has to be administrator, whatever the provider says
        return wanted

    async def _change(self, person_id: str, values: Mapping[str, Any], *, leaves: bool) -> Stored:
        async with self._store.begin() as connection:
            admins = await self._store.lock_role(connection, Role.ADMIN.value)
            before = await self._store.person(connection, person_id)
            if before is None:
                raise not_found("person")
            if leaves and admins == {person_id}:
                raise Problem(409, "last_admin", "Somebody has to be administrator: make another one first.")
            await self._store.change_person(connection, person_id, values)
        return before
