"""What the auditor does about audits when another model is put in force.

Invariant: which model is in force is the newest word about it, however often and in which order words arrive.
"""

from collections.abc import Sequence

from services.auditor.audit_store import AuditStore
from shared.bus.commit import Done, Outcome
from shared.events import Event, ModelPromoted
from shared.vocabulary import ModelKind


class Following:
    """Keeps which system audits are of."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def on_model_promoted(self, events: Sequence[Event[ModelPromoted]]) -> list[Outcome]:
        """Keep name, version and artifact of each model that judges everybody's posts."""
        rows = [
            {
                "model_version": event.data.model_version,
                "model": event.data.model,
                "artifact": event.data.artifact,
                "replaces": event.data.replaces,
                "promoted_at": event.data.promoted_at,
            }
            for event in events
            if event.data.kind is ModelKind.GLOBAL
        ]
        if rows:
            await self._store.note_systems(rows)
        return [Done() for _ in events]
