"""Computes statuses anew from the judgements as they were received, and says where the stored ones differ.

Invariant: nothing is changed. A post that moved while it was read is read again before it counts as different.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.auditor.rows import row_of
from services.auditor.status.live import Policy, Step, from_log, marks_of, replayed
from services.auditor.store import Kept, Store

PAGE = 200
MOST_NAMED = 100
"""Posts whose differences are told."""


@dataclass
class Rebuilt:
    """What was compared. `older` posts began under a release that kept no judgements."""

    posts: int = 0
    older: int = 0
    different: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)


def differences(kept: Kept, policy: Policy) -> list[str]:
    """Return what differs between a stored record with its log and what its judgements lead to."""
    stored, log = kept.record, kept.log
    record, steps = replayed(stored.post_id, kept.received)
    mine, anew = row_of(stored, policy) | kept.shown, row_of(record, policy)
    found = [f"{name}: {mine[name]} is stored, {anew[name]} follows" for name in mine if mine[name] != anew[name]]
    if [_entry(each) for each in log] != [_entry(each) for each in steps]:
        found.append(f"log: {len(log)} entries are stored, {len(steps)} follow")
    told = from_log(log)
    told.pop("conflicts")
    if told != marks_of(stored):
        found.append("log: it leads to other marks than those stored")
    return found


def _entry(step: Step) -> tuple[Any, ...]:
    return (
        step.sequence,
        step.status,
        step.previous,
        step.rule,
        step.changed_at,
        step.cause_id,
        step.changes,
        step.round_id,
    )


async def rebuild(
    store: Store, policy: Policy, report: Callable[[int, int], None] = lambda done, total: None
) -> Rebuilt:
    """Compare every record; `report` hears how many of how many posts are done."""
    found, after = Rebuilt(), ""
    total = sum(row.posts for row in await store.totals())
    while page := await store.kept(after, PAGE):
        for kept in page:
            name = after = kept.record.post_id
            found.posts += 1
            if kept.log and not kept.log[0].policy:
                found.older += 1
                continue
            if not differences(kept, policy):
                continue
            again = await store.kept(name, 1, only=True)
            if not again or not (differ := differences(again[0], policy)):
                continue
            found.different += 1
            if len(found.differences) < MOST_NAMED:
                found.differences[name] = differ
        report(found.posts, total)
    return found
