"""Makes the read models anew from the streams, as far back as those go.

Invariant: what a stream speaks of is as live operation would have made it, whatever stood there before; what is older
than the streams is kept as it is. It may run beside reporters: a newer fact than the replayed one always wins.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.reporter.handlers import Handlers
from services.reporter.store import Store
from services.reporter.tail import Tail
from shared.bus.commit import Outcome
from shared.events import Event

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 500
FROM = ("posts.scored", "posts.status_changed", "posts.corrected", "posts.deleted", "models.trained", "models.promoted")
"""Streams that read models are made of. Reports, deliveries, acts and labels are the reporter's own and stay."""

Apply = Callable[[list[Event[Any]]], Awaitable[Sequence[Outcome]]]
Forget = Callable[[Any, list[str]], Awaitable[None]]


@dataclass
class Rebuilt:
    """What was done: events by stream, rows that were made anew, and posts that no stream speaks of any more."""

    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FROM, 0))
    anew: dict[str, int] = field(default_factory=dict)
    kept: int = 0


class Rebuilding:
    """The command `rebuild`."""

    def __init__(self, store: Store, tail: Tail) -> None:
        self._store = store
        self._tail = tail
        handlers = Handlers(store)  # nothing is sent, labelled or done on a platform because of what was
        self._steps: dict[str, tuple[Apply, str, Forget | None]] = {
            "posts.scored": (handlers.on_post_scored, "scores", store.forget_scores),
            "posts.status_changed": (handlers.on_post_status_changed, "statuses", store.forget_statuses),
            "posts.corrected": (handlers.on_post_corrected, "corrections", store.forget_corrections),
            "posts.deleted": (handlers.on_post_deleted, "deletions", None),
            "models.trained": (handlers.on_model_trained, "models", None),
            "models.promoted": (handlers.on_model_promoted, "promotions", store.forget_promotions),
        }

    async def __call__(self, say: Callable[[Rebuilt], None] = lambda _: None) -> Rebuilt:
        """Replay everything the streams hold by now; `say` hears how far it is. Raises Unavailable."""
        await self._store.open()
        done, seen = Rebuilt(), dict.fromkeys(FROM, "0-0")
        met: dict[str, set[str]] = {what: set() for _, what, _ in self._steps.values()}
        until, more = await self._tail.now(), True
        while more:
            read = await self._tail.read(seen, until, AT_ONCE)
            seen, more = dict(read.seen), read.more
            for stream in FROM:
                events = [event for _, name, _, event in read.found if name == stream]
                if events:
                    await self._replay(stream, events, met)
                    done.events[stream] += len(events)
            done.anew = {what: len(names) for what, names in met.items()}
            say(done)
        async with self._store.read() as connection:
            done.kept = await self._store.count_posts(connection) - len(met["scores"] | met["statuses"])
        done.kept = max(done.kept, 0)
        log.info("rebuilt", **done.anew, kept=done.kept)
        return done

    async def _replay(self, stream: str, events: list[Event[Any]], met: dict[str, set[str]]) -> None:
        apply, what, forget = self._steps[stream]
        names = [name for name in map(_name, events) if name is not None]
        first = sorted(set(names) - met[what])
        if forget is not None and first:
            async with self._store.begin() as connection:
                await forget(connection, first)
        met[what].update(first)
        await apply(events)


def _name(event: Event[Any]) -> str | None:
    """Return the key of the row an event is about."""
    if event.type.startswith("ombud.PostCorrected"):
        return str(event.data.correction_id)
    name: str | None = event.data.subject()
    return name
