"""The queue as who reviews one post after the other meets it: mixed, and without what they skip today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.mixing import IN_A_ROW, LATELY, Part, mixed, row_of
from services.reporter.queue import Filters, Place, falling
from services.reporter.store import Connection, Stored


@dataclass(frozen=True, slots=True)
class Way:
    """Where the next post is looked for, one after the other: a part of the queue, and from which place on."""

    steps: tuple[tuple[Part, Place | None], ...]


class Focus:
    """The queue of somebody. What an address asks for by name is never left out of it."""

    def __init__(self, parts: Parts, member: Member, filters: Filters, now: datetime) -> None:
        self._store, self._high = parts.store, parts.settings.severity_high
        self._member, self._filters, self._now = member, filters, now
        skipped = member.preferences.skipped(now)
        self.skips = tuple(each for each in skipped if each not in filters.category)
        self._mixed = member.preferences.mixed

    async def first(self, connection: Connection, limit: int) -> Sequence[Stored]:
        """Return the posts that come next from the start of the queue."""
        page, filters, skips = self._store.page_of_queue, self._filters, self.skips
        if not self._mixed:
            return await page(connection, filters, None, limit, Part(skips))
        high = await page(connection, filters, None, limit, Part(skips, least=self._high))
        others = await page(connection, filters, None, limit, Part(skips, under=self._high))
        row = row_of(is_high for _, is_high in await self._lately(connection, None))
        return mixed(high, others, row, self._before)[:limit]

    async def after(self, connection: Connection, post_id: str | None, *, decided: bool) -> Way:
        """Return where the post after `post_id` is looked for; `decided`: a verdict was just given on that one."""
        everything = Part(self.skips)
        place = await self._store.queue_after(connection, self._filters, post_id) if post_id else None
        back = [(everything, None)] if place is not None else []
        if not self._mixed:
            return Way(((everything, place), *back))
        said = await self._lately(connection, post_id)
        rested = await self._is_high(connection, post_id) is False
        begun = row_of(is_high for _, is_high in said)
        row = begun if post_id is None or not decided else 0 if rested else begun + 1
        if row >= IN_A_ROW:
            others = Part(self.skips, under=self._high)
            steps = [(others, place), (others, None)] if place is not None else [(others, None)]
            return Way((*steps, (everything, place), *back))
        if rested and begun >= IN_A_ROW:  # it came before its turn: go back to where the row was left
            place = await self._store.queue_after(connection, self._filters, said[0][0])
        return Way(((everything, place), *back))

    def _before(self, one: Stored, other: Stored) -> bool:
        if one.sorted_by == other.sorted_by:
            return bool(one.post_id < other.post_id)
        return bool((one.sorted_by > other.sorted_by) == falling(self._filters.sort))

    async def _lately(self, connection: Connection, but: str | None) -> list[tuple[str, bool]]:
        """Return what the member decided last, the newest first, and whether it was called High."""
        words = await self._store.last_words(connection, self._member.principal, IN_A_ROW + 1)
        ids = [each.post_id for each in words if each.post_id and each.corrected_at > self._now - LATELY]
        rows = await self._store.reviewed_posts(connection, ids)
        return [(name, rows[name].own_overall >= self._high) for name in ids if name in rows and name != but]

    async def _is_high(self, connection: Connection, post_id: str | None) -> bool | None:
        row = await self._store.reviewed_post(connection, post_id) if post_id else None
        return None if row is None or row.own_overall is None else bool(row.own_overall >= self._high)
