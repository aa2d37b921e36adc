"""One capture replayed in one process and in five gives equal read models: the shapes differ in configuration only."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.bus.publisher import connect
from tests.support.capture import CORRECTED, SALT, replay
from tests.support.inside import query, tables_of
from tests.support.ombud import client
from tests.support.servers import Broker
from tests.support.shapes import one_process, split

SETTINGS = {"pseudonym_salt": SALT, "trainer_corrections_per_run": CORRECTED, "auditor_round_quiet_s": 1}
TABLES = {
    "classifier": ["classifier_posts", "toxicity_scores", "classifier_corrections", "classifier_retractions"],
    "trainer": ["trainer_posts", "trainer_corrections", "trainer_rating_log", "trainer_models"],
    "auditor": [
        "auditor_statuses",
        "auditor_status_changes",
        "auditor_corrections",
        "auditor_posts",
        "auditor_ratings",
    ],
    "reporter": ["reporter_posts", "reporter_corrections", "reporter_models"],
}
SUBJECTS = {"classifier_tombstones", "trainer_tombstones", "auditor_tombstones", "reporter_tombstones"}
WHEN = {
    "seen_at",
    "scored_at",
    "trained_at",
    "promoted_at",
    "announced_at",
    "deleted_at",
    "score_rank",
    "status_changed_at",
    "changed_at",
    "first_changed_at",
    "last_judged_at",
    "heard_at",
    "said_at",
    "due_at",
    "rated_at",
    "opinions",
    "marks",
    "ratings",
}
"""Columns that say when something happened here (those that do not end in _at hold such a time among other things)."""
ARRIVED = {"auditor_posts": {"sequence", "rank"}, "auditor_ratings": {"sequence"}}
"""Columns that say in which order things came together; between streams there is none."""
WHOSE = {"reviewer", "retracted_by", "rater", "run_id", "first_run_id", "cause_id", "event_id", "version", "system"}
"""Columns that name a key, a run or an event whose id is drawn anew each time, and those of ratings that depend on what
came together (`version`) or had a score by then (`system`); what they mean is compared below."""

Client = Callable[[str], httpx.AsyncClient]


@asynccontextmanager
async def in_one_process(folder: Path) -> AsyncIterator[tuple[Client, Broker, Path]]:
    with one_process(folder, first_start=True, **SETTINGS) as running:
        yield lambda _: client(running.url), running.broker, running.data_dir


@asynccontextmanager
async def in_five(folder: Path) -> AsyncIterator[tuple[Client, Broker, Path]]:
    async with split(folder, first_start=True, **SETTINGS) as (processes, broker):
        yield processes.client, broker, processes.data_dir


async def read_models(shape: Any, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Replay the capture and return every read model, without what has to differ."""
    async with shape(folder) as (client_of, broker, data_dir):
        redis = connect(broker.url)
        names = await replay(client_of, redis)
        await redis.aclose()
        return {
            table: rows_of(data_dir / f"{service}.sqlite3", table, names)
            for service, tables in TABLES.items()
            for table in tables
        } | {
            name: sorted(query(data_dir / f"{service}.sqlite3", f"SELECT subject FROM {name}"))  # noqa: S608
            for service in TABLES
            for name in tables_of(data_dir / f"{service}.sqlite3")
            if name in SUBJECTS
        }


def rows_of(file: Path, table: str, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a table in a fixed order; ids drawn anew are replaced by what they stand for."""
    columns = tables_of(file)[table]
    kept = [column for column in columns if column not in WHEN | ARRIVED.get(table, set())]
    rows = [dict(zip(kept, row, strict=True)) for row in query(file, f"SELECT {', '.join(kept)} FROM {table}")]  # noqa: S608
    for row in rows:
        row |= {column: row[column] is not None for column in WHOSE & row.keys()}
        row |= {column: names.get(str(value), value) for column, value in row.items()}
        row |= {column: None for column in ("metrics",) if column in row and table == "reporter_models"} | {
            column: bool(row[column]) for column in ("run_id",) if column in row
        }
    return sorted(rows, key=lambda row: orjson.dumps(row, bytes.hex, orjson.OPT_SORT_KEYS))


async def test_one_process_and_five_give_equal_read_models(tmp_path: Path) -> None:
    embedded = await read_models(in_one_process, tmp_path / "embedded")
    processes = await read_models(in_five, tmp_path / "split")
    assert embedded.keys() == processes.keys()
    for table, rows in embedded.items():
        assert rows == processes[table], table

    # and the capture left something to compare
    assert len({row["artifact"] for row in embedded["trainer_models"]}) == 2
    assert [row["promoted"] for row in embedded["trainer_models"]] == [1, 1]
    assert len(embedded["classifier_posts"]) == len(embedded["reporter_posts"]) == 120
    assert {row["status"] for row in embedded["auditor_statuses"]} == {"flagged", "needs_review", "cleared"}
    assert (
        sum(row["text"] is None for row in embedded["reporter_posts"]) == 5 + 17
    )  # deleted one by one, and by author 3
    assert any(row["sequence"] > 1 for row in embedded["auditor_status_changes"])
    assert len(embedded["trainer_rating_log"]) == 20


def test_every_time_column_is_left_out_by_name() -> None:
    assert all(re.search(r"_at$|_rank$|^(opinions|marks|ratings)$", column) for column in WHEN)


@pytest.mark.parametrize("table", [table for tables in TABLES.values() for table in tables])
def test_the_compared_tables_exist(table: str) -> None:
    from importlib import import_module

    service = next(name for name, tables in TABLES.items() if table in tables)
    assert table in import_module(f"services.{service}.tables").metadata.tables
