"""What becomes of rounds: judged when no more scores come, then applied page by page, or held for a person.

Invariant: a page is applied, and leaves the round, in one transaction that locked its records; whoever dies in between
leaves the rest waiting, and whoever comes next goes on there.
"""

import asyncio
from collections import Counter as Counts
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge

from services.auditor.handlers import count
from services.auditor.round_store import RoundStore
from services.auditor.status.churn import failing
from services.auditor.status.gating import (
    Decision,
    Fate,
    Place,
    Round,
    State,
    Tally,
    Terms,
    fate_of,
    place_in,
)
from services.auditor.status.live import Policy, PostRecord, hear_all
from services.auditor.store import Store
from shared.clock import monotonic, utcnow

log = structlog.get_logger("ombud.auditor")

ROUNDS = Gauge("ombud_auditor_open_rounds", "Rounds that are not closed, by how far they are.", ["state"])
DECIDED = Counter("ombud_auditor_rounds", "Rounds by what became of them.", ["outcome"])

AT_ONCE = 200
"""Posts of one transaction."""
PAGES = 20
"""Transactions of one step: a loop that never came back would look dead."""
COUNTED = 500
"""Posts counted between two turns of other work."""


class Closing:
    """Takes every open round one step further."""

    def __init__(self, store: Store, rounds: RoundStore, policy: Policy, terms: Terms, quiet_s: float) -> None:
        self._store = store
        self._rounds = rounds
        self._policy = policy
        self._terms = terms
        self._quiet_s = quiet_s
        self._began = monotonic()

    async def __call__(self) -> int:
        """Go on with all that is open; return how many posts were applied. The announcer says their steps."""
        waiting = await self._rounds.unfinished()
        counts = Counts(each.state.value for each in waiting)
        for state in (State.GATHERING, State.HELD, State.APPLYING):
            ROUNDS.labels(state.value).set(counts[state.value])
        return sum([await self._go_on(each) for each in waiting])

    async def _go_on(self, waiting: Round) -> int:
        if waiting.state is State.APPLYING:
            return await self._apply(waiting)
        if waiting.state is State.DISCARDED:
            return await self._remove(waiting)
        systems, in_force = await self._rounds.known({waiting.version})
        match fate_of(waiting, systems, in_force):
            case Fate.DISCARD:
                await self._decide(waiting, Decision.SUPERSEDED)
            case Fate.APPLY:
                await self._decide(waiting, Decision.PASSED)
            case Fate.JOIN:
                await self._join(waiting, systems[waiting.version].root)
            case Fate.JUDGE if waiting.state is State.GATHERING and self._quiet(waiting):
                await self._judge(waiting)
        return 0

    def _quiet(self, waiting: Round) -> bool:
        """Return whether no score came for a while; after a start it may be us who have not read them yet."""
        if monotonic() - self._began < self._quiet_s:
            return False
        return utcnow() - waiting.last_heard_at >= timedelta(seconds=self._quiet_s)

    async def _judge(self, waiting: Round) -> None:
        """Count what would flip; let the round pass, or hold it with what failed."""
        tally, after = Tally(waiting.flips, waiting.rows), ""
        while page := await self._rounds.unjudged(waiting.round_id, after, COUNTED):
            records = await self._store.records(list(page))
            for name, (said, subsets) in page.items():
                tally.count(records.get(name) or PostRecord(name), said, subsets, self._policy)
            after = max(page)
            await asyncio.sleep(0)
        flips = tally.judge(self._terms)
        failed = [each.name for each in failing(flips)]
        decision = None if failed else Decision.PASSED
        examples = {name: tally.examples.get(name, {}) for name in failed}
        now = utcnow()
        if await self._rounds.decide(waiting, decision, now, rows=tally.rows, flips=flips, examples=examples or None):
            DECIDED.labels("held" if failed else Decision.PASSED.value).inc()
            facts = {"round_id": waiting.round_id, "version": waiting.version, "posts": tally.rows}
            if failed:
                log.warning("a round is held: too many statuses would flip", **facts, failed=failed)
            else:
                log.info("round passed", **facts)

    async def _decide(self, waiting: Round, decision: Decision) -> None:
        if await self._rounds.decide(waiting, decision, utcnow()):
            DECIDED.labels(decision.value).inc()
            log.info("round decided", round_id=waiting.round_id, version=waiting.version, decision=decision.value)

    async def _join(self, waiting: Round, root: str) -> None:
        """Let the scores of a replay wait where those of its training do."""
        systems, _ = await self._rounds.known({root})
        async with self._store.begin() as connection:
            found = (await self._rounds.latest(connection, [root])).get(root)
            place = place_in(found, systems.get(root))
            if place is Place.OPEN:
                number = found.number + 1 if found is not None else 1
                found = await self._rounds.open(connection, root, number, utcnow())
            if place in (Place.OPEN, Place.STAGE) and found is not None:
                await self._rounds.join(connection, waiting, found, utcnow())
        if place in (Place.PASS, Place.DROP):
            await self._decide(waiting, Decision.PASSED if place is Place.PASS else Decision.SUPERSEDED)

    async def _apply(self, waiting: Round) -> int:
        applied = 0
        for _ in range(PAGES):
            posts = await self._rounds.next_posts(waiting.round_id, AT_ONCE)
            if not posts:
                if await self._rounds.finish(waiting.round_id, utcnow()):
                    log.info("round applied", round_id=waiting.round_id, version=waiting.version)
                break
            async with self._store.begin() as connection:
                records = await self._store.lock_records(connection, posts)
                said = await self._rounds.take(connection, waiting.round_id, posts)
                heard = await self._store.heard(connection, [each.cause_id for each in said])
                fresh = [each for each in said if each.cause_id not in heard]
                after, steps = hear_all(records, fresh, self._policy)
                await self._store.save(connection, fresh, after, steps, self._policy)
            count(steps)
            applied += len(posts)
        return applied

    async def _remove(self, waiting: Round) -> int:
        for _ in range(PAGES):
            posts = await self._rounds.next_posts(waiting.round_id, AT_ONCE)
            if not posts:
                await self._rounds.finish(waiting.round_id, utcnow())
                break
            async with self._store.begin() as connection:
                await self._rounds.take(connection, waiting.round_id, posts)
        return 0
