"""What a platform may do wrong with POST /v1/posts: each mistake is refused with its field and reason, and no more."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.ids import post_id
from tests.support.doors import MARKER, let_in, problem, scored

LIMIT = 20_480


def post(name: str, **fields: Any) -> dict[str, Any]:
    return {"platform": "test", "external_id": name, "text": f"a text with {MARKER}"} | fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"external_id": "a", "text": "zwunderquast"',
        b"{'external_id': 'a', 'text': 'zwunderquast'}",
        b'{"external_id": "a", "text": "zwunderquast \xff\xfe"}',
        b'{"external_id": "a", "text": "zwunderquast \\ud800"}',
        b'{"external_id": "a", "text": NaN}',
        b"[" * 100_000,
        b"\x00",
    ],
    ids=["empty", "cut off", "single quotes", "not UTF-8", "half a surrogate", "NaN", "very deep", "NUL"],
)
async def test_malformed_json_is_400(body: bytes, http: httpx.AsyncClient, redis: Redis) -> None:
    before = await let_in(redis)
    answer = await http.post("/v1/posts", content=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "malformed_json")
    assert await let_in(redis) == before


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"text": ""}, "string_too_short", "text"),
        ({"text": " \n\t\u2003 "}, "text_empty", "text"),
        ({"text": 5}, "string_type", "text"),
        ({"text": None}, "string_type", "text"),
        ({"text": [MARKER]}, "string_type", "text"),
        ({"external_id": ""}, "string_too_short", "external_id"),
        ({"external_id": 7}, "string_type", "external_id"),
        ({"external_id": "x" * 513}, "string_too_long", "external_id"),
        ({"platform": "No Platform"}, "string_pattern_mismatch", "platform"),
        ({"platform": True}, "string_type", "platform"),
        ({"language": "english!"}, "string_pattern_mismatch", "language"),
        ({"author": ""}, "string_too_short", "author"),
        ({"url": f"javascript:{MARKER}"}, "string_pattern_mismatch", "url"),
        ({"url": "https://" + "x" * 2048}, "string_too_long", "url"),
        ({"created_at": f"yesterday {MARKER}"}, "datetime_from_date_parsing", "created_at"),
        ({"created_at": "2026-01-02T03:04:05"}, "timezone_aware", "created_at"),
        ({"edited_at": "2026-01-02T03:04:05"}, "timezone_aware", "edited_at"),
        ({"edited_at": [2026]}, "datetime_type", "edited_at"),
        ({"colour": MARKER}, "extra_forbidden", "colour"),
        ({"post_id": "mine"}, "extra_forbidden", "post_id"),
    ],
)
async def test_a_wrong_field_is_422_and_named(
    change: dict[str, Any], reason: str, field: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    before = await let_in(redis)
    problem(await http.post("/v1/posts", json=post(name, **change)), 422, reason, field)
    assert await let_in(redis) == before


@pytest.mark.parametrize("field", ["text", "external_id"])
async def test_a_missing_field_is_422_and_named(field: str, http: httpx.AsyncClient, name: str) -> None:
    body = {key: value for key, value in post(name).items() if key != field}
    problem(await http.post("/v1/posts", json=body), 422, "missing", field)


@pytest.mark.parametrize("body", [5, "zwunderquast", None, True, 1.5])
async def test_a_body_that_is_no_post_is_422(body: object, http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/posts", content=json.dumps(body))
    problem(answer, 422, "model_type")


@pytest.mark.parametrize(
    "text",
    ["a" * LIMIT, "é" * (LIMIT // 2), "☃" * 6826 + "é", "😀" * (LIMIT // 4)],
    ids=["one byte each", "two bytes each", "three bytes each", "four bytes each"],
)
async def test_a_text_of_exactly_the_limit_is_accepted_and_one_byte_more_is_413(
    text: str, http: httpx.AsyncClient, name: str
) -> None:
    assert len(text.encode()) == LIMIT
    refused = problem(await http.post("/v1/posts", json=post(name, text=text + "a")), 413, "text_too_long", "text")
    assert "20481" in refused["detail"] and "20480" in refused["detail"]
    problem(await http.post("/v1/posts", json=post(name, text=text[:-1] + "😀a")), 413, "text_too_long", "text")
    accepted = await http.post("/v1/posts", json=post(name, text=text))
    assert accepted.status_code == 202
    kept = await scored(http, accepted.json()["post_id"])
    assert kept["text"] == text


async def test_a_text_keeps_every_character_but_nul(http: httpx.AsyncClient, name: str) -> None:
    text = "  e\u0301 \u202ertl\u202c \ufeff \U0001f9d1\u200d\U0001f33e \r\n\x01 \x7f \u2028 end  "
    accepted = await http.post("/v1/posts", json=post(name, text=text + "\x00"))
    assert (await scored(http, accepted.json()["post_id"]))["text"] == text + "\ufffd"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_of_many_posts_the_good_are_accepted_and_the_bad_listed(
    wrapped: bool, http: httpx.AsyncClient, name: str
) -> None:
    posts: list[Any] = [
        post(f"{name}-0"),
        post(f"{name}-1", text=""),
        post(f"{name}-2"),
        MARKER,
        post(f"{name}-4", text="b" * (LIMIT + 1)),
        post(f"{name}-0"),
    ]
    answer = await http.post("/v1/posts", json={"posts": posts} if wrapped else posts)
    assert answer.status_code == 202
    assert MARKER not in answer.text
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["rejected_total"]) == (2, 1, 3)
    rejected = [(each["at"], each["field"], each["reason"]) for each in body["rejected"]]
    assert rejected == [(1, "text", "string_too_short"), (3, "", "model_type"), (4, "text", "text_too_long")]
    for external in (f"{name}-0", f"{name}-2"):
        await scored(http, post_id("test", external))


async def test_many_posts_without_a_good_one_are_422(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.post("/v1/posts", json=[post(name, text=""), post(name, colour=MARKER)])
    refused = problem(answer, 422, "no_post_accepted", "posts")
    assert [each["at"] for each in refused["rejected"]] == [0, 1]


async def test_a_thousand_posts_are_accepted_and_one_more_is_too_many(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    posts = [post(f"{name}-{n}", text=f"number {n}") for n in range(1001)]
    before = await redis.xlen("posts.ingested")
    problem(await http.post("/v1/posts", json={"posts": posts}), 422, "posts_count", "posts")
    problem(await http.post("/v1/posts", json=[]), 422, "posts_count", "posts")
    problem(await http.post("/v1/posts", json={"posts": []}), 422, "posts_count", "posts")
    assert await redis.xlen("posts.ingested") == before
    accepted = await http.post("/v1/posts", json={"posts": posts[:1000]})
    assert (accepted.status_code, accepted.json()["accepted"]) == (202, 1000)


async def test_a_body_over_the_limit_is_413_before_it_is_parsed(http: httpx.AsyncClient) -> None:
    piece = b'{"posts": "' + b"zwunderquast" * 100_000

    async def body():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield piece

    problem(await http.post("/v1/posts", content=body()), 413, "body_too_large")


async def test_posts_that_fill_the_body_to_its_limit_are_accepted(http: httpx.AsyncClient, name: str) -> None:
    body = json.dumps({"posts": [post(f"{name}-{n}") for n in range(10)]}).encode()
    body += b" " * (16_777_216 - len(body))
    answer = await http.post("/v1/posts", content=body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 10), answer.text[:500]
    problem(await http.post("/v1/posts", content=body + b" "), 413, "body_too_large")


async def test_a_path_or_method_that_is_not_there_is_a_problem_too(http: httpx.AsyncClient) -> None:
    problem(await http.get("/v1/nothing"), 404, "not_found")
    problem(await http.put("/v1/posts", json={}), 405, "method_not_allowed")


async def test_deleting_needs_an_id_that_could_be_one(http: httpx.AsyncClient, redis: Redis) -> None:
    before = await let_in(redis)
    problem(await http.delete(f"/v1/posts/{'x' * 65}"), 422, "string_too_long", "post_id")
    for body, field in (
        ({"platform": "test"}, "author"),
        ({"platform": "test", "author": "a", "external_id": "b"}, "author"),
    ):
        problem(await http.post("/v1/erasures", json=body), 422, "one_of", field)
    problem(await http.post("/v1/erasures", json={"author": MARKER}), 422, "missing", "platform")
    assert await let_in(redis) == before
