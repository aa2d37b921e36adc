"""What people wrote and what opens doors never reaches the log, however verbose it is and whatever goes wrong."""

import json
import re

import httpx
from redis.asyncio import Redis

from shared.ids import post_id
from tests.support.doors import scored
from tests.support.kit import settled
from tests.support.ombud import KEY, client
from tests.support.servers import eventually
from tests.support.shapes import Shared


async def test_neither_text_nor_keys_nor_tokens_are_logged(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    word, author = f"w{name}", f"a{name}"
    post = {"platform": "test", "external_id": name, "text": f"an idiot said {word}", "author": author}

    # 1. text that is accepted, corrected, reported and deleted
    await http.post("/v1/posts", json=post)
    id_ = post_id("test", name)
    await scored(http, id_)
    await http.post("/v1/feedback", json={"post_id": id_, "text": f"{word} again", "expected_categories": ["insult"]})
    await http.post("/predict", json={"inputs": word})
    await http.post("/v1/reports", json={"title": word, "summary": word, "post_ids": [id_], "notes": {id_: word}})
    await http.post("/v1/erasures", json={"platform": "test", "author": author})

    # 2. text that is refused, at every door
    for body in ({**post, "colour": word}, {**post, "text": word * 2000}, {**post, "created_at": word}, [word], word):
        assert (await http.post("/v1/posts", json=body)).status_code in (413, 422)
    await http.post("/v1/posts", content=f'{{"text": "{word}')
    await http.post("/v1/posts:import", content=f"{word}\n{word}".encode())
    await http.post("/v1/feedback", json={"post_id": "p", "verdict": word})
    await http.get(f"/v1/posts/{word}")
    await http.get("/v1/statuses", params={"status": word})

    # 3. text that a stranger brings, whole, broken and hopeless
    for raw in (word, json.dumps({"data": {"post": {"text": word}}}), json.dumps({"type": word, "id": 5})):
        for stream in ("posts.ingested", "posts.corrected", "posts.scored", "posts.deleted"):
            await redis.xadd(stream, {"__data__": raw})

    # 4. keys and tokens, good and bad
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["read"]})).json()
    url = httpx.URL((await http.post("/v1/invitations")).json()["url"])
    token = url.params["token"]
    async with client(ombud.url, f"ombud_bad{word}") as stranger:
        await stranger.get("/v1/posts")
        await stranger.get(url.raw_path.decode())
        given = (await stranger.post("/welcome", data={"token": token})).text
        await stranger.post("/welcome", data={"token": token})
        await stranger.get("/v1/posts", params={"key": made["key"]})
    (key,) = re.findall(r"ombud_[\w-]{43}", given)

    await eventually(lambda: settled(redis))
    log = ombud.log
    assert "batch" in log and "Malformed" not in word
    for secret in (word, author, KEY, made["key"], key, token):
        assert secret not in log, [line for line in log.splitlines() if secret in line][:3]
    assert all(json.loads(line)["event"] for line in log.splitlines())
