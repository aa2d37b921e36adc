"""What may go wrong with corrections, ratings, predictions and commands: refused with field and reason, never a 500."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.doors import MARKER, events, let_in, problem
from tests.support.servers import eventually

LIMIT = 20_480
SURROGATE = b'"zwunderquast \\ud800"'


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({}, "value_error", ""),
        ({"verdict": "incorrect"}, "value_error", ""),
        ({"post_id": ""}, "string_too_short", "post_id"),
        ({"post_id": 7}, "string_type", "post_id"),
        ({"post_id": "x" * 65}, "string_too_long", "post_id"),
        ({"text": ""}, "string_too_short", "text"),
        ({"text": [MARKER]}, "string_type", "text"),
        ({"post_id": "p", "verdict": MARKER}, "enum", "verdict"),
        ({"post_id": "p", "feedback_type": "zwunderquast"}, "enum", "feedback_type"),
        ({"post_id": "p", "expected_categories": [MARKER]}, "value_error", ""),
        ({"post_id": "p", "expected_categories": "insult"}, "list_type", "expected_categories"),
        ({"post_id": "p", "actual_categories": [5]}, "string_type", "actual_categories.0"),
        ({"post_id": "p", "spoke_about": ["toxic", MARKER]}, "value_error", ""),
        ({"post_id": "p", "standing": "king"}, "enum", "standing"),
        ({"post_id": "p", "timestamp": f"noon {MARKER}"}, "datetime_from_date_parsing", "timestamp"),
        ({"post_id": "p", "seen_version": -1}, "greater_than_equal", "seen_version"),
        ({"text": "t", "seen_version": 1}, "value_error", ""),
        ({"post_id": "p", "hold_s": 301}, "less_than_equal", "hold_s"),
        ({"post_id": "p", "colour": MARKER}, "extra_forbidden", "colour"),
        ({"post_id": "p", "language": "x" * 36}, "string_too_long", "language"),
        ([MARKER], "model_attributes_type", ""),
        (MARKER, "model_attributes_type", ""),
    ],
)
async def test_a_wrong_correction_is_422(
    body: object, reason: str, field: str, http: httpx.AsyncClient, redis: Redis
) -> None:
    before = await let_in(redis)
    problem(await http.post("/v1/feedback", json=body), 422, reason, field)
    assert await let_in(redis) == before


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"rating": 3}, "missing", "post_id"),
        ({"post_id": "p"}, "missing", "rating"),
        ({"post_id": "p", "rating": 5}, "less_than_equal", "rating"),
        ({"post_id": "p", "rating": -1}, "greater_than_equal", "rating"),
        ({"post_id": "p", "rating": 2.5}, "int_type", "rating"),
        ({"post_id": "p", "rating": True}, "int_type", "rating"),
        ({"post_id": "p", "rating": "3"}, "int_type", "rating"),
        ({"post_id": "p", "rating": MARKER}, "int_type", "rating"),
        ({"post_id": "p", "rating": 1, "why": MARKER}, "extra_forbidden", "why"),
    ],
)
async def test_a_wrong_rating_is_422(
    body: dict[str, Any], reason: str, field: str, http: httpx.AsyncClient, redis: Redis
) -> None:
    before = await let_in(redis)
    problem(await http.post("/v1/ratings", json=body), 422, reason, field)
    assert await let_in(redis) == before


@pytest.mark.parametrize("rating", [0, 1, 2, 3, 4, None])
async def test_a_rating_from_0_to_4_or_unsure_is_told(
    rating: int | None, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    body = {"post_id": name, "rating": rating, "timestamp": "2026-03-01T12:00:00+01:00"}
    heard = await http.post("/v1/ratings", json=body)
    assert (heard.status_code, heard.json()["duplicate"]) == (202, False)
    (told,) = [each.data for each in await events(redis, "posts.rated") if each.data.post_id == name]
    assert (told.rating, told.rated_at.isoformat()) == (rating, "2026-03-01T11:00:00+00:00")


@pytest.mark.parametrize(("path", "field"), [("/v1/feedback", "text"), ("/predict", "inputs")])
async def test_a_text_of_the_limit_passes_and_one_byte_more_is_413(
    path: str, field: str, http: httpx.AsyncClient
) -> None:
    text = "é" * (LIMIT // 2)
    assert (await http.post(path, json={field: text})).status_code in (200, 202)
    problem(await http.post(path, json={field: f"{text}a"}), 413, "text_too_long", field)


@pytest.mark.parametrize("inputs", ["", " \n ", None, 5, [MARKER]])
async def test_predict_wants_one_text(inputs: object, http: httpx.AsyncClient) -> None:
    answer = await http.post("/predict", json={"inputs": inputs})
    assert answer.status_code == 422
    problem(answer, 422, answer.json()["reason"], "inputs")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/feedback", "text"),
        ("/v1/feedback", "post_id"),
        ("/v1/feedback", "batch_id"),
        ("/v1/ratings", "post_id"),
        ("/predict", "inputs"),
        ("/v1/keys", "name"),
        ("/v1/reports", "title"),
        ("/v1/erasures", "author"),
        ("/v1/runs", "recipe"),
    ],
)
async def test_half_a_surrogate_in_a_string_is_refused_and_never_a_500(
    path: str, field: str, http: httpx.AsyncClient, redis: Redis
) -> None:
    before = await let_in(redis)
    rest = b', "platform": "test"' if path == "/v1/erasures" else b', "scopes": ["read"]' if path == "/v1/keys" else b""
    rest = b', "post_id": "p"' if field == "batch_id" else rest
    rest = b', "rating": 1' if path == "/v1/ratings" else rest
    body = b'{"' + field.encode() + b'": ' + SURROGATE + rest + b"}"
    answer = await http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert MARKER not in answer.text
    assert await let_in(redis) == before


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/ratings", "/predict", "/v1/keys", "/v1/reports", "/v1/runs"])
async def test_malformed_json_is_400_everywhere(path: str, http: httpx.AsyncClient) -> None:
    for body in (b'{"text": "zwunderquast', b"[" * 50_000, b'{"text": "\xff zwunderquast"}'):
        answer = await http.post(path, content=body, headers={"Content-Type": "application/json"})
        problem(answer, 400, "malformed_json")


async def test_text_and_ids_hold_no_nul_because_postgresql_stores_none(http: httpx.AsyncClient, name: str) -> None:
    for path, body, field in (
        ("/v1/posts", {"external_id": f"{name}\x00", "text": "a"}, "external_id"),
        ("/v1/posts", {"external_id": name, "text": "a", "author": "a\x00b"}, "author"),
        ("/v1/posts", {"external_id": name, "text": "a", "url": "https://a\x00b"}, "url"),
        ("/v1/posts", {"external_id": name, "text": "a", "reply_to": "\x00"}, "reply_to"),
        ("/v1/feedback", {"post_id": "p\x00"}, "post_id"),
        ("/v1/feedback", {"post_id": "p", "batch_id": "\x00"}, "batch_id"),
        ("/v1/feedback", {"post_id": "p", "language": "e\x00"}, "language"),
        ("/v1/feedback", {"retracts": "\x00"}, "retracts"),
        ("/v1/ratings", {"post_id": "p\x00", "rating": 1}, "post_id"),
        ("/v1/keys", {"name": "a\x00", "scopes": ["read"]}, "name"),
        ("/v1/erasures", {"platform": "a\x00", "author": "b"}, "platform"),
    ):
        problem(await http.post(path, json=body), 422, "string_pattern_mismatch", field)
    for method, path, field in (
        ("DELETE", "/v1/posts/p%00", "post_id"),
        ("GET", "/v1/posts/p%00", "post_id"),
        ("GET", "/v1/posts/p%00/status", "post_id"),
        ("GET", "/v1/posts?after=%00", "after"),
        ("GET", "/v1/statuses?after=%00", "after"),
        ("GET", "/v1/runs/r%00", "run_id"),
        ("POST", "/v1/runs/r%00/cancel", "run_id"),
        ("GET", "/v1/corrections/c%00", "correction_id"),
        ("GET", "/v1/reports/r%00", "report_id"),
        ("DELETE", "/v1/keys/k%00", "key_id"),
    ):
        problem(await http.request(method, path), 422, "string_pattern_mismatch", field)


async def test_a_corrected_text_keeps_everything_but_nul(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    heard = await http.post("/v1/feedback", json={"text": f"{name}\x00", "verdict": "unsure"})
    assert heard.status_code == 202

    async def kept() -> Any:
        answer = await http.get(f"/v1/corrections/{heard.json()['id']}")
        return answer.json() if answer.status_code == 200 else None

    assert (await eventually(kept))["text"] == f"{name}\ufffd"


async def test_the_same_idempotency_key_counts_once_and_another_person_s_does_not(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["review"]})).json()
    body = {"post_id": name, "expected_categories": ["insult"]}
    before = await redis.xlen("posts.corrected")
    answers = [await http.post("/v1/feedback", json=body, headers={"Idempotency-Key": name}) for _ in range(3)]
    assert [each.json()["duplicate"] for each in answers] == [False, False, False]  # the first answer, three times
    assert [each.headers.get("Idempotency-Replayed") for each in answers] == [None, "true", "true"]
    assert len({each.json()["id"] for each in answers}) == 1
    theirs = {"Idempotency-Key": name, "Authorization": f"Bearer {made['key']}"}
    await eventually(lambda: _accepted(http, body, theirs), 5, 0.5)
    assert await redis.xlen("posts.corrected") == before + 2


async def _accepted(http: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]) -> bool:
    answer = await http.post("/v1/feedback", json=body, headers=headers)
    return answer.status_code == 202 and not answer.json()["duplicate"]
