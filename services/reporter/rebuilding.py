"""Makes the read models anew: from what their owners still know, then from the streams, as far back as those go.

Invariant: the same handlers as in live operation make every row, and what is told is as live operation would have made
it, whatever stood there before. It may run beside reporters: a newer fact than the one told again always wins.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.reporter.handlers import Handlers
from services.reporter.owners_client import OwnersClient
from services.reporter.store import Store
from services.reporter.tail import Tail
from shared.bus.commit import Outcome
from shared.events import Event
from shared.exports import EXPORTS
from shared.streams import stream_of

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 500
FROM = ("posts.scored", "posts.status_changed", "posts.corrected", "posts.deleted", "models.trained", "models.promoted")
"""Streams that read models are made of. Reports, deliveries, acts and labels are the reporter's own and stay."""

Apply = Callable[[list[Event[Any]]], Awaitable[Sequence[Outcome]]]
Forget = Callable[[Any, list[str]], Awaitable[None]]


@dataclass
class Rebuilt:
    """What was done: events by export and by stream; where no owner was asked, rows by what they are, and `kept`.

    `kept` counts posts that no stream speaks of any more: they stay as they were.
    """

    exported: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FROM, 0))
    anew: dict[str, int] = field(default_factory=dict)
    kept: int = 0


Say = Callable[[Rebuilt], None]


class Rebuilding:
    """The command `rebuild`."""

    def __init__(self, store: Store, tail: Tail) -> None:
        self._store = store
        self._tail = tail
        handlers = Handlers(store, again=True)  # nothing is sent, labelled or done on a platform because of what was
        self._steps: dict[str, tuple[Apply, str, Forget | None]] = {
            "posts.scored": (handlers.on_post_scored, "scores", store.forget_scores),
            "posts.status_changed": (handlers.on_post_status_changed, "statuses", store.forget_statuses),
            "posts.corrected": (handlers.on_post_corrected, "corrections", store.forget_corrections),
            "posts.deleted": (handlers.on_post_deleted, "deletions", None),
            "models.trained": (handlers.on_model_trained, "models", None),
            "models.promoted": (handlers.on_model_promoted, "promotions", store.forget_promotions),
        }

    async def __call__(self, say: Say = lambda _: None, owners: OwnersClient | None = None) -> Rebuilt:
        """Let the owners tell what they know, then replay what the streams hold by now; `say` hears how far it is.

        Without owners only the streams speak. Raises Unavailable; before anything was changed if an owner is away.
        """
        done = Rebuilt()
        if owners is not None:
            await owners.check()
        await self._store.open()
        if owners is not None:
            await self._ask(owners, done, say)
        await self._read(done, say, alone=owners is None)
        log.info("rebuilt", **done.exported, **done.anew, kept=done.kept)
        return done

    async def _ask(self, owners: OwnersClient, done: Rebuilt, say: Say) -> None:
        """Tell again what the owners know, a page at a time: a page is all that is in memory."""
        for export in EXPORTS.values():
            done.exported[export.name] = 0
            async for page in owners.pages(export):
                for stream in export.streams:
                    events = [event for event in page if stream_of(event).name == stream]
                    if events:
                        await self._apply(stream, events, [name for name in map(_name, events) if name is not None])
                done.exported[export.name] += len(page)
                say(done)

    async def _read(self, done: Rebuilt, say: Say, *, alone: bool) -> None:
        """Replay the streams; where they are `alone`, what they speak of is forgotten before it is told first."""
        seen = self._tail.of({}, FROM)
        met: dict[str, set[str]] = {what: set() for _, what, _ in self._steps.values()}
        until, more = await self._tail.now(), True
        while more:
            read = await self._tail.read(seen, until, AT_ONCE)
            seen, more = dict(read.seen), read.more
            for stream in FROM:
                events = [event for _, name, _, event in read.found if name == stream]
                if events:
                    known = met[self._steps[stream][1]]
                    names = {name for name in map(_name, events) if name is not None} - known if alone else set()
                    known |= names
                    await self._apply(stream, events, sorted(names))
                    done.events[stream] += len(events)
            if alone:
                done.anew = {what: len(names) for what, names in met.items()}
            say(done)
        if alone:
            async with self._store.read() as connection:
                kept = await self._store.count_posts(connection) - len(met["scores"] | met["statuses"])
            done.kept = max(kept, 0)

    async def _apply(self, stream: str, events: list[Event[Any]], names: Sequence[str]) -> None:
        """Forget the ranks of some rows, so that whatever is told wins, and tell it."""
        apply, _, forget = self._steps[stream]
        if forget is not None and names:
            async with self._store.begin() as connection:
                await forget(connection, sorted(set(names)))
        await apply(events)


def _name(event: Event[Any]) -> str | None:
    """Return the key of the row an event is about."""
    if event.type.startswith("ombud.PostCorrected"):
        return str(event.data.correction_id)
    name: str | None = event.data.subject()
    return name
