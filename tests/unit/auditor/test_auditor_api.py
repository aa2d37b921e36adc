"""The auditor's routes, with real keys on a real broker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.auditor.app import build
from services.auditor.tables import metadata, rounds, systems
from shared import errors
from shared.auth import Principal, hash_key
from shared.clock import utcnow
from shared.embedded import PrivateBroker
from shared.events import Event
from shared.runtime import Platform
from shared.settings import Settings
from shared.streams import heard_by
from shared.vocabulary import Scope

KEYS = {
    "reader": Scope.READ,
    "ingester": Scope.INGEST,
    "auditor": Scope.AUDIT,
    "reviewer": Scope.REVIEW,
    "admin": Scope.ADMIN,
}


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    made = Platform(Settings(data_dir=tmp_path), broker.url)
    await made.keys.publish({hash_key(name): Principal(name, name, frozenset({scope})) for name, scope in KEYS.items()})
    yield made
    await made.redis.aclose()
    await broker.stop()


@pytest.fixture
async def service(platform: Platform) -> AsyncIterator[Any]:
    made = build(platform)
    async with made.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.database.close()


@pytest.fixture
async def client(service: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors.install(app)
    for router in service.routers:
        app.include_router(router)
    headers = {"Authorization": "Bearer reader"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as made:
        yield made


async def hear(service: Any, stream: str, *events: Event[Any]) -> None:
    await service.hears[stream](list(events))


def test_the_auditor_hears_what_the_flow_says(service: Any) -> None:
    assert set(service.hears) == {stream.name for stream in heard_by("auditor")}


async def test_a_post_is_answered_with_its_history_newest_last(service: Any, client: Any, say: Any) -> None:
    await hear(service, "posts.scored", say.scored("p", 0.4, 1))
    await hear(service, "posts.corrected", say.corrected("p", "c", 2, expected=("insult",)))
    await hear(service, "posts.corrected", say.retracted("c", 3))
    await hear(service, "posts.deleted", say.deleted("p", 9))
    answer = (await client.get("/v1/posts/p/status")).json()
    assert [step["status"] for step in answer["history"]] == ["needs_review", "flagged", "needs_review"]
    assert (answer["status"], answer["rule"], answer["sequence"]) == ("needs_review", "model", 3)
    assert list(answer["opinions"]) == ["model"]
    assert answer["deleted_at"] == "2026-03-01T12:09:00Z"
    older = (await client.get("/v1/posts/p/status", params={"limit": 1, "before": 3})).json()
    assert [step["sequence"] for step in older["history"]] == [2]


DAYS = 24 * 60


async def test_a_lock_is_opened_over_http_by_a_reviewer_with_a_reason_that_stays(
    service: Any, client: Any, say: Any
) -> None:
    await hear(service, "posts.scored", say.scored("p", 0.9, 1))
    await hear(service, "posts.corrected", say.corrected("p", "c", 15 * DAYS))  # nothing is wrong: it locks as cleared
    await hear(service, "posts.corrected", say.corrected("p", "d", 15 * DAYS + 1, expected=("insult",)))
    before = (await client.get("/v1/posts/p/history")).json()
    assert (before["record"]["status"], before["record"]["lock"]["status"]) == ("cleared", "cleared")
    assert [each["kind"] for each in before["log"][-1]["changes"]] == ["lock_conflict"]

    body = {"reason": "a second reviewer disagrees"}
    for who in ("reader", "ingester", "auditor"):
        refused = await client.post("/v1/posts/p/unlock", json=body, headers={"Authorization": f"Bearer {who}"})
        assert (refused.status_code, refused.json()["reason"]) == (403, "missing_scope")
    reviewing = {"Authorization": "Bearer reviewer"}
    for wrong in ({}, {"reason": "x"}, {"reason": "because", "status": "flagged"}):
        assert (await client.post("/v1/posts/p/unlock", json=wrong, headers=reviewing)).status_code == 422
    assert (await client.post("/v1/posts/never/unlock", json=body, headers=reviewing)).status_code == 404
    assert (await client.get("/v1/posts/p/history")).json() == before  # none of these opened it

    opened = (await client.post("/v1/posts/p/unlock", json=body, headers=reviewing)).json()
    assert (opened["record"]["status"], opened["record"]["lock"]) == ("flagged", None)  # what was said meanwhile counts
    last = opened["log"][-1]
    assert (last["actor"], last["reason"], last["previous"]) == ("reviewer", body["reason"], "cleared")
    assert {"unlocked", "status_changed"} <= {each["kind"] for each in last["changes"]}
    again = await client.post("/v1/posts/p/unlock", json=body, headers=reviewing)
    assert (again.status_code, again.json()["reason"]) == (409, "not_locked")
    assert (await client.get("/v1/posts/p/history")).json() == opened

    # the short answer is of the same record
    short = (await client.get("/v1/posts/p/status")).json()
    assert (short["status"], short["rule"]) == (opened["record"]["status"], opened["record"]["rule"])
    assert short["sequence"] == opened["record"]["sequence"]
    same = ("sequence", "status", "previous", "rule", "cause_id")
    assert [[step[name] for name in same] for step in short["history"]] == [
        [entry[name] for name in same] for entry in opened["log"]
    ]


async def test_a_post_nobody_judged_is_not_found(service: Any, client: Any, say: Any) -> None:
    await hear(service, "posts.deleted", say.deleted("gone", 1))
    for post_id in ("gone", "never"):
        answer = await client.get(f"/v1/posts/{post_id}/status")
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_statuses_are_listed_page_by_page(service: Any, client: Any, say: Any) -> None:
    await hear(service, "posts.scored", *(say.scored(f"p{n}", 0.9 if n % 2 else 0.1, 1) for n in range(7)))
    seen, after, pages = [], None, 0
    while True:
        query = {"status": "cleared", "limit": 2} | ({"after": after} if after else {})
        page = (await client.get("/v1/statuses", params=query)).json()
        seen += [each["post_id"] for each in page["statuses"]]
        after, pages = page["next"], pages + 1
        if after is None:
            break
    assert seen == ["p0", "p2", "p4", "p6"]
    assert pages == 2
    assert len((await client.get("/v1/statuses")).json()["statuses"]) == 7


async def test_the_summary_counts_statuses_reviews_and_deletions(service: Any, client: Any, say: Any) -> None:
    empty = (await client.get("/v1/statuses/summary")).json()
    assert (empty["total"], empty["statuses"]["flagged"]) == (0, 0)
    await hear(service, "posts.scored", say.scored("a", 0.9), say.scored("b", 0.1), say.scored("c", 0.9))
    await hear(service, "posts.corrected", say.corrected("c", "k", 2))
    await hear(service, "posts.deleted", say.deleted("a", 3), say.deleted("never seen", 3))
    assert (await client.get("/v1/statuses/summary")).json() == {
        "total": 3,
        "statuses": {"needs_review": 0, "flagged": 1, "cleared": 2},
        "reviewed": 1,
        "deleted": 1,
    }


@pytest.mark.parametrize("path", ["/v1/posts/p/status", "/v1/statuses", "/v1/statuses/summary"])
async def test_reading_needs_the_scope_read(client: Any, path: str) -> None:
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await client.get(path, headers={"Authorization": "Bearer ingester"})).status_code == 403
    assert (await client.get(path)).status_code in (200, 404)


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"status": "odd"}])
async def test_a_bad_query_is_refused_with_the_field(client: Any, query: dict[str, Any]) -> None:
    answer = await client.get("/v1/statuses", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, next(iter(query)))


async def held(service: Any, name: str, version: str, state: str = "held", replaces: str | None = "m-1") -> None:
    """Leave a round of a model in the tables."""
    now = utcnow()
    flips = [{"name": "all", "rule": "all", "before": 10, "after": 60, "gained": 50, "lost": 0, "failed": "gained"}]
    waiting = {"round_id": name, "version": version, "number": 1, "state": state, "opened_at": now, "rows": 300}
    system = {"model_version": version, "model": "m", "artifact": "a", "replaces": replaces, "promoted_at": now}
    async with service.database.begin() as connection:
        await connection.execute(rounds.insert().values(last_heard_at=now, flips=flips, **waiting))
        await connection.execute(systems.insert().values(**system))


async def decided(
    client: httpx.AsyncClient, name: str, how: str, key: str, reason: str = "looked at it"
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return await client.post(f"/v1/rounds/{name}/{how}", json={"reason": reason}, headers=headers)


async def test_a_held_round_shows_what_failed_and_is_decided_once_by_who_may(
    client: httpx.AsyncClient, service: Any
) -> None:
    await held(service, "one", "m-2")
    await held(service, "two", "m-3", "gathering")
    page = (await client.get("/v1/rounds", params={"state": "held"})).json()
    assert [(each["round_id"], each["failed"]) for each in page["rounds"]] == [("one", ["all"])]
    first = (await client.get("/v1/rounds", params={"limit": 1})).json()
    second = (await client.get("/v1/rounds", params={"limit": 1, "before": first["next"]})).json()
    assert {first["rounds"][0]["round_id"], second["rounds"][0]["round_id"]} == {"one", "two"}
    assert second["next"] is None
    (subset,) = (await client.get("/v1/rounds/one")).json()["subsets"]
    assert (subset["failed"], round(subset["gained_share"], 3)) == ("gained", 0.455)

    assert (await decided(client, "one", "confirm", "auditor")).status_code == 403
    assert (await decided(client, "one", "rollback", "reader")).status_code == 403
    assert (await decided(client, "one", "rollback", "auditor", reason="")).status_code == 422
    for _ in range(2):
        found = (await decided(client, "one", "rollback", "auditor")).json()
        assert (found["decision"], found["decided_by"], found["reason"]) == ("rolled_back", "auditor", "looked at it")
    refused = await decided(client, "one", "confirm", "admin")
    assert (refused.status_code, refused.json()["reason"]) == (409, "decided_otherwise")


async def test_a_round_that_is_not_held_or_has_no_way_back_is_not_decided(
    client: httpx.AsyncClient, service: Any
) -> None:
    await held(service, "one", "m-2", "gathering")
    await held(service, "two", "m-3", replaces=None)
    answers = [
        await decided(client, "one", "confirm", "admin"),
        await decided(client, "one", "rollback", "auditor"),
        await decided(client, "two", "rollback", "auditor"),
        await decided(client, "none", "confirm", "admin"),
    ]
    assert [(each.status_code, each.json()["reason"]) for each in answers] == [
        (409, "not_held"),
        (409, "not_held"),
        (409, "nothing_to_go_back_to"),
        (404, "not_found"),
    ]
    assert (await client.get("/v1/rounds/none")).status_code == 404
    assert (await client.get("/v1/rounds", params={"before": "none"})).status_code == 404
