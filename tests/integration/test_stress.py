"""`ombud stress` against a whole Ombud: what synthetic platforms send arrives, is measured and is erased again."""

from pathlib import Path

import httpx
import orjson
from redis.asyncio import Redis

from tests.support.commands import ombud as run
from tests.support.doors import events
from tests.support.servers import eventually
from tests.support.shapes import Shared

GENEROUS = ["--within", "scored:p99=60000", "--within", "visible:p50=60000", "--per-second", "0.1"]


async def test_nothing_is_lost_and_every_stage_has_its_figures(
    ombud: Shared, redis: Redis, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    shares = ["--duplicates", "0.1", "--edits", "0.1", "--deletions", "0.1", "--corrections", "0.1"]
    done = await run(
        "stress", "--url", ombud.url, "--rate", 40, "--seconds", 2, *shares, *GENEROUS, "--json", data_dir=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = orjson.loads(done.stdout)
    assert sum(found["sent"].values()) == 80
    assert found["sent"].keys() == {"post", "duplicate", "edit", "deletion", "correction"}
    assert found["stages"].keys() == {"door", "scored", "status", "visible"}
    for row in found["stages"].values():
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    assert (found["lost"], found["twice"], found["refused"], found["missed"]) == (0, 0, {}, [])

    async def forgotten() -> bool:
        sent = [each.data.post for each in await events(redis, "posts.ingested")]
        return not any(post.platform.startswith("stress-") and post.text for post in sent)

    await eventually(forgotten, 60)


async def test_what_is_missed_ends_it_with_one_and_is_said(ombud: Shared, tmp_path: Path) -> None:
    asked = ["--rate", 20, "--seconds", 0.5, "--within", "door:p50=0.001", "--per-second", 100_000]
    done = await run("stress", "--url", ombud.url, *asked, data_dir=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "missed: door p50" in done.stdout
    assert "posts a second are under 100,000.0" in done.stdout
    assert "scored" in done.stdout


async def test_it_stresses_nobody_else(ombud: Shared, tmp_path: Path) -> None:
    away = await run("stress", "--url", "http://ombud.example.org", data_dir=tmp_path)
    assert away.returncode == 2
    assert "--i-own-this-server" in away.stderr + away.stdout
    for wrong in (["--languages", "tlh"], ["--within", "soon:p95=1"], ["--rate", 10_000, "--seconds", 3_600]):
        refused = await run("stress", "--url", ombud.url, *wrong, data_dir=tmp_path)
        assert refused.returncode == 2, refused.stdout


async def test_without_a_feed_nothing_is_sent(ombud: Shared, tmp_path: Path) -> None:
    refused = await run("stress", "--url", ombud.url, "--key", "ombud_of_nobody", data_dir=tmp_path)
    assert refused.returncode == 2
    assert "no event feed" in refused.stderr + refused.stdout
