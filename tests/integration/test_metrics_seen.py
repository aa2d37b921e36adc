"""What Prometheus gets to see of posts that went through a running Ombud."""

import re

import httpx
from redis.asyncio import Redis

from tests.support.doors import scored
from tests.support.kit import settled
from tests.support.servers import eventually


async def values(http: httpx.AsyncClient, metric: str) -> dict[str, float]:
    """Return labels -> value of one metric."""
    found = re.findall(rf"^{metric}(?:\{{(.*)\}})? (\S+)$", (await http.get("/metrics")).text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_categories_that_flag_a_post_and_the_time_of_batches_are_counted(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    before = await values(http, "ombud_classifier_flagged_posts_total")
    batches = await values(http, "ombud_bus_batch_seconds_count")
    sent = {"platform": "test", "external_id": name, "text": "You are an idiot and you know it.", "author": "ada"}
    id_ = (await http.post("/v1/posts", json=sent)).json()["post_id"]
    await scored(http, id_)
    await eventually(lambda: settled(redis))
    flags = (await http.get(f"/v1/posts/{id_}")).json()["flagged_categories"]
    assert flags

    async def counted() -> bool:
        after = await values(http, "ombud_classifier_flagged_posts_total")
        for category in flags:
            label = f'category="{category}"'
            assert after[label] >= before.get(label, 0) + 1
        for stream, group in (("posts.ingested", "classifier"), ("posts.scored", "auditor")):
            label = f'group="{group}",stream="{stream}"'
            assert (await values(http, "ombud_bus_batch_seconds_count"))[label] > batches.get(label, 0)
            assert label in await values(http, "ombud_bus_oldest_event_seconds")
        return True

    await eventually(counted)
