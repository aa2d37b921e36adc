"""What `GET /v1/posts/{id}` says: scores and status, and after a deletion ids and statuses without the text."""

from typing import Any

import httpx
from redis.asyncio import Redis

from shared.ids import post_id
from shared.vocabulary import Status
from tests.support.doors import problem, scored
from tests.support.kit import settled
from tests.support.servers import eventually


async def test_a_post_shows_its_scores_its_status_and_its_correction(http: httpx.AsyncClient, name: str) -> None:
    id_ = post_id("test", name)
    problem(await http.get(f"/v1/posts/{id_}"), 404, "not_found")
    sent = {"platform": "test", "external_id": name, "text": f"You are an idiot, {name}.", "author": "ada"}
    assert (await http.post("/v1/posts", json=sent)).json()["post_id"] == id_
    await scored(http, id_)

    async def judged() -> Any:
        post = (await http.get(f"/v1/posts/{id_}")).json()
        return post if post["status"] else None

    post = await eventually(judged)
    assert (post["platform"], post["external_id"], post["text"]) == ("test", name, sent["text"])
    assert post["author"] not in (None, "ada")
    assert post["overall"] == max(post["scores"].values())
    assert post["status"] in set(Status)
    said = {"post_id": id_, "feedback_type": "false_positive", "actual_categories": ["insult"]}
    assert (await http.post("/v1/feedback", json=said)).status_code == 202

    async def corrected() -> bool:
        seen = (await http.get(f"/v1/posts/{id_}")).json()
        return bool(seen["correction"]) and seen["status"] == "cleared"

    await eventually(corrected)


async def test_a_deleted_post_keeps_ids_and_statuses_and_loses_text_and_author(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    sent = {
        "platform": "test",
        "external_id": name,
        "text": f"You are an idiot, {name}.",
        "author": f"author {name}",
        "url": f"https://forum.example.org/{name}/secret-words-of-the-title",
    }
    id_ = (await http.post("/v1/posts", json=sent)).json()["post_id"]
    await scored(http, id_)
    await eventually(lambda: settled(redis))
    before = (await http.get(f"/v1/posts/{id_}")).json()
    history = (await http.get(f"/v1/posts/{id_}/status")).json()
    assert (await http.delete(f"/v1/posts/{id_}")).status_code == 202

    async def deleted() -> bool:
        return (await http.get(f"/v1/posts/{id_}")).json()["deleted_at"] is not None

    await eventually(deleted)
    await eventually(lambda: settled(redis))
    after = (await http.get(f"/v1/posts/{id_}")).json()
    assert (after["text"], after["author"]) == (None, None)
    kept = ("post_id", "platform", "external_id", "revision", "status", "status_sequence", "overall", "scores")
    assert {field: after[field] for field in kept} == {field: before[field] for field in kept}
    assert after["status"] is not None
    remembered = (await http.get(f"/v1/posts/{id_}/status")).json()
    assert remembered["deleted_at"] is not None
    assert remembered["history"] == history["history"]
    assert "idiot" not in str(after) + str(remembered)
    assert "secret-words" not in str(after) + str(remembered)


async def test_what_an_erased_author_writes_later_is_a_new_post_and_what_they_wrote_before_is_not(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    def written(which: str, created_at: str | None) -> dict[str, str]:
        stamp = {"created_at": created_at} if created_at else {}
        return {"platform": "test", "external_id": f"{name} {which}", "text": f"{which} {name}", "author": name} | stamp

    known = (await http.post("/v1/posts", json=written("known", "2026-01-01T00:00:00Z"))).json()["post_id"]
    await scored(http, known)
    assert (await http.post("/v1/erasures", json={"platform": "test", "author": name})).status_code == 202

    async def erased() -> bool:
        return (await http.get(f"/v1/posts/{known}")).json()["deleted_at"] is not None

    await eventually(erased)
    old, unknown, later = [
        (await http.post("/v1/posts", json=written(which, at))).json()["post_id"]
        for which, at in (("old", "2026-01-01T00:00:00Z"), ("unknown", None), ("later", "2999-01-01T00:00:00Z"))
    ]
    await scored(http, later)
    await eventually(lambda: settled(redis))
    seen = (await http.get(f"/v1/posts/{later}")).json()
    assert (seen["text"], seen["deleted_at"]) == (f"later {name}", None) and seen["author"] and seen["status"]
    for gone in (old, unknown):
        problem(await http.get(f"/v1/posts/{gone}"), 404, "not_found")
    assert (await http.post("/v1/erasures", json={"platform": "test", "author": name})).status_code == 202

    async def erased_again() -> bool:
        return (await http.get(f"/v1/posts/{later}")).json()["deleted_at"] is not None

    await eventually(erased_again)
