"""Audits over HTTP: whose they are, how they begin, change and end, and what wrong requests are told."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.doors import events, problem
from tests.support.ombud import KEY, client
from tests.support.servers import eventually
from tests.support.shapes import Shared

NOWHERE = "00000000-0000-4000-8000-000000000000"


def key_of(url: str, name: str) -> str:
    """Return a new key that may audit, and nothing else, once it is known everywhere."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        key = str(http.post("/v1/keys", json={"name": name, "scopes": ["audit"]}).json()["key"])
    time.sleep(2.1)  # until every service has read the keys again
    return key


@pytest.fixture(scope="module")
def keys(ombud: Shared) -> tuple[str, str]:
    """The keys of two people who may audit."""
    return key_of(ombud.url, "ann"), key_of(ombud.url, "bob")


@pytest.fixture
async def ann(ombud: Shared, keys: tuple[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may audit."""
    async with client(ombud.url, keys[0]) as them:
        yield them


@pytest.fixture
async def bob(ombud: Shared, keys: tuple[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else who may audit."""
    async with client(ombud.url, keys[1]) as them:
        yield them


async def begun(them: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    """Return a new audit, once a system is known to be in force."""

    async def answer() -> dict[str, Any] | None:
        made = await them.post("/v1/audits", json={"title": "what I would flag", **values})
        assert made.status_code in (201, 409), made.text
        return dict(made.json()) if made.status_code == 201 else None

    return dict(await eventually(answer))


async def listed(them: httpx.AsyncClient, **asked: Any) -> list[str]:
    """Return the ids of somebody's audits."""
    return [each["id"] for each in (await them.get("/v1/audits", params={"limit": 200, **asked})).json()["audits"]]


async def test_an_audit_is_of_the_system_in_force_and_only_its_owner_sees_it(
    ann: httpx.AsyncClient, bob: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    audit = await begun(ann, cut=2.5)
    champion = next(each for each in (await http.get("/v1/models")).json() if each["promoted"])
    assert audit["system"]["version"].startswith(champion["version"][:2])
    assert (audit["kind"], audit["model"], audit["cut"], audit["version"]) == ("personal", "", 2.5, 1)
    assert audit["id"] in await listed(ann)
    assert await listed(bob) == []
    change = {"version": 1, "title": "not yours"}
    problem(await bob.patch(f"/v1/audits/{audit['id']}", json=change), 404, "not_found")
    problem(await ann.patch(f"/v1/audits/{NOWHERE}", json=change), 404, "not_found")
    renamed = (await http.patch(f"/v1/audits/{audit['id']}", json={"version": 1, "title": "by an admin"})).json()
    assert (renamed["title"], renamed["version"]) == ("by an admin", 2)


async def test_a_repeated_command_begins_one_audit_and_another_body_is_refused(ann: httpx.AsyncClient) -> None:
    await begun(ann)
    before = await listed(ann)
    key, body = {"Idempotency-Key": "begin once"}, {"title": "twice"}
    answers = await asyncio.gather(*(ann.post("/v1/audits", json=body, headers=key) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    other = await ann.post("/v1/audits", json={"title": "another"}, headers=key)
    problem(other, 422, "idempotency_key_reused", "Idempotency-Key")
    assert await listed(ann) == [answers[0].json()["id"], *before]


async def test_a_change_names_the_version_it_saw_and_archived_audits_are_out_of_the_list(
    ann: httpx.AsyncClient,
) -> None:
    audit = await begun(ann)
    path = f"/v1/audits/{audit['id']}"
    put_away = await ann.patch(path, json={"version": 1, "archived": True})
    assert put_away.status_code == 200 and put_away.json()["archived_at"]
    refused = problem(await ann.patch(path, json={"version": 1, "title": "late"}), 409, "stale_version", "version")
    assert refused["current"] == 2
    assert audit["id"] not in await listed(ann)
    assert audit["id"] in await listed(ann, archived=True)
    back = await ann.patch(path, json={"version": 2, "archived": False, "scaffold": "prompts"})
    assert (back.json()["archived_at"], back.json()["scaffold"]) == (None, "prompts")


async def test_lists_go_on_where_the_page_before_ended_and_equal_answers_are_not_sent_twice(
    ann: httpx.AsyncClient,
) -> None:
    made = [(await begun(ann, title=str(n)))["id"] for n in range(3)]
    first = (await ann.get("/v1/audits", params={"limit": 2})).json()
    second = (await ann.get("/v1/audits", params={"limit": 200, "cursor": first["next"]})).json()
    assert [each["id"] for each in first["audits"] + second["audits"]][:3] == made[::-1]
    assert second["next"] is None
    problem(await ann.get("/v1/audits", params={"cursor": "bm9uZQ=="}), 422, "cursor_invalid", "cursor")
    answer = await ann.get("/v1/audits")
    again = await ann.get("/v1/audits", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_what_a_model_is_called_is_data_of_its_owner(ann: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    made = (await ann.post("/v1/audits/models", json={"name": "../etc; strict"})).json()
    assert "strict" not in made["id"]
    audit = await begun(ann, model=made["id"])
    assert audit["model"] == made["id"]
    problem(await bob.post("/v1/audits", json={"title": "x", "model": made["id"]}), 422, "unknown_model", "model")
    path = f"/v1/audits/models/{made['id']}"
    problem(await bob.patch(path, json={"name": "theirs", "version": 1}), 404, "not_found")
    assert (await ann.patch(path, json={"name": "stricter", "version": 1})).json()["version"] == 2
    problem(await ann.patch(path, json={"name": "late", "version": 1}), 409, "stale_version", "version")
    assert "stricter" in [each["name"] for each in (await ann.get("/v1/audits/models")).json()]
    assert (await bob.get("/v1/audits/models")).json() == []


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({}, "missing", "title"),
        ({"title": ""}, "string_too_short", "title"),
        ({"title": "x", "cut": 4}, "less_than", "cut"),
        ({"title": "x", "kind": "friend"}, "literal_error", "kind"),
        ({"title": "x", "kind": "topic"}, "value_error", ""),
        ({"title": "x", "group_id": NOWHERE}, "value_error", ""),
        ({"title": "x", "model": "a/b"}, "string_pattern_mismatch", "model"),
        ({"title": "x", "owner": "me"}, "extra_forbidden", "owner"),
    ],
    ids=str,
)
async def test_a_wrong_audit_is_refused_with_reason_and_field(
    ann: httpx.AsyncClient, body: dict[str, Any], reason: str, field: str
) -> None:
    problem(await ann.post("/v1/audits", json=body), 422, reason, field)


async def test_a_label_is_a_rating_that_names_its_audit(ann: httpx.AsyncClient, redis: Redis, name: str) -> None:
    path, body = f"/v1/audits/{NOWHERE}/labels", {"post_id": name, "rating": 3, "model": "strict"}
    told = await ann.post(path, json=body)
    assert (told.status_code, told.json()["duplicate"]) == (202, False)
    (event,) = [each for each in await events(redis, "posts.rated") if each.data.post_id == name]
    assert (event.data.rating, event.data.model, event.data.audit) == (3, "strict", NOWHERE)
    key = {"Idempotency-Key": name}
    answers = [await ann.post(path, json=body | {"rating": None}, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len([each for each in await events(redis, "posts.rated") if each.data.post_id == name]) == 2
    problem(await ann.post(path, json=body | {"rating": 5}), 422, "less_than_equal", "rating")
    problem(await ann.post("/v1/audits/none/labels", json=body), 422, "string_pattern_mismatch", "audit_id")
