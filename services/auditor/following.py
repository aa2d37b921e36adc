"""What the auditor does about audits when a model is put in force, a post goes, or ratings are taken back.

Invariant: which model is in force is the newest word about it, however often and in which order words arrive.
"""

from collections.abc import Sequence

from services.auditor.audit_store import AuditStore
from services.auditor.handlers import Handlers
from shared.bus.commit import Done, Outcome
from shared.events import Event, ModelPromoted, PostDeleted, PostRated
from shared.vocabulary import ModelKind


class Following:
    """Keeps audits up with what the handlers hear."""

    def __init__(self, store: AuditStore, handlers: Handlers) -> None:
        self._store = store
        self._handlers = handlers

    async def on_model_promoted(self, events: list[Event[ModelPromoted]]) -> Sequence[Outcome]:
        """Keep name, version and artifact of each model that judges everybody's posts."""
        rows = [
            {
                "model_version": event.data.model_version,
                "model": event.data.model,
                "artifact": event.data.artifact,
                "replaces": event.data.replaces,
                "layer": event.data.layer,
                "promoted_at": event.data.promoted_at,
            }
            for event in events
            if event.data.kind is ModelKind.GLOBAL
        ]
        if rows:
            await self._store.note_systems(rows)
        return [Done() for _ in events]

    async def on_post_deleted(self, events: list[Event[PostDeleted]]) -> Sequence[Outcome]:
        """Erase posts, and then what people noted on them."""
        outcomes = await self._handlers.on_post_deleted(events)
        await self._store.forget_notes()
        return outcomes

    async def on_post_rated(self, events: list[Event[PostRated]]) -> Sequence[Outcome]:
        """Keep ratings; of those that are taken back, forget what audits made of them, too."""
        outcomes = await self._handlers.on_post_rated(events)
        for event in events:
            if event.data.withdrawn is not None:
                model = None if event.data.withdrawn == "all" else event.data.model or ""
                await self._store.forget_ratings(event.data.rater, model)
        return outcomes
