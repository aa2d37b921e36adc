"""What the trainer answers, and to whom."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.trainer.api import build_router
from services.trainer.settings import TrainerSettings
from shared import errors
from shared.auth import KeyRing, Principal, hash_key
from shared.bus.publisher import connect
from shared.embedded import PrivateBroker
from shared.vocabulary import Scope
from tests.unit.trainer.spoken import NOON, at, corrected, scored
from tests.unit.trainer.test_trainer_store import result

ADMIN, READER, SENDER = "ombud_admin", "ombud_reader", "ombud_sender"


@pytest.fixture
async def http(store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the trainer's routes as an administrator."""
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    redis = connect(broker.url)
    try:
        keys = KeyRing(redis)
        scopes = {ADMIN: Scope.ADMIN, READER: Scope.READ, SENDER: Scope.INGEST}
        await keys.publish({hash_key(key): Principal(key, key, frozenset({scopes[key]})) for key in scopes})
        app = FastAPI()
        errors.install(app)
        app.include_router(build_router(store, TrainerSettings(), keys))
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
    refused = await http.post("/v1/runs", json={"recipe": "linear"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "run_in_progress")
    assert refused.json()["run_id"] == accepted.json()["run_id"]
    run = (await http.get(f"/v1/runs/{accepted.json()['run_id']}")).json()
    assert (run["state"], run["trigger"], run["requested_by"]) == ("queued", "command", ADMIN)


@pytest.mark.parametrize("body", [{"recipe": "alchemy"}, {"recipes": "linear"}])
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
        ("GET", "/v1/models", {ADMIN, READER}),
        ("GET", "/v1/corrections/x", {ADMIN, READER}),
    ],
)
async def test_a_key_opens_only_what_its_scope_allows(http, method, path, allowed) -> None:
    for key in (ADMIN, READER, SENDER):
        answer = await http.request(method, path, headers=holding(key))
        assert (answer.status_code == 403) == (key not in allowed)
    http.headers.pop("X-API-Key")
    assert (await http.request(method, path)).status_code == 401
