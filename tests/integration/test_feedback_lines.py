"""Correction lines in at ingest, out at the trainer: what comes out is what went in."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.doors import MARKER, let_in, problem
from tests.support.servers import eventually


def line(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "text": text,
        "feedback_type": "false_negative",
        "expected_categories": ["insult", "toxic"],
        "actual_categories": ["toxic"],
        "spoke_about": ["insult", "toxic"],
        "timestamp": "2026-03-01T12:00:00+00:00",
    } | fields


async def given(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return every line that is given out, page by page."""
    found, url = [], "/api/v1/feedback?limit=1000"
    while url:
        answer = await http.get(url)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    return found


async def waited_for(http: httpx.AsyncClient, text: str) -> dict[str, Any]:
    async def one() -> dict[str, Any] | None:
        return next((each for each in await given(http) if each["text"] == text), None)

    return dict(await eventually(one))


async def test_a_line_comes_out_as_it_went_in(http: httpx.AsyncClient, name: str) -> None:
    before = (await http.get("/api/feedback/summary")).json()
    sent = line(f"You fool {name}")
    answer = await http.post("/api/v1/feedback", json=sent)
    assert (answer.status_code, list(answer.json())) == (201, ["id"])
    assert await waited_for(http, sent["text"]) == sent
    after = (await http.get("/api/feedback/summary")).json()
    assert after["total"] > before["total"]
    assert after["by_category"]["insult"]["false_negative"] > before["by_category"]["insult"]["false_negative"]
    assert (await http.post("/api/v1/feedback", json=sent)).json() == answer.json()  # the same words at the same time


async def test_a_line_that_was_taken_back_is_not_given_out(http: httpx.AsyncClient, name: str) -> None:
    kept, undone = f"kept {name}", f"undone {name}"
    correction_id = (await http.post("/api/v1/feedback", json=line(undone))).json()["id"]
    await waited_for(http, undone)
    await http.post("/v1/feedback", json={"retracts": correction_id})
    await http.post("/api/v1/feedback", json=line(kept))
    await waited_for(http, kept)

    async def gone() -> bool:
        return undone not in {each["text"] for each in await given(http)}

    await eventually(gone)


async def test_feedback_on_a_post_is_given_out_with_its_text_until_that_is_erased(
    http: httpx.AsyncClient, name: str
) -> None:
    post = {"platform": "test", "external_id": name, "text": f"Nice goal {name}"}
    post_id = (await http.post("/v1/posts", json=post)).json()["post_id"]
    said = {
        "post_id": post_id,
        "feedback_type": "false_positive",
        "expected_categories": [],
        "actual_categories": ["insult"],
        "timestamp": "2026-03-01T01:00:00+01:00",
    }
    assert (await http.post("/v1/feedback", json=said)).status_code == 202
    found = await waited_for(http, post["text"])
    assert (found["spoke_about"], found["timestamp"]) == (["insult"], "2026-03-01T00:00:00+00:00")
    await http.delete(f"/v1/posts/{post_id}")

    async def gone() -> bool:
        return post["text"] not in {each["text"] for each in await given(http)}

    await eventually(gone)


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"expected_categories": ["insult", MARKER]}, "unknown_category", "expected_categories.1"),
        ({"actual_categories": [MARKER]}, "unknown_category", "actual_categories.0"),
        ({"spoke_about": [MARKER]}, "unknown_category", "spoke_about.0"),
        ({"feedback_type": MARKER}, "enum", "feedback_type"),
        ({"timestamp": MARKER}, "datetime_from_date_parsing", "timestamp"),
        ({"colour": MARKER}, "extra_forbidden", "colour"),
        ({"text": " \n"}, "text_empty", "text"),
        ({"text": ""}, "string_too_short", "text"),
        ({"text": None}, "string_type", "text"),
        ({"text": "é" * 10_241}, "text_too_long", "text"),
    ],
)
async def test_a_wrong_line_is_refused_and_nothing_of_it_is_dropped_silently(
    change: dict[str, Any], reason: str, field: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    before = await let_in(redis)
    answer = await http.post("/api/v1/feedback", json=line(f"{MARKER} {name}") | change)
    problem(answer, 413 if reason == "text_too_long" else 422, reason, field)
    assert await let_in(redis) == before
