"""Views of an audit over HTTP at the size of Kumar et al. 2021: an auditor with 107,620 posts, one person who rated.

Server side: from the request to the answer over loopback, one request at a time, database and corpus included. CPU is
that of the whole process, client and server, whatever else the machine does; the first of a kind works it out.
"""

import time
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from services.auditor.audit_store import AuditStore
from services.auditor.tables import metadata
from shared.artifacts import ArtifactStore
from shared.auth import Principal, hash_key
from shared.bus.keys import API_KEYS
from shared.clock import utcnow
from shared.db import Database
from shared.migrate import upgrade
from shared.vocabulary import Scope
from tests.support.audit_corpus import SYSTEM, World, fill
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

TIMES = 40
WANTED_MS, WANTED_KB = 100, 100
KEY = "ombud_key_of_the_bench_0000000000000000000000"
"""Belongs to somebody with a model of their own."""


async def measure(folder: Path, console: Console) -> bool:
    """Print what each view takes and how large its answer is; return whether all are as wanted."""
    data = folder / "data"
    data.mkdir(parents=True)
    database = Database(f"sqlite+aiosqlite:///{data}/auditor.sqlite3", metadata)
    await upgrade("auditor", database)
    world = await fill(database, ArtifactStore(data / "artifacts"))
    system = {"model_version": SYSTEM, "model": "scorer", "artifact": "a" * 64, "replaces": None, "layer": "refit"}
    await AuditStore(database).note_systems([{**system, "promoted_at": utcnow()}])
    await database.close()
    broker = Broker(folder / "broker").start()
    try:
        async with embedded(data, broker.url, ("auditor",)) as (http, platform):
            await _admit(platform.redis, world.people[0])
            http.headers["Authorization"] = f"Bearer {KEY}"
            await eventually(lambda: _ready(http), 300)
            return await _views(http, world, console)
    finally:
        broker.stop()


async def _admit(redis: Redis, rater: str) -> None:
    """Let one rater in, as ingest would."""
    who = Principal(rater, "bench", frozenset({Scope.AUDIT, Scope.READ}))
    value = f'{{"id": "{who.id}", "name": "{who.name}", "scopes": ["audit", "read"]}}'
    await redis.hset(API_KEYS, mapping={hash_key(KEY): value})  # type: ignore[misc]


async def _ready(http: httpx.AsyncClient) -> bool:
    answer = await http.get("/v1/posts/sample", params={"n": 1})
    return answer.status_code == 200 and answer.json()["of"] > 0


async def _views(http: httpx.AsyncClient, world: World, console: Console) -> bool:
    made = await http.post("/v1/audits", json={"title": "bench"})
    made.raise_for_status()
    audit = f"/v1/audits/{made.json()['id']}"
    (await http.post(f"{audit}/draws", json={})).raise_for_status()
    whole = (await http.get(audit, params={"error": "all"})).json()
    topic = max(whole["topics"]["large"], key=lambda row: row["n"])["topic"]
    page = (await http.get(f"{audit}/topics/{topic}", params={"error": "all"})).json()
    word = page["rows"][0]["text"].split()[0]
    views: dict[str, tuple[str, dict[str, Any]]] = {
        "an audit: figures, categories, map, chart": (audit, {}),
        "the same by means, all errors": (audit, {"statistic": "mean", "error": "all"}),
        "the same without a model": (audit, {"model": False}),
        "the largest topic, page and chart": (f"{audit}/topics/{topic}", {}),
        "its next page of 100, without a chart": (
            f"{audit}/topics/{topic}",
            {"error": "all", "limit": 100, "cursor": page["next"], "chart": False},
        ),
        "a search for a common word": (f"{audit}/search", {"q": word, "error": "all"}),
        "a search for whole words": (f"{audit}/search", {"q": word, "word": True}),
        "beside others, by topic": (f"{audit}/compare", {"by": "topic"}),
        "beside others, by category": (f"{audit}/compare", {"by": "category"}),
        "clusters": (f"{audit}/clusters", {}),
        "personal scaffold": ("/v1/scaffolds/personal", {"audit": made.json()["id"]}),
        "the next post to rate": (f"{audit}/label", {}),
        "evidence": (f"{audit}/evidence", {}),
        "what another system changed": (f"{audit}/changes", {}),
        "what to begin with": ("/v1/audits/new", {}),
        "twenty posts by chance": ("/v1/posts/sample", {"seed": 3, "sort": "worst"}),
        "posts like one": (f"/v1/posts/{page['rows'][0]['post_id']}/similar", {}),
    }
    titles = "first, CPU ms", "p95 CPU ms", "p50 ms", "p95 ms", "kB", f"wanted: p95 < {WANTED_MS}"
    shown = Table(f"{whole['posts']:,} posts over HTTP", *titles)
    sound = True
    for name, (path, asked) in views.items():
        times, busy, size = [], [], 0
        for _ in range(TIMES):
            began, worked = time.perf_counter(), time.process_time()
            answer = await http.get(path, params=asked)
            times.append((time.perf_counter() - began) * 1e3)
            busy.append((time.process_time() - worked) * 1e3)
            answer.raise_for_status()
            size = len(answer.content)
        first = busy[0]
        times.sort()
        busy.sort()
        p95 = times[int(TIMES * 0.95)]
        fits = p95 < WANTED_MS and size < WANTED_KB * 1_000
        sound = sound and fits
        worked = f"{first:.1f}", f"{busy[int(TIMES * 0.95)]:.1f}"
        took = f"{times[TIMES // 2]:.1f}", f"{p95:.1f}"
        shown.add_row(name, *worked, *took, f"{size / 1e3:.1f}", "yes" if fits else "no")
    console.print(shown)
    return sound
