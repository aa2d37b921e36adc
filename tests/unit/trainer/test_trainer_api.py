"""What the trainer answers, and to whom."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.trainer.api import cards, feedback, models, runs
from services.trainer.api import corrections as receipts
from services.trainer.runs import RunKind
from services.trainer.settings import TrainerSettings
from services.trainer.steps import REFIT, Progress, StepStatus
from shared import errors
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing, Principal, hash_key
from shared.bus.publisher import connect
from shared.embedded import PrivateBroker
from shared.ids import digest
from shared.model import shipped
from shared.vocabulary import Scope, Verdict
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
        app.include_router(cards.build_router(store, ArtifactStore(tmp_path), keys))
        app.include_router(receipts.build_router(store, keys))
        app.include_router(feedback.build_router(store, keys))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud", headers=holding(ADMIN)) as client:
            client.artifacts = ArtifactStore(tmp_path)  # type: ignore[attr-defined]
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


async def made(http, store, artifact: str, *taught: str, passed: bool = True) -> tuple[str, str]:
    """A run over HTTP whose worker is played by the test; return its id and its model's version."""
    run_id = (await http.post("/v1/runs")).json()["run_id"]
    claim = await store.claim(run_id, "me", NOON)
    champion, _ = await store.snapshot(claim)
    for step in REFIT[:-1]:
        await store.progress(claim, Progress(step, StepStatus.RUNNING), NOON)
        await store.progress(claim, Progress(step, StepStatus.DONE, f"{step} is done"), at(1))
    name = http.artifacts.put(artifact.encode())
    version = await store.finish(claim, result(name, passed=passed, taught=taught), champion, at(1))
    return run_id, version


async def test_a_run_shows_its_steps_and_their_log(http, store) -> None:
    run_id, version = await made(http, store, "a")
    run = (await http.get(f"/v1/runs/{run_id}")).json()
    assert [(step["name"], step["status"]) for step in run["steps"]] == [(name, "done") for name in REFIT]
    assert run["steps"][0]["seconds"] == 60.0
    lines = (await http.get(f"/v1/runs/{run_id}/log")).json()
    assert lines[0] == {"step": "data", "at": "2026-03-01T12:01:00Z", "line": "data is done"}
    assert lines[-1]["line"] == f"{version} is champion"
    assert (await http.get("/v1/runs?kind=topics")).json() == []
    assert (await http.get("/v1/runs/unheard-of/log")).status_code == 404


async def test_a_kind_nobody_makes_here_is_refused(http) -> None:
    refused = await http.post("/v1/runs", json={"kind": "topics"})
    assert (refused.status_code, refused.json()["reason"]) == (422, "kind_unavailable")


async def test_a_run_that_ended_goes_on_from_a_step(http, store) -> None:
    active = (await http.post("/v1/runs")).json()["run_id"]
    waits = await http.post(f"/v1/runs/{active}/retry", json={"from": "data"})
    assert (waits.status_code, waits.json()["reason"]) == (409, "run_is_active")
    await http.post(f"/v1/runs/{active}/cancel")
    missing = await http.post(f"/v1/runs/{active}/retry", json={"from": "gate"})
    assert (missing.status_code, missing.json()["reason"]) == (409, "step_missing")
    again = await http.post(f"/v1/runs/{active}/retry", json={"from": "data"})
    assert (again.status_code, again.json()["state"], again.json()["error"]) == (202, "queued", None)
    assert (await http.post("/v1/runs/unheard-of/retry", json={"from": "data"})).status_code == 404


async def test_only_a_refused_model_is_judged_again_and_keeps_its_version(http, store) -> None:
    first, _ = await made(http, store, "a")
    run_id, version = await made(http, store, "b", passed=False)
    for run, step in ((first, "gate"), (run_id, "training")):
        refused = await http.post(f"/v1/runs/{run}/retry", json={"from": step})
        assert (refused.status_code, refused.json()["reason"]) == (409, "run_has_a_model")
    assert (await http.post(f"/v1/runs/{run_id}/retry", json={"from": "gate"})).status_code == 202
    claim = await store.claim(run_id, "me", at(2))
    champion, _ = await store.snapshot(claim)
    assert await store.finish(claim, result(http.artifacts.put(b"b")), champion, at(3)) == version
    history = (await http.get(f"/v1/models/{version}")).json()["history"]
    assert [step["stage"] for step in history] == ["refused", "champion"]


async def test_what_the_gate_refused_is_promoted_only_despite_it_and_with_a_reason(http, store) -> None:
    _, first = await made(http, store, "a")
    _, worse = await made(http, store, "b", passed=False)
    refused = await http.post(f"/v1/models/{worse}/promote")
    assert (refused.status_code, refused.json()["reason"]) == (409, "model_refused")
    assert refused.json()["reasons"] == ["because"]
    silent = await http.post(f"/v1/models/{worse}/promote", json={"despite_gate": True})
    assert (silent.status_code, silent.json()["field"]) == (422, "reason")
    asked = {"despite_gate": True, "reason": "looked at by hand"}
    promoted = (await http.post(f"/v1/models/{worse}/promote", json=asked)).json()
    assert (promoted["stage"], promoted["replaces"]) == ("champion", first)
    assert promoted["history"][-1]["by"] == ADMIN
    assert (await http.post(f"/v1/models/{worse}/promote", json=asked)).status_code == 409


