"""Posts travel to a Coop as items and reports, over HTTP: once, without who wrote them, again when it fails."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.reporter.coop_client import CoopClient
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from shared.vocabulary import Status
from tests.support.acting import TOWN, Deciding, empty_store, number
from tests.support.coop import CoopServer


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with empty_store(tmp_path) as made:
        yield made


@pytest.fixture
def coop() -> Iterator[CoopServer]:
    with CoopServer() as each:
        yield each


def connected(store: Store, coop: CoopServer, **outlet: Any) -> Deciding:
    """Return a reporter whose posts go to a Coop."""
    entry = {"kind": "coop", "base_url": coop.url, "api_key": "coop-key", "type_id": "posts", **outlet}
    chosen = ReporterSettings(outlets={"coop": entry | {"platform": TOWN}})
    edges = {name: CoopClient(each) for name, each in chosen.outlets.items() if each.kind == "coop"}
    return Deciding(store, chosen, edges)


async def test_what_the_model_flagged_is_an_item_and_a_report_once_and_says_nothing_of_its_author(
    store: Store,
    coop: CoopServer,
) -> None:
    fields = {"content": "text", "why": "categories"}
    reporter = connected(store, coop, automatic=["item", "report"], fields=fields, policy="abuse")
    await reporter.score(1)
    assert await reporter.after(seconds=31) == [("item", number(1), "done", False), ("report", "r1", "done", False)]
    await reporter.status(1, Status.FLAGGED)
    assert len(await reporter.after(seconds=31)) == 2
    sent = {"id": number(1), "typeId": "posts", "data": {"content": "some words", "why": ["toxic", "hate_speech"]}}
    assert coop.items == [sent]
    (report,) = coop.reports
    assert datetime.fromisoformat(report.pop("reportedAt")).tzinfo is not None
    assert report == {
        "reporter": {"kind": "user", "typeId": "ombud", "id": "ombud"},
        "reportedForReason": {
            "reason": "Ombud: flagged by the model (toxic, hate_speech). https://ombud.example/v1/posts/p1",
            "policyId": "abuse",
        },
        "reportedItem": sent,
    }
    assert "a1" not in str((coop.items, coop.reports))


async def test_what_coop_refuses_for_good_is_written_down_without_the_post(
    store: Store,
    coop: CoopServer,
) -> None:
    reporter = connected(store, coop, automatic=["report"])
    await reporter.score(1)
    coop.script += [503, 400]
    assert await reporter.after(seconds=31) == [("report", number(1), "begun", False)]
    assert await reporter.after(minutes=5) == [("report", number(1), "failed", False)]
    async with store.read() as connection:
        (row,) = await store.acts_of(connection, "coop", "p1")
    assert row.reason == "answered 400 (scripted)"


async def test_coop_takes_nothing_back_and_a_cleared_post_is_sent_again_where_that_is_asked_for(
    store: Store,
    coop: CoopServer,
) -> None:
    reporter = connected(store, coop, flagged=["report"], cleared=["item"])
    await reporter.decide(1)
    await reporter.after(seconds=31)
    await reporter.status(1, Status.CLEARED)
    assert await reporter.after(seconds=31) == [
        ("report", "r1", "done", False),
        ("report", "r1", "done", True),
        ("item", number(1), "done", False),
    ]
    assert len(coop.items) == len(coop.reports) == 1
