"""Lets platforms follow decisions, after a wait in which they can be undone, and never more than so often.

Invariant: what is wanted is read when the wait is over, so a decision undone meanwhile leaves no trace outside; each
act is written down before it is done, and what is no longer wanted is taken back, whatever was done that day.
"""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from services.reporter.acts import (
    Decision,
    Edge,
    Found,
    Later,
    Refused,
    State,
    Subject,
    decision_of,
    overturned,
    standing,
    subject,
    wanted,
)
from services.reporter.outlets import ON_ACCOUNTS, Act, Outlet
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from shared.bus.commit import backoff_s
from shared.clock import utcnow

log = structlog.get_logger("ombud.reporter")

LEASE = timedelta(minutes=15)
"""Longer than looking at one post takes, whatever times out."""
NO_ROOM = timedelta(minutes=5)
"""An hour or a day that has no acts left is looked at again after this long."""

ACTS = Counter("ombud_reporter_acts", "Acts on platforms because of decisions.", ["outlet", "act", "state"])


class Acting:
    """The loop `acts on platforms`. `link` gives where a post is seen here."""

    def __init__(
        self,
        store: Store,
        settings: ReporterSettings,
        edges: Mapping[str, Edge],
        link: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._edges = edges
        self._link = link
        self._owner = secrets.token_hex(8)
        self._platforms = sorted({each.platform or name for name, each in settings.outlets.items()})

    async def __call__(self, now: datetime | None = None) -> int:
        """Look at the posts whose wait is over; return how many were looked at."""
        looked = 0
        async with self._store.begin() as connection:
            await self._store.forget_others(connection, now or utcnow(), self._platforms)
        while True:
            moment = now or utcnow()
            async with self._store.begin() as connection:
                row = await self._store.claim_act(connection, self._owner, moment, moment + LEASE)
            if row is None:
                return looked
            again_at, attempts = await self._look(row, moment)
            async with self._store.begin() as connection:
                await self._store.release_act(connection, self._owner, row, again_at=again_at, attempts=attempts)
            looked += 1

    async def _look(self, row: Any, now: datetime) -> tuple[datetime | None, int]:
        """Do what follows for one post; return when to look again, if at all, and after how many failed tries."""
        async with self._store.read() as connection:
            post = await self._store.post(connection, row.post_id)
            spoken = await self._store.reviewers_verdict(connection, row.post_id)
        if post is not None and post.deleted_at is not None:
            return None, 0
        try:
            if post is None or post.platform is None or post.status is None:
                raise Later("the post was not scored yet")
            for name, outlet in self._settings.outlets.items():
                if (outlet.platform or name) == post.platform:
                    await _Look(self, name, outlet, post, spoken, now).go(last=self._is_last(row))
        except Later as later:
            if later.wait_s is not None:
                return now + timedelta(seconds=later.wait_s), row.attempts
            if self._is_last(row):
                return None, 0
            jitter = random.random()  # noqa: S311 - spreads tries, guards nothing
            base_s, limit_s = self._settings.acts_backoff_base_s, self._settings.acts_backoff_limit_s
            return now + timedelta(seconds=backoff_s(row.attempts + 1, base_s, limit_s, jitter)), row.attempts + 1
        return None, 0

    def _is_last(self, row: Any) -> bool:
        return bool(row.attempts + 1 >= self._settings.acts_attempts)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at one post for one outlet."""

    acting: Acting
    name: str
    outlet: Outlet
    post: Any
    spoken: Any
    now: datetime

    async def go(self, *, last: bool) -> None:
        """Take back what is not wanted any more, do what is. Raises Later, which is written down at the `last` try."""
        decision = decision_of(self.post, self.spoken.verdict if self.spoken else None)
        acts = wanted(self.outlet, decision)
        async with self._store.read() as connection:
            there = standing(await self._store.acts_of(connection, self.name, self.post.post_id))
        about = subject(self.post, decision, self.spoken, self.acting._link(self.post.post_id))
        for row in overturned(there, acts, decision, person=self.spoken is not None):
            await self._or_note(Act(row.act), about, last, self._take_back(row, decision))
        for act in acts:
            if act is not Act.ALONG:
                await self._or_note(act, about, last, self._do(act, about, there))

    @property
    def _store(self) -> Store:
        return self.acting._store

    async def _or_note(self, act: Act, about: Subject, last: bool, doing: Any) -> None:
        try:
            await doing
        except Refused as refused:
            await self._write(act, "", State.FAILED, refused.reason)
        except Later as later:
            if last and later.wait_s is None:
                await self._write(act, "", State.FAILED, f"{later.reason} at every try; {about.why}")
            raise

    async def _do(self, act: Act, about: Subject, there: Mapping[tuple[Act, str], Any]) -> None:
        done = [row for (each, _), row in there.items() if each is act]
        begun = {row.target: row for row in done if row.state == State.BEGUN}
        if act is not Act.RESOLVE and len(done) > len(begun):
            return  # it was done for this post; who undid it there had a reason
        found = await self.acting._edges[self.name].find(act, about, self._decided)
        for row in begun.values():
            if act is Act.RESOLVE and row.target not in {each.target for each in found}:
                await self._change(row.id, act, State.DONE, target=row.target)
        for each in found:
            known = there.get((act, each.target))
            if each.done:
                await self._note_done(act, each, about, begun)
            elif known is None or known.state == State.BEGUN:
                await self._do_one(act, each, about, known)

    async def _note_done(self, act: Act, found: Found, about: Subject, begun: Mapping[str, Any]) -> None:
        """Write down what is so already: ours, if we began it or another post's decision did it."""
        if begun:
            (row, *_) = begun.values()
            await self._change(row.id, act, State.DONE, target=found.target)
        else:
            ours = found.ours or (act in ON_ACCOUNTS and bool(await self._others(act, found.target)))
            await self._write(act, found.target, State.DONE if ours else State.ALREADY, about.why)

    async def _do_one(self, act: Act, found: Found, about: Subject, begun: Any) -> None:
        state = State.DRY_RUN if self.outlet.dry_run else State.BEGUN
        number = begun.id if begun else await self._begin(act, found.target, state, about.why)
        if self.outlet.dry_run:
            self._say(act, state)
            return
        try:
            target = await self.acting._edges[self.name].do(act, found.target, about)
        except Refused as refused:
            await self._change(number, act, State.FAILED, target=found.target, reason=refused.reason)
            return
        await self._change(number, act, State.DONE, target=target)
        for each in found.along:
            await self._write(Act.ALONG, each, State.DONE, f"closed along with `{act}`")

    async def _take_back(self, row: Any, decision: Decision) -> None:
        act, why = Act(row.act), f"the decision is `{decision}` now"
        if row.state == State.DRY_RUN:
            await self._write(act, row.target, State.DRY_RUN, why, back=True)
        elif act in ON_ACCOUNTS and await self._others(act, row.target):
            await self._write(act, row.target, State.DONE, "another post's decision keeps it", back=True)
        else:
            gone = await self.acting._edges[self.name].take_back(act, row.target)
            why = why if gone else "the outlet knows no way back"
            await self._write(act, row.target, State.DONE, why, back=True)

    async def _others(self, act: Act, target: str) -> list[Any]:
        """Return entries of ours that stand on the same thing because of other posts."""
        async with self._store.read() as connection:
            rows = await self._store.acts_on(connection, self.name, act.value, target)
        by_post: dict[str, list[Any]] = {}
        for row in rows:
            by_post.setdefault(row.post_id, []).append(row)
        theirs = [each for post, each in by_post.items() if post != self.post.post_id]
        return [row for each in theirs for row in standing(each).values() if row.state == State.DONE]

    async def _decided(self, external_ids: Sequence[str]) -> set[str]:
        async with self._store.read() as connection:
            return await self._store.decided_posts(connection, self.post.platform, external_ids)

    async def _begin(self, act: Act, target: str, state: State, reason: str) -> int:
        """Write an act down before it is done. Raises Later where the hour or the day has none left."""
        settings = self.acting._settings
        limits = ((timedelta(hours=1), settings.acts_hourly), (timedelta(days=1), settings.acts_daily))
        async with self._store.begin() as connection:
            await self._store.close_gate(connection)  # one at a time: two would count the same and both go on
            for span, limit in limits:
                if await self._store.acts_since(connection, self.now - span) >= limit:
                    raise Later("no acts are left for now", NO_ROOM.total_seconds())
            return await self._store.add_act(connection, self._row(act, target, state, reason))

    async def _write(self, act: Act, target: str, state: State, reason: str, *, back: bool = False) -> None:
        async with self._store.begin() as connection:
            await self._store.add_act(connection, self._row(act, target, state, reason) | {"back": back})
        self._say(act, state, back=back, reason=reason)

    async def _change(self, number: int, act: Act, state: State, **changed: str) -> None:
        async with self._store.begin() as connection:
            await self._store.change_act(connection, number, {"state": state.value, **changed})
        self._say(act, state)

    def _row(self, act: Act, target: str, state: State, reason: str) -> dict[str, Any]:
        return {
            "outlet": self.name,
            "post_id": self.post.post_id,
            "act": act.value,
            "target": target,
            "back": False,
            "state": state.value,
            "reason": reason,
            "correction_id": self.spoken.correction_id if self.spoken else None,
            "at": self.now,
        }

    def _say(self, act: Act, state: State, *, back: bool = False, reason: str | None = None) -> None:
        ACTS.labels(self.name, act.value, "taken_back" if back else state.value).inc()
        log.info("act", outlet=self.name, act=act.value, post=self.post.post_id, state=state.value, back=back)
