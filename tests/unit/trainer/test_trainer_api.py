"""What the trainer answers, and to whom."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.trainer.api import corrections as receipts
from services.trainer.api import feedback, models, runs
from services.trainer.runs import RunKind
from services.trainer.settings import TrainerSettings
from shared import errors
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing, Principal, hash_key
from shared.bus.publisher import connect
from shared.embedded import PrivateBroker
from shared.vocabulary import Scope
from tests.unit.trainer.spoken import NOON, at, corrected, scored
from tests.unit.trainer.test_trainer_store import result

ADMIN, READER, SENDER, AUDITOR = "ombud_admin", "ombud_reader", "ombud_sender", "ombud_auditor"


@pytest.fixture
async def http(store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the trainer's routes as an administrator."""
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    redis = connect(broker.url)
    try:
        keys = KeyRing(redis)
        scopes = {ADMIN: Scope.ADMIN, READER: Scope.READ, SENDER: Scope.INGEST, AUDITOR: Scope.AUDIT}
        await keys.publish({hash_key(key): Principal(key, key, frozenset({scopes[key]})) for key in scopes})
        app = FastAPI()
        errors.install(app)
        app.include_router(runs.build_router(store, TrainerSettings(), keys, {RunKind.REFIT}))
        app.include_router(models.build_router(store, ArtifactStore(tmp_path), keys))
        app.include_router(receipts.build_router(store, keys))
        app.include_router(feedback.build_router(store, keys))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud", headers=holding(ADMIN)) as client:
            yield client
    finally:
        await redis.aclose()
        await broker.stop()


