"""One fixed list of what platforms and people did, in steps; everything of a step is settled before the next begins.

Within a step the order in which services hear of things is not fixed, so a step never contradicts itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
from redis.asyncio import Redis

from shared.bus.keys import SHARDS
from shared.bus.metrics import sweep
from shared.bus.shards import group_keys
from shared.ids import post_id
from shared.sample import rows
from tests.support.servers import eventually

SALT = "salt of the capture"
CORRECTED = 6
"""As many corrections as start a run."""
Request = tuple[str, str, Any]


@dataclass(frozen=True)
class Step:
    """Requests (method, path, body) that are sent one after the other."""

    requests: list[Request]
    trains: bool = False


def _post(n: int, text: str, **fields: Any) -> dict[str, Any]:
    return {"platform": "capture", "external_id": f"p{n}", "text": text, "author": f"author {n % 7}"} | fields


def _id(n: int) -> str:
    return post_id("capture", f"p{n}")


def steps() -> list[Step]:
    """Return the capture: posts, edits, corrections that train a model, ratings, a retraction, deletions."""
    texts = [row.text for row in islice(rows("post"), 120)]
    posts = [_post(n, text, language="en", created_at="2026-01-01T00:00:00Z") for n, text in enumerate(texts)]
    edits = [_post(n, f"{texts[n + 1]} (edited)", edited_at=f"2026-02-{1 + n:02}T00:00:00Z") for n in range(10)]
    late = [_post(n, "An edit that comes too late.", edited_at="2026-01-15T00:00:00Z") for n in range(3)]
    return [
        Step([("POST", "/v1/posts", posts[:100]), ("POST", "/v1/posts", posts[0]), ("POST", "/v1/posts", posts[90:])]),
        Step([("POST", "/v1/posts", edits)]),
        Step([("POST", "/v1/posts", late)]),
        Step([("POST", "/v1/feedback", _correction(n)) for n in range(10, 10 + CORRECTED)], trains=True),
        Step(
            [
                ("POST", "/v1/feedback", _correction(30, verdict="unsure")),
                ("POST", "/v1/feedback", {"retracts": "correction 0", "timestamp": "2026-03-02T00:00:00Z"}),
                *(("POST", "/v1/ratings", _rating(n)) for n in range(40, 60)),
            ]
        ),
        Step(
            [
                *(("DELETE", f"/v1/posts/{_id(n)}", None) for n in (2, 11, 30, 70, 119)),
                ("POST", "/v1/erasures", {"platform": "capture", "author": "author 3"}),
            ]
        ),
        Step([("POST", "/v1/posts", _post(2, "Back again.", edited_at="2026-04-01T00:00:00Z"))]),
    ]


def _correction(n: int, **fields: Any) -> dict[str, Any]:
    expected = ["insult"] if n % 2 else []
    actual = [] if n % 2 else ["toxic"]
    said = {"post_id": _id(n), "expected_categories": expected, "actual_categories": actual, "verdict": "incorrect"}
    return said | {"timestamp": f"2026-03-01T00:00:{n:02}Z"} | fields


def _rating(n: int) -> dict[str, Any]:
    return {"post_id": _id(n), "rating": None if n % 6 == 5 else n % 5, "timestamp": f"2026-03-03T00:00:{n:02}Z"}


async def replay(client: Callable[[str], httpx.AsyncClient], redis: Redis) -> dict[str, str]:
    """Send the whole capture; return what ids that differ from time to time stand for.

    `client` gives an HTTP client of a service.
    """
    names: dict[str, str] = {}
    async with client("ingest") as ingest, client("trainer") as trainer, client("classifier") as classifier:
        for step in steps():
            for method, path, body in step.requests:
                known = {name: id_ for id_, name in names.items()}
                if isinstance(body, dict) and "retracts" in body:
                    body = body | {"retracts": known[body["retracts"]]}
                answer = await ingest.request(method, path, json=body)
                assert answer.status_code == 202, answer.text
                if path in ("/v1/feedback", "/v1/ratings"):
                    kind = "correction" if path == "/v1/feedback" else "rating"
                    names[answer.json()["id"]] = f"{kind} {sum(name.startswith(kind) for name in names.values())}"
            if step.trains:
                await eventually(lambda: _promoted(trainer, classifier), 90, 0.3)
            await at_rest(redis)
            if step.trains:
                async with client("auditor") as auditor:
                    await eventually(lambda auditor=auditor: _closed(auditor), 90, 0.3)
                await at_rest(redis)
    return names


async def _closed(auditor: httpx.AsyncClient) -> bool:
    """Return whether no score waits in a round any more."""
    return all(each["closed_at"] for each in (await auditor.get("/v1/rounds")).json()["rounds"])


async def _promoted(trainer: httpx.AsyncClient, classifier: httpx.AsyncClient) -> bool:
    models = (await trainer.get("/v1/models")).json()
    if len(models) < 2:
        return False
    assert models[0]["promoted"], models[0]["reasons"]
    runs = (await classifier.get("/v1/analysis-runs")).json()
    done = {run["model_version"] for run in runs if (run["kind"], run["state"]) == ("rescore", "finished")}
    return models[0]["version"] in done


async def at_rest(redis: Redis) -> None:
    """Wait until no group has anything before it, and still has nothing a moment later."""

    pairs = group_keys(int(await redis.get(SHARDS) or 1))

    async def quiet() -> bool:
        for _ in range(3):
            if any(state.backlog for state in await sweep(redis, pairs)):
                return False
            await asyncio.sleep(0.15)
        return True

    await eventually(quiet, 60)
