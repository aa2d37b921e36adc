"""One reader per process, any number of listeners: whoever connects gets what was missed, then what is said.

Invariant: a listener gets every event that passes its filters once, in the order of positions. One that does not keep
up is let go and comes back with the position it got to; nobody else waits for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Gauge

from services.reporter.feed import OLDEST, Filters, Item, Position, Seen
from services.reporter.tail import Tail
from shared.errors import Problem, Unavailable, describe

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 500
"""Entries of one stream read at a time."""
SCANNED_AT_ONCE = 10
"""Reads of one pull; a filter that lets little pass answers with fewer events, not later."""
GATHER_S = 0.02
"""Between the first new entry and the read: fifty reads a second at most, however much is said."""
BLOCK_MS = 1_000
LOOK_S = 1.0
"""A listener without news looks this often whether it should end."""
AGAIN_S = 1.0

LISTENERS = Gauge("ombud_reporter_feed_listeners", "Open event feeds of this process.")
LET_GO = Counter("ombud_reporter_feed_dropped_listeners", "Event feeds ended because their listener was too slow.")


@dataclass(eq=False)
class Listener:
    """Somebody who follows the feed, and what waits for them."""

    filters: Filters
    room: int
    since: Position
    waiting: deque[Item] = field(default_factory=deque)
    overrun: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, items: list[Item]) -> None:
        """Add what passes; with no room left, remember only that something is missing."""
        wanted = [each for each in items if self.filters.pass_(each)]
        if len(self.waiting) + len(wanted) > self.room:
            self.overrun = True
            self.waiting.clear()
        elif not self.overrun:
            self.waiting.extend(wanted)
        if wanted:
            self.news.set()

    async def take(self, within_s: float) -> list[Item]:
        """Return what waits, as soon as something does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.news.wait()
        self.news.clear()
        taken = list(self.waiting)
        self.waiting.clear()
        return taken


@dataclass(frozen=True, slots=True)
class Said:
    """What a listener gets next: events, maybe none, and the position up to which it has everything now."""

    items: list[Item]
    position: Position


class Broadcast:
    """The feed of this process. `room` events may wait for each of at most `listeners` listeners."""

    def __init__(self, tail: Tail, *, listeners: int, room: int, draining: Callable[[], bool]) -> None:
        self._tail = tail
        self._limit = listeners
        self._room = room
        self._draining = draining
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._at = OLDEST

    async def now(self) -> Position:
        """Return the position that everything said from now on comes after. Raises Unavailable."""
        return await self._tail.now()

    async def page(self, filters: Filters, after: Position, limit: int) -> tuple[Said, bool]:
        """Return up to `limit` events after a position, and whether there may be more right away."""
        until, found = await self._tail.now(), list[Item]()
        seen = self._tail.until(after, filters.streams)
        for _ in range(SCANNED_AT_ONCE):
            read = await self._tail.read(seen, until, AT_ONCE)
            seen = read.seen
            found += [each for each in read.items if filters.pass_(each)]
            if len(found) >= limit:
                return Said(found[:limit], found[limit - 1].position), True
            if not read.more:
                return Said(found, max(after, until)), False
        return Said(found, _reached(seen)), True

    def check_room(self) -> None:
        """Raise Problem 503 when nobody else can listen."""
        if len(self._listeners) >= self._limit or self._draining():
            raise Problem(503, "too_many_listeners", "Too many feeds are open here.", headers={"Retry-After": "5"})

    @asynccontextmanager
    async def listening(self, filters: Filters) -> AsyncIterator[Listener]:
        """Yield a listener that is told what is said from now on; it counts until the end of the context."""
        async with self._starting:
            if self._reader is None or self._reader.done():
                self._at = max(self._at, await self._tail.now())
                self._reader = asyncio.create_task(self._run(), name="event feed")
            listener = Listener(filters, self._room, self._at)
            self._listeners.add(listener)
        LISTENERS.set(len(self._listeners))
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            LISTENERS.set(len(self._listeners))

    async def follow(self, listener: Listener, after: Position | None) -> AsyncIterator[Said]:
        """Yield what a listener missed and then what is said, until it does not keep up or this process ends.

        At least every second it yields, with nothing if there was nothing.
        """
        at = listener.since if after is None else after
        floor = at
        yield Said([], at)
        while at < listener.since and not self._ending():
            async for said in self._missed(listener, at):
                at = said.position
                yield said
            if listener.overrun:  # more was said while we read than there is room for: read that, too
                listener.overrun, listener.since = False, self._at
        while not listener.overrun and not self._ending():
            items = await listener.take(LOOK_S)
            if not listener.overrun:
                # another process may have told more already than ours had read when they came here
                items = [each for each in items if each.position > floor]
                yield Said(items, items[-1].position if items else max(floor, self._at))
        if listener.overrun:
            LET_GO.inc()

    async def _missed(self, listener: Listener, at: Position) -> AsyncIterator[Said]:
        seen, more = self._tail.until(at, listener.filters.streams), True
        while more and not self._ending():
            read = await self._tail.read(seen, listener.since, AT_ONCE)
            seen, more = read.seen, read.more
            position = _reached(seen) if more else listener.since
            yield Said([each for each in read.items if listener.filters.pass_(each)], position)

    def _ending(self) -> bool:
        return self._draining() or self._reader is None or self._reader.done()

    async def close(self) -> None:
        """End the reader, and with it every feed."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _run(self) -> None:
        seen, failing = self._tail.until(self._at, Filters().streams), False
        while self._listeners:
            try:
                await self._tail.wait(seen, BLOCK_MS)
                await asyncio.sleep(GATHER_S)
                seen = await self._tell(seen)
                failing = False
            except Unavailable as error:
                if not failing:
                    log.warning("the event feed waits for the broker", error=describe(error))
                failing = True
                await asyncio.sleep(AGAIN_S)

    async def _tell(self, seen: Seen) -> Seen:
        until, more = await self._tail.now(), True
        while more:
            read = await self._tail.read(seen, until, AT_ONCE)
            seen, more, items = read.seen, read.more, read.items
            # from here to the end of the round nothing waits: who joins in between would miss or double it
            for listener in self._listeners:
                listener.give(items)
            self._at = max(self._at, _reached(seen) if more else until)
        return seen


def _reached(seen: Seen) -> Position:
    """Return the position of the newest entry that was read."""
    return max(Position.of(name, entry.encode()) for name, entry in seen.items())
