"""Records by id, moved round by round: staged first, applied only if the whole round may be. Pure.

Invariant: a round is applied wholly or not at all; the same round again, or the same judgement again, changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

from services.auditor.status.advance import advance
from services.auditor.status.churn import Check, ChurnGate, Flips, failing
from services.auditor.status.policy import Policy
from services.auditor.status.record import (
    AUTHOR_DIFFERS,
    AUTHOR_MISSING,
    CREATED_DIFFERS,
    CREATED_MISSING,
    DUPLICATE_NOTES,
    FLIPS,
    INCOMPLETE,
    LATE,
    UNKNOWN_SUBJECT,
    Entry,
    Judgement,
    Millis,
    Rejected,
    StatusRecord,
    rejected,
)

Id = int | str


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody's post or note, as it is registered."""

    id: Id
    author: str | None
    created_at: Millis | None


@dataclass
class Round:
    """What a round did: entries of the log, what its checks said, how many judgements were late or about nobody."""

    round_id: str
    entries: list[Entry] = field(default_factory=list)
    flips: list[Flips] = field(default_factory=list)
    late: list[Judgement] = field(default_factory=list)
    unknown: list[Judgement] = field(default_factory=list)
    again: bool = False


class StatusLedger:
    """Keyed records of one policy."""

    def __init__(self, policy: Policy, records: Iterable[StatusRecord] = ()) -> None:
        self.policy = policy
        self.records: dict[Id, StatusRecord] = {each.id: each for each in records}
        self._rounds: set[str] = set()

    def register(self, subjects: Iterable[Subject]) -> None:
        """Take in subjects: new ones, and what was not known of old ones.

        Raises Rejected, and takes in none of them, if an id repeats or a creation time or an author is another one.
        """
        new: dict[Id, Subject] = {}
        for each in subjects:
            if each.id in new:
                raise rejected(DUPLICATE_NOTES, (each.id,))
            known = self.records.get(each.id)
            if known is not None and known.created_at is not None:
                if each.created_at is not None and each.created_at != known.created_at:
                    raise rejected(CREATED_DIFFERS, (each.id,))
                if each.created_at is not None and each.author != known.author:
                    raise rejected(AUTHOR_DIFFERS, (each.id,))
            new[each.id] = each
        for each in new.values():
            record = self.records.setdefault(each.id, StatusRecord(each.id))
            if record.created_at is None:
                record.created_at, record.author = each.created_at, each.author

    def judge(self, judgement: Judgement) -> list[Entry]:
        """Move one record outside any round, and return the entries of the log.

        A judgement that is not newer than the last one on its subject and says the same changes nothing. Raises
        Rejected, the record as it was, for one that is late, about nobody, or refused by the transition.
        """
        record = self.records.get(judgement.subject_id)
        if record is None:
            raise rejected(UNKNOWN_SUBJECT, (judgement.subject_id,))
        if _late(record, judgement):
            raise rejected(LATE, (record.id,))
        return self._moved(record, judgement)

    def close(
        self,
        round_id: str,
        judgements: Iterable[Judgement],
        checks: Sequence[Check] = (),
        *,
        despite: bool = False,
    ) -> Round:
        """Apply a round that judges every record once, and return what it did.

        Raises Rejected, every record as it was: a record is judged never or more than once, a flip check fails (unless
        a person said `despite`), or the transition refuses a judgement. Of a strict policy late judgements and those
        about nobody are left out and counted; Community Notes' ignores who nobody knows and applies what is late.
        """
        found = Round(round_id)
        if round_id in self._rounds:
            found.again = True
            return found
        chosen = self._chosen(judgements, found)
        gate = ChurnGate(checks, self.policy)
        staged: dict[Id, StatusRecord] = {}
        entries: list[Entry] = []
        for judgement in chosen.values():
            record = self.records[judgement.subject_id]
            gate.count(record, judgement.status)
        found.flips = gate.judge()
        failed = failing(found.flips)
        if failed and not despite:
            raise Rejected(FLIPS, "; ".join(map(str, failed)))
        for judgement in chosen.values():
            record = copy(self.records[judgement.subject_id])
            if not (self.policy.strict and _same(record, judgement)):
                entries += self._moved(record, judgement)
            staged[record.id] = record
        self._complete(staged.values())
        self.records |= staged
        self._rounds.add(round_id)
        found.entries = entries
        return found

    def _chosen(self, judgements: Iterable[Judgement], found: Round) -> dict[Id, Judgement]:
        chosen: dict[Id, Judgement] = {}
        twice: list[Id] = []
        for judgement in judgements:
            record = self.records.get(judgement.subject_id)
            if record is None:
                found.unknown.append(judgement)
                continue
            if judgement.subject_id in chosen:
                twice.append(judgement.subject_id)
            if self.policy.strict and _late(record, judgement):
                found.late.append(judgement)
            chosen[judgement.subject_id] = judgement
        wrong = [*twice, *(self.records.keys() - chosen.keys())]
        if wrong:
            raise rejected(INCOMPLETE, sorted(set(wrong), key=str))
        for judgement in found.late:
            chosen.pop(judgement.subject_id, None)
        return chosen

    def _moved(self, record: StatusRecord, judgement: Judgement) -> list[Entry]:
        return [
            Entry(record.id, judgement.judged_at, judgement.round_id, judgement.rule, self.policy.name, change)
            for change in advance(record, judgement, self.policy)
        ]

    def _complete(self, records: Iterable[StatusRecord]) -> None:
        if self.policy.strict:
            return
        for record in records:
            if record.author is None:
                raise rejected(AUTHOR_MISSING, (record.id,))
            if record.created_at is None:
                raise rejected(CREATED_MISSING, (record.id,))


def replayed(policy: Policy, start: Mapping[Id, StatusRecord], judgements: Iterable[Judgement]) -> StatusLedger:
    """Return the ledger that judgements lead to from a start: how a stored record is proved, and recovered."""
    ledger = StatusLedger(policy, (copy(each) for each in start.values()))
    for judgement in judgements:
        ledger.judge(judgement)
    return ledger


def _late(record: StatusRecord, judgement: Judgement) -> bool:
    return record.last_judged_at is not None and judgement.judged_at < record.last_judged_at


def _same(record: StatusRecord, judgement: Judgement) -> bool:
    """Return whether this judgement was heard before: of one moment there is one word."""
    return record.last_judged_at == judgement.judged_at and record.rule == judgement.rule
