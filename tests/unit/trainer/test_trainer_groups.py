"""What people say of themselves serves groups only: above a minimum, without a trait in an id or an event."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.trainer.api.groups import build_router
from services.trainer.grouping import Grouping, events_of
from services.trainer.settings import TrainerSettings
from services.trainer.store.groups import GroupStore
from services.trainer.store.ratings import RatingStore
from services.trainer.tables import groups, traits
from shared import errors
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing, Principal, hash_key
from shared.bus.publisher import connect
from shared.embedded import PrivateBroker
from shared.personal.group_view import load
from shared.vocabulary import ModelKind, Scope
from tests.unit.trainer.test_trainer_populations import PEOPLE, a_crowd, a_population, holding

OWN, AUDITOR, OTHER, READER = "ombud_own", "ombud_auditor", "ombud_other_auditor", "ombud_reader"
LIBERAL, FEMALE = {"traits": {"politics": ["Liberal"]}}, {"traits": {"gender": ["Female"]}}


@pytest.fixture
def known(database) -> GroupStore:
    """The store of traits and groups."""
    return GroupStore(database)


@pytest.fixture
async def http(known, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Ask as somebody who may audit."""
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    redis = connect(broker.url)
    try:
        keys = KeyRing(redis)
        scopes = {OWN: Scope.REVIEW, AUDITOR: Scope.AUDIT, OTHER: Scope.AUDIT, READER: Scope.READ}
        await keys.publish({hash_key(key): Principal(key, key, frozenset({scopes[key]})) for key in scopes})
        app = FastAPI()
        errors.install(app)
        app.include_router(build_router(known, TrainerSettings(), keys, ArtifactStore(tmp_path / "artifacts")))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud", headers=holding(AUDITOR)) as client:
            yield client
    finally:
        await redis.aclose()
        await broker.stop()


async def some_traits(known: GroupStore) -> None:
    """Half of the crowd are liberal, five of them women who say so."""
    for who in range(PEOPLE):
        said = {"politics": ["Liberal" if who % 2 else "Conservative"]}
        await known.put_traits(f"person {who}", said | ({"gender": ["Female"]} if who < 10 and who % 2 else {}))


async def test_people_say_what_they_like_and_take_it_back(http, rows) -> None:
    body = {"traits": {"race": ["White", "Asian"], "gender": ["Nonbinary"]}}
    said = await http.put("/v1/raters/me/traits", json=body, headers=holding(OWN))
    assert said.json() == {"traits": {"gender": ["Nonbinary"], "race": ["Asian", "White"]}}
    assert (await http.put("/v1/raters/me/traits", json=LIBERAL, headers=holding(OWN))).json() == LIBERAL
    assert (await http.get("/v1/raters/me/traits")).json() == {"traits": {}}, "another person's are not mine"
    assert (await http.delete("/v1/raters/me/traits", headers=holding(OWN))).status_code == 204
    assert await rows(traits) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"shoes": ["large"]}, "unknown_trait"),
        ({"gender": ["male"]}, "unknown_trait"),
        ({"gender": []}, "unknown_trait"),
        ({"gender": ["Male", "Female"]}, "one_value_only"),
    ],
)
async def test_what_is_no_trait_is_refused_without_repeating_it(http, said, reason) -> None:
    answer = await http.put("/v1/raters/me/traits", json={"traits": said}, headers=holding(OWN))
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    assert "shoes" not in answer.text


async def test_a_small_group_gets_a_reason_and_no_number(http, known, rows) -> None:
    await some_traits(known)
    small = (await http.post("/v1/groups/size", json=FEMALE)).json()
    assert (small["allowed"], small["size"]) == (False, "< 15")
    assert (await http.post("/v1/groups/size", json=LIBERAL)).json() == {"allowed": True, "size": "20", "reason": None}
    refused = await http.post("/v1/groups", json=FEMALE)
    assert (refused.status_code, refused.json()["reason"]) == (409, "group_refused")
    assert await rows(groups) == []


