"""What time does to statuses: holds that are over show their flag, words that are old enough lock.

Invariant: a record is moved in the transaction that locked it, and the step says when it was due, not when we looked;
whoever dies in between leaves it due.
"""

from services.auditor.status.live import Policy, Step, settle
from services.auditor.status.posts import TIME, Judgement
from services.auditor.store import Store
from shared.clock import utcnow
from shared.ids import stable_id

AT_ONCE = 200
"""Posts of one transaction."""
PAGES = 20
"""Transactions of one round: a loop that never came back would look dead."""


class Settling:
    """Moves whatever is due."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    async def __call__(self) -> int:
        """Move what is due by now; return how many steps that made. The announcer says them."""
        made = 0
        for _ in range(PAGES):
            names = await self._store.due(utcnow(), AT_ONCE)
            if not names:
                break
            made += await self._move(names)
            if len(names) < AT_ONCE:
                break
        return made

    async def _move(self, names: list[str]) -> int:
        now = utcnow()
        async with self._store.begin() as connection:
            records = await self._store.lock_records(connection, names)
            moved = [settle(record, now, self._policy) for record in records.values()]
            steps = [step for _, each in moved for step in each]
            passed = [_passed(each[-1]) for _, each in moved if each]
            # also those that did not move: with another policy they are due at another time
            await self._store.save(connection, passed, [record for record, _ in moved], steps, self._policy)
        return len(steps)


def _passed(step: Step) -> Judgement:
    """Return the judgement of time itself that leads to a step, for whoever takes the judgements again."""
    name = stable_id("time", step.cause_id)
    return Judgement(step.post_id, TIME, name, step.changed_at, name)
