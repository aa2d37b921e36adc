"""A rating, from the door to the person's next model that everybody hears, and to what they can ask about it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import redis as redis_sync

from shared.runtime import Platform
from tests.contract import speech
from tests.support.installed import install
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

TEXTS = ("What a fine day", "You are a worthless idiot", "That is a silly plan", "Go away, fool", "Thank you very much")


def models_of(broker: Broker, rater: str) -> list[dict[str, Any]]:
    """What was said of a person's model, in order."""
    with redis_sync.Redis.from_url(broker.url) as redis:
        events = [orjson.loads(fields[b"__data__"])["data"] for _, fields in redis.xrange("models.trained")]  # type: ignore[union-attr]
    return [event["posterior"] for event in events if event.get("posterior", {}).get("rater") == rater]


async def scored(http: httpx.AsyncClient, platform: Platform) -> list[str]:
    """Say scores of the texts as the classifier would; return the ids of the posts, once the trainer knows them."""
    posts = [speech.post(n, text=text) for n, text in enumerate(TEXTS)]
    await platform.publisher.publish_many([speech.scored(each, n / 5) for n, each in enumerate(posts)])
    names = [each.post_id for each in posts]

    async def known() -> bool:
        answer = await http.get("/v1/models/personal/nobody/predictions", params={"post_id": names})
        return len(answer.json()["predictions"]) == len(names)

    await eventually(known, 30)
    return names


async def test_a_rating_becomes_the_persons_model_until_the_post_or_the_rating_is_taken_back(tmp_path: Path) -> None:
    broker = Broker(install(tmp_path) / "broker").start()
    try:
        async with embedded(tmp_path / "data", broker.url, ("ingest", "trainer")) as (http, platform):
            posts = await scored(http, platform)
            before = (await http.get("/v1/models/personal/me/predictions", params={"post_id": posts})).json()
            assert (before["status"], before["basis"]) == ("population_view", "system")
            for n, post in enumerate(posts):
                body = {"post_id": post, "rating": 4 if n < 4 else None}
                assert (await http.post("/v1/ratings", json=body)).status_code == 202

            async def known() -> Any:
                answer = await http.get("/v1/models/personal/me")
                told = answer.json()["newest"]["posterior"] if answer.status_code == 200 else {}
                return answer.json() if (told.get("labels"), told.get("unsure")) == (4, 1) else None

            model = await eventually(known)
            rater = model["rater"]
            told = {name: value for name, value in model["newest"]["posterior"].items() if value is not None}
            await eventually(lambda: models_of(broker, rater)[-1:] == [told])
            after = (await http.get("/v1/models/personal/me/predictions", params={"post_id": posts})).json()
            moved = zip(before["predictions"], after["predictions"], strict=True)
            assert all(then["rating"] < now["rating"] and now["p_toxic"] > then["p_toxic"] for then, now in moved)
            # the post goes, and with it the rating; nobody rated again
            assert (await http.delete(f"/v1/posts/{posts[0]}")).status_code in (200, 202)
            await eventually(lambda: models_of(broker, rater)[-1]["labels"] == 3)
            versions = [each["version"] for each in models_of(broker, rater)]
            assert versions == sorted(versions) == list(range(1, len(versions) + 1))
            await asyncio.sleep(0.6)  # a round of the announcer: it says nothing twice
            assert [each["version"] for each in models_of(broker, rater)] == versions
            # the person takes the rest back, and again, which changes nothing
            for _ in range(2):
                assert (await http.delete("/v1/raters/me/ratings")).status_code == 202
            await eventually(lambda: models_of(broker, rater)[-1]["labels"] == 0)
            taken = await http.get("/v1/models/personal/me/predictions", params={"post_id": posts[1:]})
            assert taken.json()["status"] == "population_view"
            assert [each["rating"] for each in taken.json()["predictions"]] == [
                each["rating"] for each in before["predictions"] if each["post_id"] != posts[0]
            ]
            # what they say from now on counts
            assert (await http.post("/v1/ratings", json={"post_id": posts[1], "rating": 2})).status_code == 202
            await eventually(lambda: models_of(broker, rater)[-1]["labels"] == 1)
    finally:
        broker.stop()
