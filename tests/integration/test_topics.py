"""Posts of our own corpus go through a whole Ombud; somebody asks for topics and sees them; what is erased is gone."""

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis as redis_sync

from shared import sample
from tests.support.commands import ombud
from tests.support.installed import install
from tests.support.ombud import client, embedded
from tests.support.servers import Broker, eventually

NAME = re.compile(r"\d+(_[^\W\d_]{3,30}){1,4}")


def posts() -> list[dict[str, str]]:
    """Return our corpus as posts, each by somebody else."""
    rows = [row for split in ("post", "train") for row in sample.rows(split)]
    return [
        {"platform": "forum", "external_id": f"{n}", "text": row.text, "author": f"person {n}"}
        for n, row in enumerate(rows)
    ]


async def members(http: httpx.AsyncClient, topic: int) -> list[dict[str, Any]]:
    """Return all posts of a topic, three at a time."""
    found: list[dict[str, Any]] = []
    path = f"/v1/topics/{topic}/posts?limit=3"
    while path:
        answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    return found


async def test_topics_of_our_corpus_are_found_shown_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMBUD_TRAINER_MLFLOW", "off")
    broker = Broker(install(tmp_path) / "broker").start()
    try:
        async with embedded(tmp_path / "data", broker.url) as (http, _):
            await topics_are_found_shown_and_forgotten(http, broker, tmp_path / "data")
    finally:
        broker.stop()


async def topics_are_found_shown_and_forgotten(http: httpx.AsyncClient, broker: Broker, folder: Path) -> None:
    nothing = (await http.get("/v1/topics")).json()
    assert (nothing["version"], nothing["topics"]) == (None, [])
    assert (await http.get("/v1/topics/0/posts")).status_code == 404
    sent = posts()
    assert len(sent) > 400
    for start in range(0, len(sent), 100):
        assert (await http.post("/v1/posts", json=sent[start : start + 100])).status_code == 202
    scored = lambda: len(scores(broker)) == len(sent)  # noqa: E731
    await eventually(scored, 60, 0.2)

    asked = await http.post("/v1/runs", json={"kind": "topics"})
    assert asked.status_code == 202, asked.text
    run_id = asked.json()["run_id"]

    async def finished() -> Any:
        run = (await http.get(f"/v1/runs/{run_id}")).json()
        return run if run["finished_at"] else None

    run = await eventually(finished, 60, 0.2)
    assert (run["kind"], run["state"], run["error"]) == ("topics", "finished", None)

    async def whole() -> Any:
        answer = (await http.get("/v1/topics")).json()
        return answer if answer["version"] == run["model_version"] and answer["posts"] == len(sent) else None

    shown = await eventually(whole, 60, 0.2)
    outliers, *found = shown["topics"]
    assert (outliers["id"], outliers["name"]) == (-1, "-1_outliers")
    assert len(found) >= 3
    assert all(NAME.fullmatch(each["name"]) and each["name"].startswith(f"{each['id']}_") for each in found)
    assert sum(each["n"] for each in shown["topics"]) == len(sent)
    largest = max(found, key=lambda each: each["n"])
    theirs = await members(http, largest["id"])
    assert len({each["post_id"] for each in theirs}) == len(theirs) == largest["n"]
    assert [each["score"] for each in theirs] == sorted((each["score"] for each in theirs), reverse=True)
    assert (await http.get("/v1/topics/0/posts?cursor=no")).status_code == 422

    (trained,) = [each for each in said(broker, "models.trained") if each.get("foundation") == "topics"]
    assert (trained["kind"], trained["artifact"], trained["model_version"]) == (
        "topic",
        shown["artifact"],
        shown["version"],
    )

    gone = theirs[0]["post_id"]
    assert (await http.delete(f"/v1/posts/{gone}")).status_code == 202

    async def forgotten() -> bool:
        return gone not in {each["post_id"] for each in await members(http, largest["id"])}

    await eventually(forgotten, 30, 0.2)
    drifted = (await http.get("/v1/drift")).json()
    assert (drifted["reference"], drifted["level"]) == (None, "too_few"), "too few posts to say anything"
    async with client(str(http.base_url), "ombud_nobody_knows_this_key_000000000000000000") as nobody:
        assert {(await nobody.get(path)).status_code for path in ("/v1/topics", "/v1/topics/0/posts", "/v1/drift")} == {
            401
        }

    url = ("--url", str(http.base_url))
    listed = await ombud("topics", *url, data_dir=folder)
    assert listed.returncode == 0, listed.stderr
    assert largest["name"] in listed.stdout
    told = await ombud("drift", *url, data_dir=folder)
    assert told.returncode == 0, told.stderr
    assert "no reference yet" in told.stdout


def said(broker: Broker, stream: str) -> list[dict[str, Any]]:
    """Return the payloads on a stream."""
    with redis_sync.Redis.from_url(broker.url) as redis:
        return [orjson.loads(fields[b"__data__"])["data"] for _, fields in redis.xrange(stream)]  # type: ignore[union-attr]


def scores(broker: Broker) -> set[str]:
    return {each["post"]["post_id"] for each in said(broker, "posts.scored")}
