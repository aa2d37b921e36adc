"""One capture replayed in one process and in five gives equal read models: the shapes differ in configuration only.

The five record their spans, so the same replay shows that one trace leads from a request to the last read model.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.bus.publisher import connect
from shared.streams import FLOW, SERVICES
from tests.support.capture import CORRECTED, SALT, replay
from tests.support.commands import succeeds
from tests.support.exported import READ_MODELS
from tests.support.inside import query, tables_of
from tests.support.ombud import KEY, client
from tests.support.servers import Broker
from tests.support.shapes import one_process, split
from tests.support.traced import Seen
from tests.support.traced import read as spans_in

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
REBUILT = [table.name for table in READ_MODELS]
ARRIVED = {"auditor_posts": {"sequence", "rank"}, "auditor_ratings": {"sequence"}}
"""Columns that say in which order things came together; between streams there is none."""
WHOSE = {"reviewer", "retracted_by", "rater", "run_id", "first_run_id", "cause_id", "event_id", "version", "system"}
"""Columns that name a key, a run or an event whose id is drawn anew each time, and those of ratings that depend on what
came together (`version`) or had a score by then (`system`); what they mean is compared below."""

Client = Callable[[str], httpx.AsyncClient]


@asynccontextmanager
async def in_one_process(folder: Path, **more: object) -> AsyncIterator[tuple[Client, Broker, Path]]:
    with one_process(folder, first_start=True, **SETTINGS, **more) as running:
        yield lambda _: client(running.url), running.broker, running.data_dir


@asynccontextmanager
async def in_five(traces: Path, folder: Path) -> AsyncIterator[tuple[Client, Broker, Path]]:
    async with split(folder, first_start=True, traces=traces, **SETTINGS) as (processes, broker):
        yield processes.client, broker, processes.data_dir


async def rebuilt_equals_live(folder: Path, client_of: Client, broker: Broker, data_dir: Path) -> None:
    """Make the reporter's read models anew in an empty database, when the streams are empty, too, and compare."""
    async with connect(broker.url) as redis:
        for stream in FLOW:
            await redis.xtrim(stream, maxlen=0, approximate=False)
    where = {f"reporter_{name}_url": str(client_of(name).base_url) for name in ("classifier", "trainer", "auditor")}
    anew = folder / "anew"
    anew.mkdir()
    told = await succeeds(
        "run", "reporter", "--rebuild", data_dir=anew, redis_url=broker.url, bootstrap_key=KEY, **where
    )
    assert "replayed         0 events of posts.scored" in told
    for table in REBUILT:
        columns = [each for each in tables_of(anew / "reporter.sqlite3")[table] if each != "blind"]
        asked = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
        before, after = (set(query(each / "reporter.sqlite3", asked)) for each in (data_dir, anew))
        if table == "reporter_tombstones":  # a post that went with its author has one of its own besides
            assert before < after
        else:
            assert after == before, table


async def read_models(shape: Any, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Replay the capture, try that a rebuild makes what live operation made, and return every read model.

    What has to differ between two installations is left out of what is returned.
    """
    async with shape(folder) as (client_of, broker, data_dir):
        redis = connect(broker.url)
        names = await replay(client_of, redis)
        await redis.aclose()
        await rebuilt_equals_live(folder, client_of, broker, data_dir)
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


@dataclass(frozen=True)
class Both:
    """Read models of the two shapes, and the spans of the five processes."""

    embedded: dict[str, list[dict[str, Any]]]
    processes: dict[str, list[dict[str, Any]]]
    spans: list[Seen]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The capture, replayed in both shapes."""
    folder = tmp_path_factory.mktemp("both")
    traces = folder / "traces"
    traces.mkdir()
    embedded = asyncio.run(read_models(in_one_process, folder / "embedded"))
    processes = asyncio.run(read_models(partial(in_five, traces), folder / "split"))
    return Both(embedded, processes, spans_in(traces))  # they have ended, so everything is written


def test_four_shards_give_the_same_read_models_as_one(both: Both, tmp_path: Path) -> None:
    sharded = asyncio.run(read_models(partial(in_one_process, shards=4), tmp_path))
    assert both.embedded.keys() == sharded.keys()
    for table, rows in both.embedded.items():
        assert rows == sharded[table], table


def test_one_process_and_five_give_equal_read_models(both: Both) -> None:
    embedded, processes = both.embedded, both.processes
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


def test_one_trace_leads_from_a_request_through_every_service_to_the_last_read_model(both: Both) -> None:
    by_id = {span.span: span for span in both.spans}

    def way(span: Seen) -> tuple[str, ...]:
        """Return what led to a span, the last first; the whole way is one trace."""
        names = [span.name]
        while span.parent is not None:
            parent = by_id[span.parent]
            assert parent.trace == span.trace
            names.append(parent.name)
            span = parent
        return tuple(names)

    ways = {way(span) for span in both.spans if span.service == "reporter"}
    posted = ("classifier posts.ingested", "POST /v1/posts")
    assert ways >= {
        ("reporter posts.scored", *posted),
        ("reporter posts.status_changed", "auditor posts.scored", *posted),
        ("reporter posts.corrected", "POST /v1/feedback"),
        ("reporter posts.status_changed", "auditor posts.corrected", "POST /v1/feedback"),
        ("reporter posts.deleted", "DELETE /v1/posts/{post_id}"),
    }
    requests = [span for span in both.spans if span.name == "POST /v1/posts"]
    assert {(span.service, span.kind, span.parent) for span in requests} == {("ingest", "SERVER", None)}
    first = min(requests, key=lambda span: len(way(span)))
    together = [span for span in both.spans if span.trace == first.trace]
    assert {span.service for span in together} == set(SERVICES)
    assert len({span.attributes["ombud.event_id"] for span in together if span.name == posted[0]}) == 100


def test_a_batch_links_to_the_context_of_every_input_and_every_input_to_its_batch(both: Both) -> None:
    by_id = {span.span: span for span in both.spans}
    batches = {span.span: span for span in both.spans if span.name.endswith(" batch")}
    inputs: dict[str, list[Seen]] = {}
    for span in both.spans:
        if "ombud.event_id" in span.attributes:
            (batch,) = span.links
            assert batches[batch].name == f"{span.name} batch"
            assert batches[batch].service == span.service
            inputs.setdefault(batch, []).append(span)
    assert inputs.keys() == batches.keys()
    for name, handled in inputs.items():
        assert batches[name].attributes["ombud.events"] == len(handled)
        assert set(batches[name].links) == {span.parent for span in handled if span.parent is not None}
    assert max(len({by_id[link].trace for link in span.links}) for span in batches.values()) > 1


def test_every_time_column_is_left_out_by_name() -> None:
    assert all(re.search(r"_at$|_rank$|^(opinions|marks|ratings)$", column) for column in WHEN)


@pytest.mark.parametrize("table", [table for tables in TABLES.values() for table in tables])
def test_the_compared_tables_exist(table: str) -> None:
    from importlib import import_module

    service = next(name for name, tables in TABLES.items() if table in tables)
    assert table in import_module(f"services.{service}.tables").metadata.tables