async def test_one_command_goes_back_to_the_champion_before(http, store) -> None:
    nobody = await http.post("/v1/models/rollback")
    assert (nobody.status_code, nobody.json()["reason"]) == (409, "no_earlier_champion")
    versions = [(await made(http, store, each))[1] for each in "abc"]
    assert (await http.post("/v1/models/rollback")).json()["version"] == versions[1]
    named = await http.post("/v1/models/rollback", json={"version": versions[2], "reason": "too hasty"})
    assert (named.json()["version"], named.json()["stage"]) == (versions[2], "champion")
    http.artifacts.path((await http.get(f"/v1/models/{versions[0]}")).json()["artifact"]).unlink()
    gone = await http.post("/v1/models/rollback", json={"version": versions[0]})
    assert (gone.status_code, gone.json()["reason"]) == (409, "artifact_gone")
    assert (await http.post("/v1/models/rollback", json={"version": "m-9"})).status_code == 404


async def test_an_auditor_who_refuses_the_champion_puts_the_one_before_in_force(http, store) -> None:
    _, first = await made(http, store, "a")
    only = await http.post(f"/v1/models/{first}/refuse", json={"reason": "it flips"}, headers=holding(AUDITOR))
    assert (only.status_code, only.json()["reason"]) == (409, "no_earlier_champion")
    _, second = await made(http, store, "b")
    refused = await http.post(f"/v1/models/{second}/refuse", json={"reason": "it flips"}, headers=holding(AUDITOR))
    assert (refused.json()["stage"], refused.json()["history"][-1]["reasons"]) == ("refused", ["it flips"])
    assert (await http.get(f"/v1/models/{first}")).json()["stage"] == "champion"
    retired = await http.post(f"/v1/models/{first}/retire", json={"reason": "old"})
    assert (retired.status_code, retired.json()["reason"]) == (409, "model_in_force")


async def test_a_receipt_says_which_model_holds_a_correction_and_what_became_of_the_score(
    http, store, handlers
) -> None:
    await handlers.on_post_corrected([corrected("a", "p"), corrected("b", "p", verdict=Verdict.UNSURE)])
    await handlers.on_post_scored([scored("p")])
    waits = (await http.get("/v1/corrections/a")).json()
    assert (waits["layer"], waits["held_by"], waits["score"]) == ("override", None, None)
    _, first = await made(http, store, "a", "a")
    _, second = await made(http, store, "b", "a")
    held = (await http.get("/v1/corrections/a")).json()
    assert (held["layer"], held["learned_by"], held["held_by"]) == ("refit", first, second)
    assert [each["version"] for each in held["learned"]] == [first, second]
    assert held["score"]["version"] == second
    await handlers.on_post_corrected([corrected("undo", retracts="a")])
    taken_back = (await http.get("/v1/corrections/a")).json()
    assert (taken_back["retracted"], taken_back["layer"], taken_back["held_by"]) == (True, None, second)
    assert (await http.get("/v1/corrections/b")).json()["layer"] is None


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


async def test_a_model_answers_for_itself_with_its_card_and_its_facts(http, store) -> None:
    run_id = (await http.post("/v1/runs")).json()["run_id"]
    claim = await store.claim(run_id, "me", NOON)
    told = {"facts": {"metrics": {"macro_ap_11": 0.7}}, "left": {"card": http.artifacts.put(b"# Model card: mine\n")}}
    version = await store.finish(claim, replace(result(), **told), None, at(1))
    card = await http.get(f"/v1/models/{version}/card", headers=holding(READER))
    assert (card.text, card.headers["content-type"]) == ("# Model card: mine\n", "text/markdown; charset=utf-8")
    assert (await http.get(f"/v1/models/{version}/facts")).json() == told["facts"]
    for path in ("card", "facts"):
        assert (await http.get(f"/v1/models/unheard-of/{path}")).status_code == 404
        assert (await http.get(f"/v1/models/{version}/{path}", headers=holding(SENDER))).status_code == 403


async def test_the_shipped_model_has_the_card_it_shipped_with(http, store) -> None:
    run_id = (await http.post("/v1/runs")).json()["run_id"]
    claim = await store.claim(run_id, "me", NOON)
    version = await store.finish(claim, result(digest(shipped())), None, at(1))
    assert (await http.get(f"/v1/models/{version}/card")).text.startswith("# Model card: ombud-scorer, the model that")
    assert (await http.get(f"/v1/models/{version}/facts")).status_code == 404
