"""The same way through docker-compose.yml: gateway, five containers, Valkey, PostgreSQL, built from this checkout."""

import time
from pathlib import Path

import httpx
import pytest

from tests.support.avid import AvidServer
from tests.support.compose import Compose, docker_answers
from tests.support.corpus import read, sample_posts
from tests.support.journey import AUTHOR, AVID_KEY, DELETED, ERASED, Journey, refused_without_key
from tests.support.ombud import KEY, client

pytestmark = [pytest.mark.docker, pytest.mark.slow]


async def test_posts_travel_the_whole_way_through_the_containers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := docker_answers():
        pytest.skip(reason)
    corpus = sample_posts(tmp_path)
    with AvidServer(script=[503], host="0.0.0.0") as avid:  # noqa: S104 - the containers have to reach it
        address = f"http://host.docker.internal:{avid.port}"
        compose = Compose(tmp_path, OMBUD_BOOTSTRAP_KEY=KEY, AVID_API_URL=address, AVID_API_KEY=AVID_KEY)
        begun = time.monotonic()
        try:
            compose.up()
            journey = Journey(lambda _: client(compose.url), compose.url, tmp_path, compose, avid)
            journey.figures["build, start -> healthy: s"] = time.monotonic() - begun
            await front_door(compose.url)

            await refused_without_key(compose.url, corpus.file, tmp_path)
            await journey.ingest(corpus.file, corpus.count)
            first = await journey.everything_scored_once(corpus, read(corpus.file))
            words = await journey.ingest_posts_to_be_taken_away()
            corrected = await journey.correct(list(words), first)
            second = await journey.retrained(first)
            await journey.rescored(corrected, second, corpus.count + len(words))
            await journey.statuses_changed(corrected)
            report = await journey.report([*list(words)[:2], corrected[-1]["post_id"]])
            await journey.take_away(words, report)
            logs = compose.run("logs", "--no-color")
        finally:
            compose.down()
        journey.figures["whole way: s"] = time.monotonic() - begun
    assert "model swapped" in logs
    for secret in (KEY, AVID_KEY, DELETED, ERASED, AUTHOR):
        assert secret not in logs
    with capsys.disabled():
        print(f"\n{corpus.count} posts through docker compose")
        for what, value in journey.figures.items():
            print(f"  {what:<40} {value:8.1f}")


async def front_door(url: str) -> None:
    """The gateway shows the first page, and its refusals are the services' own."""
    async with httpx.AsyncClient(base_url=url) as anybody:
        page = await anybody.get("/overview")
        assert page.status_code == 200 and "Ombud" in page.text
        refused = await anybody.post("/v1/posts", json={"external_id": "1", "text": "a"})
        assert (refused.status_code, refused.json()["reason"]) == (401, "no_key")
        assert (await anybody.get("/metrics")).status_code == 404