def holding(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


async def test_a_run_is_accepted_once(http) -> None:
    accepted = await http.post("/v1/runs")
    assert accepted.status_code == 202
    refused = await http.post("/v1/runs", json={"recipe": "hashed"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "run_in_progress")
    assert refused.json()["run_id"] == accepted.json()["run_id"]
    run = (await http.get(f"/v1/runs/{accepted.json()['run_id']}")).json()
    assert (run["state"], run["trigger"], run["requested_by"]) == ("queued", "command", ADMIN)


@pytest.mark.parametrize("body", [{"recipe": "alchemy"}, {"recipes": "hashed"}])
async def test_an_unknown_recipe_or_field_is_refused(http, body) -> None:
    assert (await http.post("/v1/runs", json=body)).status_code == 422
    assert (await http.get("/v1/runs")).json() == []


async def test_a_queued_run_can_be_cancelled_once(http) -> None:
    run_id = (await http.post("/v1/runs")).json()["run_id"]
    cancelled = await http.post(f"/v1/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "failed")
    again = await http.post(f"/v1/runs/{run_id}/cancel")
    assert (again.status_code, again.json()["reason"]) == (409, "run_is_over")
    assert (await http.post("/v1/runs/unheard-of/cancel")).status_code == 404


async def test_a_correction_names_the_model_that_learned_it(http, store, handlers) -> None:
    await handlers.on_post_corrected([corrected("a", "p")])
    await handlers.on_post_scored([scored("p")])
    before = (await http.get("/v1/corrections/a")).json()
    run_id = (await http.post("/v1/runs")).json()["run_id"]
    claim = await store.claim(run_id, "me", NOON)
    await store.snapshot(claim)
    version = await store.finish(claim, result(taught=("a",)), None, at(1))
    after = (await http.get("/v1/corrections/a")).json()
    assert (before["learned_by"], before["learned_by_promoted"]) == (None, None)
    assert (after["learned_by"], after["learned_by_promoted"], after["retracted"]) == (version, True, False)
    assert [model["version"] for model in (await http.get("/v1/models")).json()] == [version]
    assert (await http.get("/v1/corrections/unheard-of")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/runs", {ADMIN}),
        ("POST", "/v1/runs/x/cancel", {ADMIN}),
        ("GET", "/v1/runs", {ADMIN, READER}),
        ("GET", "/v1/runs/x", {ADMIN, READER}),
        ("POST", "/v1/runs/x/retry", {ADMIN}),
        ("GET", "/v1/runs/x/log", {ADMIN, READER}),
        ("GET", "/v1/models", {ADMIN, READER}),
        ("GET", "/v1/models/x", {ADMIN, READER}),
        ("POST", "/v1/models/x/promote", {ADMIN}),
        ("POST", "/v1/models/rollback", {ADMIN}),
        ("POST", "/v1/models/x/retire", {ADMIN}),
        ("POST", "/v1/models/x/refuse", {ADMIN, AUDITOR}),
        ("GET", "/v1/corrections/x", {ADMIN, READER}),
        ("GET", "/api/v1/feedback", {ADMIN, READER}),
        ("GET", "/api/feedback/summary", {ADMIN, READER}),
    ],
)
async def test_a_key_opens_only_what_its_scope_allows(http, method, path, allowed) -> None:
    for key in (ADMIN, READER, SENDER, AUDITOR):
        answer = await http.request(method, path, headers=holding(key))
        assert (answer.status_code == 403) == (key not in allowed)
    http.headers.pop("X-API-Key")
    assert (await http.request(method, path)).status_code == 401


async def test_corrections_are_given_page_by_page_with_a_link(http, handlers) -> None:
    told = [corrected(f"c{n}", text=f"text {n}", corrected_at=at(n)) for n in range(5)]
    await handlers.on_post_corrected(told)
    met, url = [], "/api/v1/feedback?limit=2&since=2026-03-01T12:01:00%2B00:00"
    while url:
        answer = await http.get(url)
        assert answer.status_code == 200
        met.append([line["text"] for line in answer.json()])
        url = answer.links.get("next", {}).get("url")
    assert met == [["text 1", "text 2"], ["text 3", "text 4"]]


async def test_a_line_has_the_fields_the_harvest_knows(http, handlers) -> None:
    await handlers.on_post_corrected([corrected("c", text="You fool", actual_categories=("toxic",))])
    assert (await http.get("/api/v1/feedback")).json() == [
        {
            "text": "You fool",
            "feedback_type": "other",
            "expected_categories": ["insult"],
            "actual_categories": ["toxic"],
            "spoke_about": ["insult", "toxic"],
            "timestamp": "2026-03-01T12:00:00+00:00",
        }
    ]


async def test_since_a_date_means_midnight_in_utc_inclusive(http, handlers) -> None:
    moments = ["2026-03-01T00:30:00+02:00", "2026-02-28T23:30:00-02:00", "2026-03-01T00:00:00+00:00"]
    await handlers.on_post_corrected(
        [corrected(text, text=text, corrected_at=datetime.fromisoformat(text)) for text in moments]
    )
    found = (await http.get("/api/v1/feedback", params={"since": "2026-03-01"})).json()
    assert [line["text"] for line in found] == [moments[2], moments[1]]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+12:00"}, "since"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "ÿ"}, "cursor"),
    ],
)
async def test_a_wrong_question_is_422_and_named(http, asked, field) -> None:
    answer = await http.get("/api/v1/feedback", params=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_the_summary_has_the_shape_of_its_page(http, handlers) -> None:
    empty = (await http.get("/api/feedback/summary")).json()
    assert (empty["total"], empty["first"], empty["last"]) == (0, None, None)
    await handlers.on_post_corrected([corrected("c", text="You fool", corrected_at=NOON)])
    found = (await http.get("/api/feedback/summary")).json()
    assert found.keys() == {"total", "by_type", "by_category", "first", "last"}
    assert found["by_type"] == {"false_positive": 0, "false_negative": 0, "other": 1}
    assert found["by_category"]["insult"] == {"false_positive": 0, "false_negative": 1}
    assert len(found["by_category"]) == 12
    assert found["first"] == found["last"] == "2026-03-01T12:00:00Z"
