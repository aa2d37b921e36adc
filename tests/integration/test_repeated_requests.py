"""The same Idempotency-Key and body: one effect and one answer, whatever happens in between."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.publisher import connect
from tests.support.doors import MARKER, composed, events, let_in, problem
from tests.support.servers import eventually
from tests.support.shapes import Shared, split

BODIES: dict[str, dict[str, Any]] = {
    "/v1/posts": {"platform": "test", "text": "What a lovely day."},
    "/v1/feedback": {"expected_categories": ["insult"]},
    "/api/v1/feedback": {"text": f"A text with {MARKER}.", "expected_categories": ["insult"]},
    "/v1/ratings": {"rating": 3},
    "/v1/erasures": {"platform": "test"},
    "/v1/audits/00000000-0000-4000-8000-000000000000/labels": {"rating": 3},
}
"""Every route of ingest that takes a key, and a body but for what must be its own."""
OF_AUDITS = {"/v1/audits", "/v1/audits/models", "/v1/audits/{audit_id}/draws"}
"""Those of the auditor, which keeps no answers: what a key began is shown as it is now. Tried in test_audits.py."""
OF_THE_CLASSIFIER = {"/v1/thresholds"}
"""The key is part of the row itself, which is written once. Tried in test_thresholds.py."""


def body_of(path: str, name: str) -> dict[str, Any]:
    own = {"/v1/posts": "external_id", "/v1/erasures": "author", "/api/v1/feedback": None}.get(path, "post_id")
    return BODIES[path] | ({own: name} if own else {"text": f"{BODIES[path]['text']} {name}"})


def keyed(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def change(data_dir: Path, name: str, **columns: object) -> None:
    """Change what is kept of the newest request; its moment is moved as a crash or a long time would."""
    names = ", ".join(f"{column} = ?" for column in columns)
    newest = "(SELECT max(received_at) FROM ingest_requests)"
    with closing(sqlite3.connect(data_dir / "ingest.sqlite3", timeout=10)) as database, database:
        changed = database.execute(
            f"UPDATE ingest_requests SET {names} WHERE received_at = {newest}",  # noqa: S608 - names of columns
            list(columns.values()),
        )
        assert changed.rowcount == 1, name


def ago(**time: int) -> str:
    return (datetime.now(UTC) - timedelta(**time)).strftime("%Y-%m-%d %H:%M:%S.%f")


def test_every_route_that_takes_a_key_is_tried_here() -> None:
    taking = {
        path
        for path, item in composed().openapi()["paths"].items()
        for each in item.get("post", {}).get("parameters", ())
        if each["name"] == "Idempotency-Key"
    }
    tried = {path.replace("00000000-0000-4000-8000-000000000000", "{audit_id}") for path in BODIES}
    assert taking == tried | OF_AUDITS | OF_THE_CLASSIFIER


@pytest.mark.parametrize("path", BODIES)
async def test_the_same_request_again_gets_the_same_answer_and_changes_nothing(
    path: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    first = await http.post(path, json=body_of(path, name), headers=keyed(name))
    assert first.status_code in (201, 202), first.text
    assert "idempotency-replayed" not in first.headers
    before = await let_in(redis)
    for _ in range(2):
        again = await http.post(path, json=body_of(path, name), headers=keyed(name))
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["content-type"] == "application/json"
    assert await let_in(redis) == before


@pytest.mark.parametrize("path", BODIES)
async def test_the_same_key_with_another_body_is_refused(
    path: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    assert (await http.post(path, json=body_of(path, name), headers=keyed(name))).is_success
    before = await let_in(redis)
    other = await http.post(path, json=body_of(path, f"{name} {MARKER}"[:64]), headers=keyed(name))
    problem(other, 422, "idempotency_key_reused", "Idempotency-Key")
    assert await let_in(redis) == before


async def test_the_same_key_on_another_route_is_refused(http: httpx.AsyncClient, name: str) -> None:
    body = {"text": f"Nice goal! {name}"}
    assert (await http.post("/v1/feedback", json=body, headers=keyed(name))).status_code == 202
    problem(
        await http.post("/api/v1/feedback", json=body, headers=keyed(name)),
        422,
        "idempotency_key_reused",
        "Idempotency-Key",
    )


async def test_of_many_at_once_one_is_taken_and_the_others_wait_or_get_its_answer(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    before = await redis.xlen("posts.corrected")
    body = body_of("/v1/feedback", name)
    answers = await asyncio.gather(*(http.post("/v1/feedback", json=body, headers=keyed(name)) for _ in range(20)))
    assert await redis.xlen("posts.corrected") == before + 1
    good = [each for each in answers if each.status_code == 202]
    assert len({each.content for each in good}) == 1
    assert sum("idempotency-replayed" not in each.headers for each in good) == 1
    for each in answers:
        if each.status_code != 202:
            problem(each, 409, "request_in_flight", "Idempotency-Key")
            assert int(each.headers["retry-after"]) >= 1


async def test_a_request_in_flight_is_409_and_one_that_a_crash_left_is_taken_over(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    body = body_of("/v1/feedback", name)
    first = await http.post("/v1/feedback", json=body, headers=keyed(name))
    before = await let_in(redis)
    change(ombud.data_dir, name, status=None, body=None)
    waiting = await http.post("/v1/feedback", json=body, headers=keyed(name))
    problem(waiting, 409, "request_in_flight", "Idempotency-Key")
    assert int(waiting.headers["retry-after"]) >= 1
    change(ombud.data_dir, name, received_at=ago(seconds=61))
    after = await http.post("/v1/feedback", json=body, headers=keyed(name))
    assert after.json() == first.json() | {"duplicate": True}
    assert await let_in(redis) == before
    again = await http.post("/v1/feedback", json=body, headers=keyed(name))
    assert (again.content, again.headers["idempotency-replayed"]) == (after.content, "true")


async def test_after_a_day_the_key_is_free_and_another_correction_is_another(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    first = await http.post("/v1/feedback", json=body_of("/v1/feedback", name), headers=keyed(name))
    change(ombud.data_dir, name, received_at=ago(hours=25))
    other = await http.post("/v1/feedback", json={"post_id": name, "verdict": "unsure"}, headers=keyed(name))
    assert other.json()["duplicate"] is False
    assert other.json()["id"] != first.json()["id"]


async def test_a_refusal_is_kept_too_and_says_nothing_of_what_was_sent(http: httpx.AsyncClient, name: str) -> None:
    body = {"post_id": name, "colour": MARKER}
    first = await http.post("/v1/feedback", json=body, headers=keyed(name))
    again = await http.post("/v1/feedback", json=body, headers=keyed(name))
    for each in (first, again):
        problem(each, 422, "extra_forbidden", "colour")
    assert again.headers["idempotency-replayed"] == "true"
    malformed = {"Content-Type": "application/json", **keyed(f"{name}2")}
    for _ in range(2):
        answer = await http.post("/v1/feedback", content=b'{"text": "zwunderquast', headers=malformed)
        problem(answer, 400, "malformed_json")
    assert answer.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 257])
@pytest.mark.parametrize("path", BODIES)
async def test_a_key_that_is_none_is_422(path: str, key: str, http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    before = await let_in(redis)
    answer = await http.post(path, json=body_of(path, name), headers=keyed(key))
    problem(answer, 422, "string_too_long" if key else "string_too_short", "Idempotency-Key")
    assert await let_in(redis) == before


async def test_without_a_key_of_ours_the_answer_of_another_is_not_given(
    ombud: Shared, http: httpx.AsyncClient, name: str
) -> None:
    assert (await http.post("/v1/ratings", json=body_of("/v1/ratings", name), headers=keyed(name))).is_success
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        problem(
            await anybody.post("/v1/ratings", json=body_of("/v1/ratings", name), headers=keyed(name)), 401, "no_key"
        )


async def test_a_crash_between_the_append_and_the_answer_is_harmless(tmp_path: Path, name: str) -> None:
    body = body_of("/v1/feedback", name) | {"seen_version": 0}  # so the append is the first that waits for the broker
    async with split(tmp_path, "ingest", ingest_idempotency_takeover_s=1) as (processes, broker):

        def begun() -> bool:
            with closing(sqlite3.connect(processes.data_dir / "ingest.sqlite3", timeout=10)) as database:
                return bool(database.execute("SELECT 1 FROM ingest_requests WHERE status IS NULL").fetchall())

        async with processes.client("ingest") as http:
            assert (await http.post("/v1/feedback", json={"post_id": "warm"})).status_code == 202
            broker.pause()
            sending = asyncio.create_task(http.post("/v1/feedback", json=body, headers=keyed(name)))
            await eventually(begun)
            await asyncio.sleep(0.5)  # until the append waits in the broker's socket
            processes.kill("ingest")
            broker.resume()
            with pytest.raises(httpx.TransportError):
                await sending
        processes.start("ingest")
        await processes.ready("ingest")
        async with processes.client("ingest") as http:

            async def taken() -> httpx.Response | None:
                answer = await http.post("/v1/feedback", json=body, headers=keyed(name))
                return answer if answer.status_code == 202 else None

            answer = await eventually(taken, every=0.2)
        redis = connect(broker.url)
        said = [each.data.correction_id for each in await events(redis, "posts.corrected") if each.data.post_id == name]
        await redis.aclose()
        assert said == [answer.json()["id"]]
        assert answer.json()["duplicate"] is True  # the append of the one that was killed had reached the broker
