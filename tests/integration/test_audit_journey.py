"""One audit from its beginning to the next system: drawn, rated, learned, looked at, kept, looked at again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.runtime import Platform
from tests.support.auditing import NEW, OLD, in_force, scores, texts, topics
from tests.support.doors import problem
from tests.support.installed import install
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually


@asynccontextmanager
async def audited(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Platform]]:
    """Yield an Ombud without a classifier whose auditor knows some five hundred posts on three subjects."""
    broker = Broker(install(tmp_path) / "broker").start()
    try:
        async with embedded(tmp_path / "data", broker.url, ("ingest", "trainer", "auditor")) as (http, platform):
            whole = texts()
            await platform.publisher.publish_many([topics(platform, whole)])
            await platform.publisher.publish_many([in_force(OLD, 1)])
            await platform.publisher.publish_many(scores(whole))

            async def known() -> bool:
                answer = await http.get("/v1/posts/sample", params={"n": 1})
                choices = await http.get("/v1/audits/new")
                return (
                    answer.status_code == choices.status_code == 200
                    and answer.json()["of"] == len(whole)
                    and choices.json()["system"] is not None
                    and choices.json()["system"]["version"] == OLD
                    and bool(choices.json()["topics"]["others"])
                )

            await eventually(known, 60)
            yield http, platform
    finally:
        broker.stop()


async def got(http: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    """Return an answer that has to be there."""
    answer = await http.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_audit_is_drawn_rated_learned_and_looked_at_again_after_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMBUD_AUDITOR_SETTLED_S", "0")
    async with audited(tmp_path) as (http, platform):
        made = await http.post("/v1/audits", json={"title": "trams are rude"})
        assert made.status_code == 201, made.text
        audit = f"/v1/audits/{made.json()['id']}"
        assert made.json()["system"] == {"name": "ombud-scorer", "version": OLD}
        await _rates_what_was_drawn(http, audit)
        await _sees_where_the_system_differs(http, audit)
        await _keeps_evidence(http, audit)
        await _is_looked_at_again(http, platform, audit)


async def _rates_what_was_drawn(http: httpx.AsyncClient, audit: str) -> None:
    """Draw twenty, rate them all as toxic but one that is unsure, and wait for the model."""
    before = await got(http, f"{audit}/label")
    assert (before["post"], before["progress"]["next_draw"]) == (None, 20)
    first = await http.post(f"{audit}/draws", json={}, headers={"Idempotency-Key": "first"})
    assert first.status_code == 201, first.text
    again = await http.post(f"{audit}/draws", json={}, headers={"Idempotency-Key": "first"})
    assert again.json() == first.json()
    drawn = first.json()["posts"]
    assert len(drawn) == len(set(drawn)) == 20 and first.json()["method"] == "stratified"
    for n in range(20):
        shown = await got(http, f"{audit}/label")
        assert shown["post"]["post_id"] == drawn[n] and shown["post"]["text"]
        assert not {"system_rating", "prediction"} & set(shown["post"])
        body = {"post_id": drawn[n], "rating": None if n == 7 else 4}
        assert (await http.post(f"{audit}/labels", json=body)).status_code == 202

        async def heard(n: int = n) -> bool:
            return (await got(http, f"{audit}/label", i=n + 1))["post"]["rated"] is True

        await eventually(heard)
    far = (await got(http, f"{audit}/label"))["progress"]
    assert (far["rated"], far["unsure"], far["left"], far["next_draw"]) == (19, 1, 0, 1)
    stand_in = (await http.post(f"{audit}/draws", json={})).json()
    assert (stand_in["method"], len(stand_in["posts"])) == ("replacement", 1)
    assert not set(stand_in["posts"]) & set(drawn)

    async def learned() -> bool:
        accuracy = (await got(http, audit))["accuracy"]
        return (accuracy["labels"], accuracy["unsure"]) == (19, 1)

    await eventually(learned)


async def _sees_where_the_system_differs(http: httpx.AsyncClient, audit: str) -> None:
    whole = await got(http, audit)
    figures = whole["disagreement"]["all_posts"]
    assert figures["n"] == whole["posts"] and figures["signed"]["value"] > 0 < figures["under"]["low"]
    assert whole["disagreement"]["own_labels"]["n"] == 19 and whole["accuracy"]["status"] != "population_view"
    assert whole["topics"]["large"] and whole["chart"]["alternative"]
    bare = await got(http, audit, model=False)
    assert (bare["accuracy"], bare["disagreement"]) == (None, {})
    topic = whole["topics"]["large"][0]["topic"]
    asked = {"error": "all", "limit": 5}
    path, found, cursor = f"{audit}/topics/{topic}", [], None
    while True:
        page = await got(http, path, **asked, **({"cursor": cursor} if cursor else {}))
        found += page["rows"]
        if (cursor := page["next"]) is None:
            break
    assert len(found) == len({row["post_id"] for row in found}) == page["counts"]["n"] == page["matching"]
    worst = [(-row["p_disagree"], -row["distance"], row["post_id"]) for row in found]
    assert worst == sorted(worst)
    assert all(
        row["text"] and row["source"] == ("label" if row["label"] is not None else "prediction") for row in found
    )
    under = await got(http, path, error="under", limit=100)
    assert {row["error_type"] for row in under["rows"]} <= {"under"}
    assert under["counts"]["types"] == page["counts"]["types"]
    labelled = await got(http, path, error="all", labelled=True)
    assert all(row["label"] is not None for row in labelled["rows"])
    search = await got(http, f"{audit}/search", q="TRAM", error="all", limit=100)
    assert search["rows"] and all("tram" in row["text"] for row in search["rows"])
    part = await got(http, f"{audit}/search", q="tra", word=True)
    assert (part["rows"], part["reason"]) == ([], "No post is in this set.")
    joined = await got(http, f"{audit}/search", q="tram", topic=topic, error="all")
    assert joined["counts"]["n"] <= search["counts"]["n"] + page["counts"]["n"]
    problem(await http.get(path, params={"cursor": "WzEsMl0="}), 422, "cursor_invalid", "cursor")
    problem(await http.get(path, params={"category": "rude"}), 422, "unknown_category", "category")
    problem(await http.get(f"{audit}/topics/9999"), 404, "not_found")
    same = await http.get(audit)
    assert (await http.get(audit)).content == same.content
    assert (await http.get(audit, headers={"If-None-Match": same.headers["etag"]})).status_code == 304
    compared = await got(http, f"{audit}/compare", by="topic")
    assert compared["place"] is None and compared["classes"] and compared["against_system"]["n"] == 19
    assert any("Fewer than 15" in reason for reason in compared["reasons"])
    assert (await got(http, f"{audit}/clusters"))["reason"]
    ranked = await got(http, "/v1/scaffolds/personal", audit=audit.rpartition("/")[2])
    assert ranked["items"] and all(item["share"]["low"] > 0 for item in ranked["items"])
    fixed = await got(http, "/v1/scaffolds/fixed")
    assert all(item["missing"] for item in fixed["items"])


async def _keeps_evidence(http: httpx.AsyncClient, audit: str) -> None:
    rows = (await got(http, f"{audit}/search", q="tram", error="all"))["rows"]
    post, other = rows[0]["post_id"], rows[1]["post_id"]
    body = {"post_id": post, "judgement": "disagree", "note": "a polite sentence"}
    for each in (body, body | {"post_id": other, "judgement": "unsure"}):
        kept = await http.post(f"{audit}/evidence", json=each)
        assert kept.status_code == 201, kept.text
        assert kept.json()["then"]["system_version"] == OLD and len(kept.json()["then"]["text_hash"]) == 64
    problem(await http.post(f"{audit}/evidence", json=body | {"post_id": "none"}), 422, "post_unknown", "post_id")
    table = (await got(http, f"{audit}/search", q="tram", error="all", limit=100))["rows"]
    assert {row["post_id"] for row in table if row["in_report"]} == {post, other}
    assert (await http.delete(f"/v1/posts/{post}")).status_code in (200, 202)

    async def forgotten() -> bool:
        evidence = (await got(http, f"{audit}/evidence"))["evidence"]
        gone = next(each for each in evidence if each["post_id"] == post)
        return (gone["text"], gone["note"]) == (None, "") and gone["deleted_at"] is not None

    await eventually(forgotten)
    assert (await http.delete(f"{audit}/evidence/{other}")).status_code == 204
    problem(await http.delete(f"{audit}/evidence/{other}"), 404, "not_found")


async def _is_looked_at_again(http: httpx.AsyncClient, platform: Platform, audit: str) -> None:
    async def begun() -> bool:
        return [each["cause"] for each in (await got(http, f"{audit}/changes"))["snapshots"]] == ["begun"]

    await eventually(begun)
    await platform.publisher.publish_many(scores(texts(), NEW))

    async def rescored() -> bool:
        return list((await got(http, audit))["scored_by"]) == [NEW]

    await eventually(rescored)
    await platform.publisher.publish_many([in_force(NEW, 2)])

    async def looked_at() -> Any:
        snapshots = (await got(http, f"{audit}/changes"))["snapshots"]
        return snapshots[0] if len(snapshots) == 2 else None

    newest = await eventually(looked_at)
    assert (newest["cause"], newest["system"]["version"]) == ("promoted", NEW)
    told = {each["direction"]: each for each in newest["differences"]["changes"] if each["topic"] is None}
    # the new system flags fewer posts, and the person flags them all: more is missed, less is wrongly flagged
    assert told["under"]["new"] > 0 == told["under"]["fixed"] and told["under"]["became"] == "changed_more"
    assert newest["differences"]["version"] == OLD and newest["differences"]["gone"] == 1
    assert (await got(http, f"{audit}/evidence"))["evidence"][0]["then"]["system_version"] == OLD
