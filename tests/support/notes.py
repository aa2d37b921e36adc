"""The golden rounds of Community Notes: made by running the original scorer's code, values all synthetic."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from services.auditor.notes.files import read_history, read_notes, read_scored
from services.auditor.status import rounds
from services.auditor.status.churn import Check
from services.auditor.status.communitynotes import AUTHOR, CREATED, ID, columns, judgements_of, record_of, row_of
from services.auditor.status.ledger import StatusLedger, Subject
from services.auditor.status.policy import PROFILES, Limits, Policy

GOLDEN = Path(__file__).parents[1] / "golden" / "communitynotes"
DEV, EDGE = GOLDEN / "dev", GOLDEN / "edge"
THEN = PROFILES["2024-12"]
"""The policy the golden rounds were made with."""
ROUNDS: list[dict[str, Any]] = json.loads((DEV / "manifest.json").read_text())["rounds"]
CASES: list[dict[str, Any]] = json.loads((EDGE / "manifest.json").read_text())["cases"]


def folder(n: int) -> Path:
    """Where the files of a round are."""
    return DEV / f"round_{n:02d}"


def before(n: int) -> Path:
    """The history that a round begins with."""
    return folder(n - 1) / "expected_history.tsv" if n else DEV / "history_initial.tsv"


def checks_of(said: Sequence[dict[str, Any]]) -> list[Check]:
    """The flip checks of a golden file."""
    return [
        Check(
            each["name"],
            each["rule"],
            None if each["note_ids"] is None else frozenset(each["note_ids"]),
            Limits(each["max_new_crh_churn"], each["max_old_crh_churn"]),
        )
        for each in said
    ]


def joined(history: Path, inputs: Path, policy: Policy = THEN) -> pl.DataFrame:
    """History, notes and scores of a round in one frame."""
    known = rounds.registered(read_history(history, policy), read_notes(inputs / "notes.tsv", policy))
    return rounds.joined(known, read_scored(inputs / "scored_notes.tsv", policy))


def by_columns(history: Path, inputs: Path, now: float, policy: Policy = THEN) -> pl.DataFrame:
    """The history after a round, all at once."""
    return rounds.transitioned(joined(history, inputs, policy), now, policy)


def ledger_of(history: Path, inputs: Path, policy: Policy = THEN) -> StatusLedger:
    """A ledger with the history and the notes of a round."""
    ledger = StatusLedger(policy, map(record_of, read_history(history, policy).to_dicts()))
    told = read_notes(inputs / "notes.tsv", policy).to_dicts()
    ledger.register(Subject(row[ID], row[AUTHOR], row[CREATED]) for row in told)
    return ledger


def frame_of(ledger: StatusLedger, like: pl.DataFrame) -> pl.DataFrame:
    """The records of a ledger as a history."""
    rows = [row_of(record, columns(ledger.policy)) for record in ledger.records.values()]
    return pl.DataFrame(rows, schema=like.schema).sort(ID)


def judged(inputs: Path, now: float, policy: Policy = THEN, round_id: str = "r") -> list[Any]:
    """The judgements of a round, in the order of the file."""
    return list(judgements_of(read_scored(inputs / "scored_notes.tsv", policy).to_dicts(), now, round_id))
