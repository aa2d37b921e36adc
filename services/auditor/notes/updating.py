"""One round from files to a file: read, register, check, move, print. What `ombud status` asks for; needs no server.

Invariant: what is refused writes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl

from services.auditor.notes.files import Source, read_history, read_ids, read_notes, read_scored, write_history
from services.auditor.status import rounds
from services.auditor.status.churn import Check, Flips, failing
from services.auditor.status.communitynotes import AUTHOR, CREATED, ID, columns, judgements_of, record_of, row_of
from services.auditor.status.ledger import StatusLedger, Subject
from services.auditor.status.policy import FULL, PARTIAL, PROFILES, Limits, Policy
from services.auditor.status.record import FLIPS, INCOMPLETE, UNKNOWN_STATUS, Millis, Rejected, rejected

Engine = Literal["columns", "events"]
Step = Callable[[str], None]
"""Is told what begins."""

RULES: Mapping[str, Sequence[str]] = {"full": FULL, "partial": PARTIAL}
"""Which of the policy's own flip checks there are to choose from."""


@dataclass(frozen=True)
class Inputs:
    """The files of a round and the moment it is judged at, in milliseconds; a fraction is kept."""

    history: Source
    notes: Source
    scored: Source
    now: Millis
    flip_checks: Path | None = None
    rules: str | None = None
    new_ratings: Path | None = None


@dataclass
class Updated:
    """What a round came to: rows, new notes, what its checks said, columns that were left out."""

    rows: int
    added: int
    flips: list[Flips]
    warnings: list[str] = field(default_factory=list)


def policy_of(profile: str) -> Policy:
    """Return the policy of a profile. Raises Rejected for a name that is none."""
    if profile not in PROFILES:
        raise Rejected(UNKNOWN_STATUS, f"no profile is called {profile}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]


def converted(source: Source, output: Path, profile: str, *, raw: bool = False) -> Updated:
    """Print a history of any generation in the columns of a profile, by ascending id. Raises Rejected."""
    warnings: list[str] = []
    history = read_history(source, policy_of(profile), warnings).sort(ID, maintain_order=True)
    write_history(history, output, raw=raw)
    return Updated(history.height, 0, [], warnings)


def checked(inputs: Inputs, profile: str, step: Step) -> list[Flips]:
    """Return what the flip checks say of a round; all of them, whatever the first one says. Raises Rejected."""
    policy = policy_of(profile)
    found, _, _ = _joined(inputs, policy, step, [])
    step("checking flips")
    checks = _checks(inputs, found, policy)
    return [flips for check in checks for flips in rounds.checked(found, [check], policy)]


def updated(inputs: Inputs, output: Path, profile: str, *, engine: Engine, raw: bool, step: Step) -> Updated:
    """Write the history after a round. Raises Rejected, and writes nothing, if the round must not be applied."""
    policy, warnings = policy_of(profile), list[str]()
    found, known, before = _joined(inputs, policy, step, warnings)
    step("checking flips")
    checks = _checks(inputs, found, policy)
    flips = rounds.checked(found, checks, policy)
    if failed := failing(flips):
        raise Rejected(FLIPS, "; ".join(map(str, failed)))
    step("moving statuses")
    if engine == "columns":
        after = rounds.transitioned(found, inputs.now, policy)
    else:
        after = _event_by_event(inputs, policy, checks)
    step("writing")
    added = known - before
    write_history(after, output, raw=raw, added=added > 0)
    return Updated(after.height, added, flips, warnings)


def _joined(inputs: Inputs, policy: Policy, step: Step, warnings: list[str]) -> tuple[pl.DataFrame, int, int]:
    """Return history, notes and scores of a round in one frame, and the rows of the history after and before it."""
    step("reading the history")
    history = read_history(inputs.history, policy, warnings)
    before = history.height
    step("reading the notes")
    history = rounds.registered(history, read_notes(inputs.notes, policy))
    step("reading the scores")
    return rounds.joined(history, read_scored(inputs.scored, policy)), history.height, before


def _event_by_event(inputs: Inputs, policy: Policy, checks: Sequence[Check]) -> pl.DataFrame:
    history = read_history(inputs.history, policy)
    ledger = StatusLedger(policy, map(record_of, history.to_dicts()))
    if len(ledger.records) != history.height:
        raise rejected(INCOMPLETE)
    told = read_notes(inputs.notes, policy).to_dicts()
    ledger.register(Subject(row[ID], row[AUTHOR], row[CREATED]) for row in told)
    ledger.close("", judgements_of(read_scored(inputs.scored, policy).to_dicts(), inputs.now), checks)
    names = columns(policy)
    rows = [row_of(record, names) for record in ledger.records.values()]
    return pl.DataFrame(rows, schema=history.schema).sort(ID)


def _checks(inputs: Inputs, found: pl.DataFrame, policy: Policy) -> list[Check]:
    rated = read_ids(inputs.new_ratings) if inputs.new_ratings is not None else ()
    named = rounds.named_checks(found, RULES[inputs.rules], inputs.now, policy, rated) if inputs.rules else []
    return named + (_read_checks(inputs.flip_checks) if inputs.flip_checks is not None else [])


def _read_checks(path: Path) -> list[Check]:
    """Return the checks of a JSON file: a list of name, rule, note_ids (null: all) and the two limits."""
    try:
        return [_check(each) for each in orjson.loads(path.read_bytes())]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Rejected(FLIPS, f"{path.name} holds no flip checks ({type(error).__name__})") from error


def _check(said: Mapping[str, Any]) -> Check:
    ids = said["note_ids"]
    limits = Limits(float(said["max_new_crh_churn"]), float(said["max_old_crh_churn"]))
    return Check(str(said["name"]), str(said["rule"]), None if ids is None else frozenset(map(int, ids)), limits)
