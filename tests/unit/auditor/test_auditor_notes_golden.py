"""Histories come out as Community Notes' own code makes them, byte for byte: all at once, one by one, by the CLI."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.auditor.notes.files import read_history, write_history
from services.auditor.status import rounds
from services.auditor.status.churn import ChurnGate
from services.auditor.status.policy import PROFILES, Policy
from services.auditor.status.record import (
    AUTHOR_DIFFERS,
    AUTHOR_MISSING,
    CREATED_DIFFERS,
    DUPLICATE_HISTORY,
    DUPLICATE_NOTES,
    INCOMPLETE,
    STATUS_MISSING,
    Rejected,
)
from tests.support.notes import (
    CASES,
    DEV,
    EDGE,
    ROUNDS,
    THEN,
    before,
    by_columns,
    checks_of,
    folder,
    frame_of,
    joined,
    judged,
    ledger_of,
)

EVERY = range(len(ROUNDS))
CAUSES = {
    "duplicate_in_notes": DUPLICATE_NOTES,
    "duplicate_in_history": DUPLICATE_HISTORY,
    "created_mismatch_notes": CREATED_DIFFERS,
    "author_mismatch_notes": AUTHOR_DIFFERS,
    "scored_row_missing": INCOMPLETE,
    "scored_row_twice": INCOMPLETE,
    "final_status_empty": STATUS_MISSING,
    "final_status_empty_not_scored": STATUS_MISSING,
    "scored_created_mismatch": CREATED_DIFFERS,
    "new_note_without_author": AUTHOR_MISSING,
    "na_like_author_text": AUTHOR_MISSING,
}
"""Case that is refused -> why."""
COLUMNS_ONLY = {"scored_row_twice_and_one_missing"}
"""Only a whole file can lose one note and hold another twice: a ledger refuses that (specification, section 8, 8)."""


def now_of(n: int) -> float:
    return float(ROUNDS[n]["now_millis"])


def printed(history: Any, path: Path, **how: bool) -> bytes:
    write_history(history, path, **how)
    return path.read_bytes()


@pytest.mark.parametrize("n", EVERY)
def test_a_round_all_at_once_is_byte_for_byte_what_the_original_wrote(n: int, tmp_path: Path) -> None:
    after = by_columns(before(n), folder(n), now_of(n))
    assert printed(after, tmp_path / "out.tsv") == (folder(n) / "expected_history.tsv").read_bytes()
    added = after.height > read_history(before(n), THEN).height
    raw = printed(after, tmp_path / "raw.tsv", raw=True, added=added)
    assert raw == (folder(n) / "expected_history.upstream_raw.tsv").read_bytes()


@pytest.mark.parametrize("n", EVERY)
def test_a_round_one_by_one_in_any_order_is_the_same(n: int, tmp_path: Path) -> None:
    ledger, judgements = ledger_of(before(n), folder(n)), judged(folder(n), now_of(n))
    random.Random(n).shuffle(judgements)
    done = ledger.close("r", judgements)
    like = by_columns(before(n), folder(n), now_of(n))
    assert printed(frame_of(ledger, like), tmp_path / "out.tsv") == (folder(n) / "expected_history.tsv").read_bytes()
    assert done.entries and not done.again


def test_rounds_follow_each_other_on_their_own_results(tmp_path: Path) -> None:
    history = DEV / "history_initial.tsv"
    for n in EVERY:
        after = by_columns(history, folder(n), now_of(n))
        history = tmp_path / f"{n}.tsv"
        assert printed(after, history) == (folder(n) / "expected_history.tsv").read_bytes()


@pytest.mark.parametrize("n", EVERY)
def test_a_round_applied_again_changes_nothing(n: int, tmp_path: Path) -> None:
    expected = folder(n) / "expected_history.tsv"
    assert printed(by_columns(expected, folder(n), now_of(n)), tmp_path / "out.tsv") == expected.read_bytes()
    ledger, judgements = ledger_of(before(n), folder(n)), judged(folder(n), now_of(n))
    ledger.close("r", judgements)
    records = {name: replace(record) for name, record in ledger.records.items()}
    again = ledger.close("r", judgements)
    assert (again.again, again.entries) == (True, [])
    assert ledger.records == records


@pytest.mark.parametrize("n", EVERY)
def test_both_prints_read_back_alike(n: int) -> None:
    plain = read_history(folder(n) / "expected_history.tsv", THEN)
    assert plain.equals(read_history(folder(n) / "expected_history.upstream_raw.tsv", THEN))


@pytest.mark.parametrize("n", EVERY)
def test_flip_checks_say_what_the_original_said(n: int) -> None:
    said = json.loads((folder(n) / "flip_checks.json").read_text())
    found = joined(before(n), folder(n))
    ledger, judgements = ledger_of(before(n), folder(n)), judged(folder(n), now_of(n))
    for expected, check in zip(said, checks_of(said), strict=True):
        (flips,) = rounds.checked(found, [check], THEN)
        gate = ChurnGate([check], THEN)
        for judgement in judgements:
            if judgement.subject_id in ledger.records:
                gate.count(ledger.records[judgement.subject_id], judgement.status)
        assert gate.judge() == [flips]
        assert flips.passed == expected["expected_passed"]
        numbers = [int(number) for number in re.findall(r"=(\d+)", expected["expected_message"])]
        if flips.failed == "gained":
            assert numbers == [flips.after, flips.before, flips.gained]
        elif flips.failed == "lost":
            assert numbers == [flips.before, flips.after, flips.lost]
        else:
            assert not numbers


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_every_edge_is_taken_or_refused_as_the_original_does(case: dict[str, Any], tmp_path: Path) -> None:
    here, now = EDGE / case["case"], float(case["now_millis"])

    def one_by_one() -> Any:
        ledger = ledger_of(here / "history.tsv", here)
        if len(ledger.records) < read_history(here / "history.tsv", THEN).height:
            raise Rejected(DUPLICATE_HISTORY, "twice")  # a ledger has one record per id
        ledger.close("r", judged(here, now))
        return frame_of(ledger, read_history(here / "history.tsv", THEN))

    ways = [lambda: by_columns(here / "history.tsv", here, now)]
    ways += [] if case["case"] in COLUMNS_ONLY else [one_by_one]
    for way in ways:
        if case["expected"] is None:
            with pytest.raises(Rejected) as refused:
                way()
            assert refused.value.cause == CAUSES[case["case"]]
        else:
            assert printed(way(), tmp_path / "out.tsv") == (here / case["expected"]).read_bytes()
    for expected in case.get("flip_checks") or ():
        (flips,) = rounds.checked(joined(here / "history.tsv", here), checks_of([expected]), THEN)
        assert flips.passed == expected["expected_passed"]


@pytest.mark.parametrize(
    ("policy", "rows", "columns"),
    [
        (
            PROFILES["2024-10"],
            7,
            {"timestampMillisOfStatusLock": 7, "lockedStatus": 7, "timestampMillisOfNmrDueToMinStableCrhTime": 5},
        ),
        (
            replace(PROFILES["2026-07"], trusted=THEN.trusted),
            86,
            {"timestampMillisOfFirstNmrDueToMinStableCrhTime": 86},
        ),
        (
            PROFILES["2026-07"],
            104,
            {
                "timestampMillisOfFirstNmrDueToMinStableCrhTime": 86,
                "timestampMillisOfStatusLock": 18,
                "lockedStatus": 18,
                "timestampMillisOfNmrDueToMinStableCrhTime": 15,
            },
        ),
    ],
    ids=["2024-10", "2026-07, rules of 2024-12", "2026-07"],
)
def test_other_profiles_differ_in_exactly_the_rows_they_should(
    policy: Policy, rows: int, columns: dict[str, int]
) -> None:
    found: Counter[str] = Counter()
    different = 0
    for n in EVERY:
        expected = read_history(folder(n) / "expected_history.tsv", THEN)
        after = by_columns(before(n), folder(n), now_of(n), policy).select(expected.columns)
        pairs = zip(after.to_dicts(), expected.to_dicts(), strict=True)
        for ours, theirs in pairs:
            names = [name for name in ours if ours[name] != theirs[name]]
            different += bool(names)
            found.update(names)
    assert (different, dict(found)) == (rows, columns)


# -- the command line ---------------------------------------------------------------------------------------


def command(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["status", *map(str, words)])
    return done.exit_code, " ".join(done.output.split())


def files_of(history: Path, here: Path, now: float) -> list[object]:
    notes, scored = here / "notes.tsv", here / "scored_notes.tsv"
    return ["--history", history, "--notes", notes, "--scored", scored, "--now-millis", repr(now)]


@pytest.mark.parametrize("engine", ["columns", "events"])
def test_the_command_writes_the_canonical_print(engine: str, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    given = files_of(before(2), folder(2), now_of(2))
    code, said = command("update", "--profile", "2024-12", *given, "--output", out, "--engine", engine)
    assert code == 0, said
    assert out.read_bytes() == (folder(2) / "expected_history.tsv").read_bytes()


def test_a_failed_check_and_a_refused_round_write_nothing_and_say_why(tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    given = files_of(before(0), folder(0), now_of(0))
    checks = ["--flip-checks", folder(0) / "flip_checks.json"]
    code, said = command("update", *given, *checks, "--output", out)
    assert code == 1 and "too many gained: before=21, after=33, flipped=20" in said
    code, said = command("check-flips", *given, *checks)
    assert code == 1 and said.count("too many") == 2 and said.count("passed") == 7
    here = EDGE / "author_mismatch_notes"
    code, said = command("update", *files_of(here / "history.tsv", here, 1.0), "--output", out)
    assert code == 1 and "the author is another one than in the history" in said
    code, said = command("update", *given, "--output", out, "--profile", "1999")
    assert code == 1 and "no profile is called 1999" in said
    assert list(tmp_path.iterdir()) == []


def test_the_profiles_own_checks_can_be_asked_for(tmp_path: Path) -> None:
    given = files_of(before(0), folder(0), now_of(0))
    code, said = command("check-flips", *given, "--rules", "partial")
    assert "locking_eligible_recent_unlocked_notes 0 0 0 0 passed" in said
    assert code == (1 if "too many" in said else 0)
    out = tmp_path / "out.tsv"
    code, said = command("update", *given, "--rules", "full", "--output", out)
    assert out.exists() == (code == 0) == ("too many" not in said)


def test_import_and_export_print_any_generation_both_ways(tmp_path: Path) -> None:
    raw = folder(1) / "expected_history.upstream_raw.tsv"
    out, back = tmp_path / "out.tsv", tmp_path / "raw.tsv"
    assert command("import", "--history", raw, "--output", out)[0] == 0
    assert out.read_bytes() == (folder(1) / "expected_history.tsv").read_bytes()
    assert command("export", "--history", out, "--output", back, "--profile", "2026-07")[0] == 0
    assert back.read_text().splitlines()[0].endswith("\tabovePcrhThresholdTime")
