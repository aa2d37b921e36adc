"""Histories of Community Notes: our two engines beside a plain pandas program that goes through the rows one by one.

The baseline was written for this bench from the same rules. It reads, joins and writes with pandas, and moves each row
with `apply`; it runs on fewer notes and is compared per note, as its time grows with their number alone.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from services.auditor.notes.files import read_history, read_notes, read_scored, write_history
from services.auditor.status import rounds
from services.auditor.status.advance import advance
from services.auditor.status.communitynotes import CREATED, ID, columns, judgements_of, record_of, scored_columns
from services.auditor.status.policy import NMR, Policy
from tests.support.notes import ROUNDS, THEN, before, folder

NOW = float(ROUNDS[0]["now_millis"])
SIZES = (10_000, 100_000, 1_000_000)
PROMISED = 100_000
"""Notes of the promise about rounds in memory; the other sizes show that the cost is linear."""
BASELINE = 5_000
"""Notes of the baseline."""


@dataclass(frozen=True)
class Cost:
    """CPU microseconds per note, best of the repetitions, and the growth of memory in MiB where it was measured."""

    name: str
    notes: int
    micros: float
    mib: float | None = None


def tiled(notes: int, policy: Policy = THEN) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return history, notes and scores like those of the first golden round, `notes` of them and a few more."""
    history = read_history(before(0), policy)
    told, scored = read_notes(folder(0) / "notes.tsv", policy), read_scored(folder(0) / "scored_notes.tsv", policy)
    ids = sorted({*history[ID], *told[ID], *scored[ID]})
    place, copies = {name: at for at, name in enumerate(ids)}, -(-notes // len(ids))

    def copied(rows: pl.DataFrame) -> pl.DataFrame:
        small = rows.with_columns(pl.col(ID).replace_strict(place, return_dtype=pl.Int64))
        tiles = [small.with_columns(pl.col(ID) * copies + at + 10**15) for at in range(copies)]
        return pl.concat(tiles).sample(fraction=1.0, shuffle=True, seed=0)

    return copied(history), copied(told), copied(scored)


def written(notes: int, where: Path) -> tuple[Path, Path, Path]:
    """Write the files of a round and return their places."""
    paths = tuple(where / f"{name}-{notes}.tsv" for name in ("history", "notes", "scored"))
    for rows, path in zip(tiled(notes), paths, strict=True):
        write_history(rows, path)
    return paths[0], paths[1], paths[2]


def best(work: Callable[[], Any], times: int) -> float:
    """Return CPU seconds of the fastest of some repetitions."""
    found = []
    for _ in range(times):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def in_memory(notes: int, times: int) -> Cost:
    """Return what a whole round costs over columns: registering, joining, moving."""
    history, told, scored = tiled(notes)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def work() -> None:
        rounds.transitioned(rounds.joined(rounds.registered(history, told), scored), NOW, THEN)

    seconds = best(work, times)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    return Cost("a round in memory", notes, seconds / notes * 1e6, grown)


def file_to_file(notes: int, times: int, where: Path) -> Cost:
    """Return what a round costs from three files to one."""
    history, told, scored = written(notes, where)

    def work() -> None:
        known = rounds.registered(read_history(history, THEN), read_notes(told, THEN))
        after = rounds.transitioned(rounds.joined(known, read_scored(scored, THEN)), NOW, THEN)
        write_history(after, where / "after.tsv")

    return Cost("from file to file", notes, best(work, times) / notes * 1e6)


def one_by_one(notes: int, times: int) -> Cost:
    """Return what one transition costs, records and judgements in memory."""
    history, told, scored = tiled(notes)
    known = rounds.registered(history, told)
    records = {row[ID]: record_of(row) for row in known.select(columns(THEN)).to_dicts()}
    pairs = [
        (records[each.subject_id], each) for each in judgements_of(scored.to_dicts(), NOW) if each.subject_id in records
    ]

    def work() -> None:
        for record, judgement in pairs:
            advance(record, judgement, THEN)
            judgement.judged_at += 1

    return Cost("one transition by event", len(pairs), best(work, times) / len(pairs) * 1e6)


# -- the baseline -------------------------------------------------------------------------------------------


def _empty(value: Any) -> bool:
    return value is None or value != value


def _moved(row: "pd.Series[Any]") -> "pd.Series[Any]":
    """Move one row as the rules say, in the order they say it."""
    hold, final = row["updatedTimestampMillisOfNmrDueToMinStableCrhTime"], row["finalRatingStatus"]
    row["timestampMinuteOfFinalScoringOutput"] = np.nan
    if not _empty(hold):
        row["timestampMillisOfNmrDueToMinStableCrhTime"] = hold
        if _empty(row["timestampMillisOfFirstNmrDueToMinStableCrhTime"]):
            row["timestampMillisOfFirstNmrDueToMinStableCrhTime"] = hold
    if final != row["currentStatus"]:
        row["timestampMillisOfMostRecentStatusChange"] = NOW
    elif _empty(row["timestampMillisOfMostRecentStatusChange"]):
        row["timestampMillisOfMostRecentStatusChange"] = -1
    if _empty(final):
        raise ValueError("no status")
    row["currentStatus"] = final
    for ours, theirs in rounds.COPIED.items():
        row[ours] = row[theirs]
    row["timestampMillisOfCurrentStatus"] = NOW
    age = NOW - row["createdAtMillis"]
    if _empty(row["lockedStatus"]) and age > THEN.lock_age and row["decidedBy"] in THEN.trusted:
        row["lockedStatus"], row["timestampMillisOfStatusLock"] = final, NOW
    if not _empty(row["lockedStatus"]):
        row["timestampMillisOfNmrDueToMinStableCrhTime"] = -1
    seen = row["createdAtMillis_scored"]
    if _empty(seen) or row["createdAtMillis"] < (THEN.tracked_from or 0):
        return row
    if seen != row["createdAtMillis"]:
        raise ValueError("another creation time")
    if final != NMR:
        if _empty(row["firstNonNMRStatus"]):
            row["firstNonNMRStatus"] = row["mostRecentNonNMRStatus"] = final
            row["timestampMillisOfFirstNonNMRStatus"] = row["timestampMillisOfLatestNonNMRStatus"] = NOW
        if final != row["mostRecentNonNMRStatus"]:
            row["mostRecentNonNMRStatus"], row["timestampMillisOfLatestNonNMRStatus"] = final, NOW
    return row


def baseline(history: pd.DataFrame, told: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Return the history after a round, row by row."""
    known = history.merge(told, on=ID, how="outer", suffixes=("", "_notes"))
    new = known[CREATED].isna()
    for name in (CREATED, "noteAuthorParticipantId"):
        known.loc[new, name] = known.loc[new, f"{name}_notes"]
    found = known.merge(scored, on=ID, how="inner", suffixes=("", "_scored"))
    if len(found) != len(known):
        raise ValueError("not every note is scored once")
    return found.apply(_moved, axis=1)[columns(THEN)].sort_values(ID)


def by_rows(times: int) -> Cost:
    """Return what the baseline's round costs in memory."""
    frames = [pd.DataFrame(rows.to_dict(as_series=False)) for rows in tiled(BASELINE)]
    return Cost("row by row, in memory", BASELINE, best(lambda: baseline(*frames), times) / BASELINE * 1e6)


def by_rows_from_files(times: int, where: Path) -> Cost:
    """Return what the baseline's round costs from file to file."""
    paths = written(BASELINE, where)
    texts = {
        name: str for name in [*columns(THEN), *scored_columns(THEN)] if "tatus" in name and "imestamp" not in name
    }

    def work() -> None:
        frames = [pd.read_csv(path, sep="\t", dtype={**texts, "noteAuthorParticipantId": str}) for path in paths]
        baseline(*frames).to_csv(where / "baseline.tsv", sep="\t", index=False)

    return Cost("row by row, from file to file", BASELINE, best(work, times) / BASELINE * 1e6)


def apart(what: str, notes: int, times: int, where: Path) -> Cost:
    """Return what a round costs in a process of its own, so that its memory is its own, on one thread of polars."""
    words = (sys.executable, "-m", "tests.bench.status", what, str(notes), str(times), str(where))
    alone = {**os.environ, "POLARS_MAX_THREADS": "1"}
    said = subprocess.run(words, check=True, capture_output=True, text=True, env=alone).stdout.split()
    name = "a round in memory" if what == "memory" else "from file to file"
    return Cost(name, notes, float(said[0]), float(said[1]) if what == "memory" else None)


def compare(times: int, where: Path) -> tuple[list[Cost], list[Cost]]:
    """Return the baseline's two costs and ours."""
    ours = [apart("memory", size, times, where) for size in SIZES]
    ours += [apart("files", size, times, where) for size in SIZES[:2]]
    ours += [one_by_one(size, times) for size in SIZES[:2]]
    return [by_rows(1), by_rows_from_files(1, where)], ours


if __name__ == "__main__":
    notes, times = int(sys.argv[2]), int(sys.argv[3])
    measured = in_memory(notes, times) if sys.argv[1] == "memory" else file_to_file(notes, times, Path(sys.argv[4]))
    sys.stdout.write(f"{measured.micros} {measured.mib}\n")
