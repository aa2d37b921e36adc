"""From the door to the auditor: who rates gets a judge of their own; what is erased or taken back is gone there."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from services.auditor.audit_corpus import AuditCorpus
from services.auditor.store import Store
from shared.runtime import Platform
from tests.contract import speech
from tests.support.audit_corpus import follow
from tests.support.installed import install
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

TEXTS = ("What a fine day", "You are a worthless idiot", "That is a silly plan", "Go away, fool", "Thank you very much")


async def fresh(platform: Platform) -> AuditCorpus:
    """The corpus as a process of the auditor has it that starts now."""
    (database,) = (service.database for service in platform.services if service.name == "auditor")
    corpus = AuditCorpus(Store(database), platform.artifacts, 1_000)
    await follow(corpus)
    return corpus


async def as_the_trainer_says(http: httpx.AsyncClient, posts: list[str]) -> dict[str, Any]:
    found = (await http.get("/v1/models/personal/me/predictions", params={"post_id": posts})).json()
    return {each["post_id"]: each for each in found["predictions"]}


async def test_a_rating_moves_the_auditors_judge_until_post_or_rating_is_taken_back(tmp_path: Path) -> None:
    broker = Broker(install(tmp_path) / "broker").start()
    try:
        async with embedded(tmp_path / "data", broker.url, ("ingest", "trainer", "auditor")) as (http, platform):
            made = [speech.post(n, text=text) for n, text in enumerate(TEXTS)]
            await platform.publisher.publish_many([speech.scored(each, n / 5) for n, each in enumerate(made)])
            posts = [each.post_id for each in made]

            async def known() -> bool:
                there = await as_the_trainer_says(http, posts)
                return len(there) == len((await fresh(platform)).view().columns) == len(posts)

            await eventually(known, 60)
            for n, post in enumerate(posts):
                body = {"post_id": post, "rating": 4 if n < 4 else None}
                assert (await http.post("/v1/ratings", json=body)).status_code == 202

            async def rater() -> Any:
                answer = await http.get("/v1/models/personal/me")
                return answer.json()["rater"] if answer.status_code == 200 else None

            me = await eventually(rater, 60)

            async def judged(labels: int) -> bool:
                judge = await (await fresh(platform)).judge(me)
                return judge.basis.labels == labels and int((judge.label == judge.label).sum()) == labels

            await eventually(lambda: judged(4), 60)
            corpus = await fresh(platform)
            judge, places = await corpus.judge(me), corpus.view().columns.places
            assert judge.basis.unsure == 1
            for post, told in (await as_the_trainer_says(http, posts)).items():
                assert float(judge.prediction[places[post]]) == pytest.approx(told["rating"], abs=1e-5)
                assert float(judge.toxic[places[post]]) == pytest.approx(told["p_toxic"], abs=1e-5)
            assert corpus.view().search("IDIOT").tolist() == [places[posts[1]]]
            # the post goes, with its text and its rating
            assert (await http.delete(f"/v1/posts/{posts[1]}")).status_code in (200, 202)
            await eventually(lambda: judged(3), 60)
            corpus = await fresh(platform)
            assert posts[1] not in corpus.view().columns.places and not len(corpus.view().search("idiot"))
            # the person takes the rest back
            assert (await http.delete("/v1/raters/me/ratings")).status_code == 202
            await eventually(lambda: judged(0), 60)
            judge = await (await fresh(platform)).judge(me)
            assert judge.basis.status == "population_view"
    finally:
        broker.stop()
