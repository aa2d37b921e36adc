"""What begins, changes and ends audits, and what people call their models.

Invariant: an audit's id follows from the command that began it, so that a repeated command begins no second audit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from services.auditor.audit_store import AuditStore
from shared.auth import Principal
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import digest, stable_id
from shared.vocabulary import Scope

TRIES = 5
"""How often a number is asked for that somebody else was given first."""


@dataclass(frozen=True, slots=True)
class Command:
    """Whose command it is, under which Idempotency-Key, and the hash of what was asked."""

    owner: str
    key: str | None
    request_hash: str

    def name(self, kind: str) -> str:
        """Return the id of what the command makes: the same for a repetition, new without a key."""
        return stable_id(kind, self.owner, digest(self.key.encode()) if self.key else uuid4())


class Auditing:
    """Audits and their owners."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def begin(self, command: Command, values: Mapping[str, Any]) -> Stored:
        """Begin an audit of the system in force. Raises Problem 409 while no system is known here."""
        audit_id, now = command.name("audit"), utcnow()
        known = await self._store.audit(audit_id, command.owner)
        if known is None:
            system = await self._store.live_system()
            if system is None:
                raise Problem(409, "no_system", "No model is in force yet, so there is nothing to audit.")
            await self._own_model(command.owner, values["model"])
            row = {
                **values,
                "audit_id": audit_id,
                "owner": command.owner,
                "version": 1,
                "request_hash": command.request_hash,
                "system": system.model,
                "system_version": system.model_version,
                "created_at": now,
                "updated_at": now,
            }
            await self._store.begin_audit(row)
            known = await self._found(audit_id, command.owner)
        if known.request_hash != command.request_hash:
            raise Problem(
                422, "idempotency_key_reused", "This key came with another request before.", field="Idempotency-Key"
            )
        return known

    async def own(self, principal: Principal, audit_id: str) -> Stored:
        """Return an audit. Raises Problem 404 if it is not the caller's; who administers sees all."""
        return await self._found(audit_id, None if principal.may(Scope.ADMIN) else principal.id)

    async def change(self, audit: Stored, version: int, values: Mapping[str, Any]) -> Stored:
        """Change an audit that still has the version the caller saw. Raises Problem 409 with the one it has now."""
        if not await self._store.change_audit(audit.audit_id, version, {**values, "updated_at": utcnow()}):
            now = await self._found(audit.audit_id, None)
            raise Problem(409, "stale_version", "Somebody changed it in between.", field="version", current=now.version)
        return await self._found(audit.audit_id, None)

    async def name_model(self, command: Command, name: str) -> Stored:
        """Return a new model of somebody's; its id is opaque, and its ratings begin it."""
        model, now = command.name("model of a person"), utcnow()
        row = {"owner": command.owner, "model": model, "name": name, "version": 1, "created_at": now, "updated_at": now}
        await self._store.name_model(row)
        return await self._named(command.owner, model)

    async def rename_model(self, owner: str, model: str, version: int, name: str) -> Stored:
        """Return a model under another name. Raises Problem 404, and 409 if it was renamed in between."""
        found = await self._named(owner, model)
        if not await self._store.rename_model(owner, model, version, name, utcnow()):
            raise Problem(
                409, "stale_version", "Somebody changed it in between.", field="version", current=found.version
            )
        return await self._named(owner, model)

    async def _own_model(self, owner: str, model: str) -> None:
        if model and await self._store.named_model(owner, model) is None:
            raise Problem(422, "unknown_model", "You have no model of this id; name one first.", field="model")

    async def _named(self, owner: str, model: str) -> Stored:
        found = await self._store.named_model(owner, model)
        if found is None:
            raise not_found("model")
        return found

    async def _found(self, audit_id: str, owner: str | None) -> Stored:
        found = await self._store.audit(audit_id, owner)
        if found is None:
            raise not_found("audit")
        return found