async def test_a_group_is_compared_beside_requests_and_said_without_its_traits(
    http, known, handlers, personal, store, database, tmp_path, rows
) -> None:
    await a_crowd(handlers)
    await some_traits(known)
    asked = (await http.post("/v1/groups", json=LIBERAL)).json()["group_id"]
    work = Grouping(known, RatingStore(database), personal, TrainerSettings(), ArtifactStore(tmp_path / "artifacts"))
    await work()
    assert (await http.get(f"/v1/groups/{asked}")).json()["state"] == "queued", "there is nothing to compare with yet"
    await a_population(store, database, tmp_path)
    await personal.refresh()
    await work()
    view = (await http.get(f"/v1/groups/{asked}")).json()
    overall = view["result"]["overall"]
    assert (view["state"], overall["raters"], overall["ratings"]) == ("done", 20, 240)
    assert overall["low"] <= overall["value"] <= overall["high"]
    assert view["result"]["view"] == ("group" if overall["detectable"] else "crowd")
    (event,) = events_of((await rows(groups))[0])
    assert (event.data.kind, event.data.model, event.data.metrics["raters"]) == (ModelKind.GROUP, asked, 20.0)
    assert b"iberal" not in event.wire() and b"politics" not in event.wire()
    await work()
    assert (await http.get(f"/v1/groups/{asked}")).json() == view
    # who asked finds it again with who is meant; nobody else is told that
    assert (await http.get("/v1/groups")).json() == [view | LIBERAL]
    assert (await http.get("/v1/groups", headers=holding(OTHER))).json() == []
    # the model is in the event's artifact, and what it says is what can be asked
    made = load(ArtifactStore(tmp_path / "artifacts").get(event.data.artifact))
    assert (made.result, made.population) == (view["result"], view["population"])
    assert event.data.data_hash == view["population"]
    assert made.data_hash == (await rows(groups))[0].data_hash
    assert made.posts == personal.ground.population.posts
    everything = (await http.get(f"/v1/groups/{asked}/predictions", params={"limit": 5_000})).json()
    assert everything["model_version"] == event.data.model_version
    assert [each["rating"] for each in everything["predictions"]] == pytest.approx(made.means.tolist())
    assert (everything["status"] == "no_detectable_difference") == (view["result"]["view"] == "crowd")
    assert all(0 <= each["sd"] < each["sd_of_one"] and 0 <= each["p_toxic"] <= 1 for each in everything["predictions"])
    first = (await http.get(f"/v1/groups/{asked}/predictions", params={"limit": 2})).json()
    second = (await http.get(f"/v1/groups/{asked}/predictions", params={"limit": 2, "after": first["next"]})).json()
    assert first["predictions"] + second["predictions"] == everything["predictions"][:4]
    some = (await http.get(f"/v1/groups/{asked}/predictions", params={"post_id": ["nowhere", "p007"]})).json()
    assert ([each["post_id"] for each in some["predictions"]], some["unknown"]) == (["p007"], ["nowhere"])


async def test_a_group_without_a_model_says_why(http, known) -> None:
    await some_traits(known)
    asked = (await http.post("/v1/groups", json=LIBERAL)).json()["group_id"]
    waiting = await http.get(f"/v1/groups/{asked}/predictions")
    assert (waiting.status_code, waiting.json()["reason"]) == (409, "no_model")
    assert (await http.get("/v1/groups/nobody/predictions")).status_code == 404


async def test_a_group_that_shrank_meanwhile_is_refused(
    http, known, handlers, personal, store, database, tmp_path
) -> None:
    await a_crowd(handlers)
    await some_traits(known)
    asked = (await http.post("/v1/groups", json=LIBERAL)).json()["group_id"]
    for who in range(1, 13, 2):
        await known.put_traits(f"person {who}", {})
    await a_population(store, database, tmp_path)
    await personal.refresh()
    await Grouping(known, RatingStore(database), personal, TrainerSettings(), ArtifactStore(tmp_path / "artifacts"))()
    view = (await http.get(f"/v1/groups/{asked}")).json()
    assert (view["state"], view["result"]) == ("refused", None)
    assert "fewer than 15" in view["reason"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/groups/axes", {OWN, AUDITOR}),
        ("GET", "/v1/raters/me/traits", {OWN, AUDITOR}),
        ("PUT", "/v1/raters/me/traits", {OWN, AUDITOR}),
        ("DELETE", "/v1/raters/me/traits", {OWN, AUDITOR}),
        ("POST", "/v1/groups/size", {AUDITOR}),
        ("POST", "/v1/groups", {AUDITOR}),
        ("GET", "/v1/groups/x", {AUDITOR}),
        ("GET", "/v1/groups/x/predictions", {AUDITOR}),
    ],
)
async def test_a_key_opens_only_what_its_scope_allows(http, method, path, allowed) -> None:
    for key in (OWN, AUDITOR, READER):
        answer = await http.request(method, path, headers=holding(key))
        assert (answer.status_code == 403) == (key not in allowed)
    http.headers.pop("X-API-Key")
    assert (await http.request(method, path)).status_code == 401
