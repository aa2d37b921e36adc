"""A whole Ombud makes a model in a worker that is stopped on the way, and watches it in the shadow before it scores."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.ids import post_id as id_of
from tests.support.ombud import client
from tests.support.servers import eventually
from tests.support.shapes import one_process

pytestmark = pytest.mark.slow

TEXTS = ("what a lovely tram", "you utter teapot, get lost", "nobody asked you, muppet", "the soup was late again")
SHADOW_S = 15
RUN_S = 600


async def test_a_stopped_run_goes_on_from_a_step_and_its_model_is_watched_before_it_scores(tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "trainer_replay": False,
        "trainer_corrections_per_run": 100_000,
        "trainer_schedule": "off",
        "trainer_shadow_hours": SHADOW_S / 3600,
    }
    with one_process(tmp_path, **settings) as ombud:
        async with client(ombud.url) as http:
            before = await version(http)
            ids = await posted(http)
            given = [await corrected(http, name, rude=at in (1, 2)) for at, name in enumerate(ids)]

            # 1. a run is stopped while its model is judged
            run_id = (await http.post("/v1/runs", json={})).json()["run_id"]
            stopped = await eventually(lambda: at_step(http, run_id, "evaluation"), RUN_S)
            assert (await http.post(f"/v1/runs/{run_id}/cancel")).json()["state"] == "failed"

            # 2. a new worker goes on from a step before that, with what the first one left
            again = await http.post(f"/v1/runs/{run_id}/retry", json={"from": "training"})
            assert again.status_code == 202, again.text
            left = {step["name"]: step["status"] for step in again.json()["steps"]}
            assert (left["data"], left["features"], left["training"]) == ("done", "done", "waiting")
            over = await eventually(lambda: ended(http, run_id), RUN_S)
            assert over["state"] == "finished", over["error"]
            made = over["model_version"]
            assert artifacts(over, "data") == artifacts(stopped, "data")
            assert (
                artifacts(over, "training")["model"] == artifacts(stopped, "training")["model"]
            )  # same rows, same seed
            log = (await http.get(f"/v1/runs/{run_id}/log")).json()
            assert {each["step"] for each in log if each["line"] == "done before"} == {"data", "features"}

            # 3. it scores beside the one in force, which still answers
            watched = await eventually(lambda: shadow(http, made, len(TEXTS)), 60)
            assert watched["ended_at"] is None or watched["ended_by"] == made
            assert {*watched["categories"]} >= {"any", "insult"}

            # 4. nobody refuses it, so it is promoted, and every receipt names it
            await eventually(lambda: serves(http, made), 120)
            assert made != before
            stages = [step["stage"] for step in (await http.get(f"/v1/models/{made}")).json()["history"]]
            assert stages == ["shadow", "champion"]
            assert (await shadow(http, made, 1))["ended_by"] == made
            for name in given:
                receipt = (await http.get(f"/v1/corrections/{name}")).json()
                assert (receipt["layer"], receipt["held_by"]) == ("refit", made)


async def posted(http: httpx.AsyncClient) -> list[str]:
    posts = [{"platform": "forum", "external_id": str(at), "text": text} for at, text in enumerate(TEXTS)]
    assert (await http.post("/v1/posts", json=posts)).status_code == 202
    ids = [id_of("forum", str(at)) for at in range(len(TEXTS))]

    async def judged() -> bool:
        return (await http.get(f"/v1/posts/{ids[-1]}/status")).status_code == 200

    await eventually(judged, 60)
    return ids


async def corrected(http: httpx.AsyncClient, post: str, *, rude: bool) -> str:
    said = {
        "post_id": post,
        "verdict": "incorrect",
        "expected_categories": ["insult", "toxic"] if rude else [],
        "spoke_about": ["insult", "toxic"],
    }
    answer = await http.post("/v1/feedback", json=said)
    assert answer.status_code == 202, answer.text
    name = str(answer.json()["id"])

    async def known() -> bool:
        return (await http.get(f"/v1/corrections/{name}")).status_code == 200

    await eventually(known, 60)
    return name


async def version(http: httpx.AsyncClient) -> str:
    return str((await http.post("/predict", json={"inputs": "which model are you?"})).json()["model"])


async def serves(http: httpx.AsyncClient, named: str) -> bool:
    return await version(http) == named


async def at_step(http: httpx.AsyncClient, run_id: str, name: str) -> dict[str, Any] | None:
    """The run, once a step of it is under way."""
    run: dict[str, Any] = (await http.get(f"/v1/runs/{run_id}")).json()
    return run if {step["name"]: step["status"] for step in run["steps"]}[name] == "running" else None


async def ended(http: httpx.AsyncClient, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = (await http.get(f"/v1/runs/{run_id}")).json()
    return run if run["state"] in ("finished", "failed") else None


def artifacts(run: dict[str, Any], step: str) -> dict[str, str]:
    """What a step left: name -> SHA-256."""
    found: dict[str, str] = {each["name"]: each["artifacts"] for each in run["steps"]}[step]
    return found


async def shadow(http: httpx.AsyncClient, named: str, posts: int) -> Any:
    """What is known of a shadow, once it has looked at so many posts."""
    answer = await http.get("/v1/shadow", params={"version": named})
    found = answer.json()
    return found if answer.status_code == 200 and found["posts"] >= posts else None
