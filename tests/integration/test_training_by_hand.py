"""`ombud train`, `ombud runs` and `ombud models` against a trainer of their own: ask, watch, go back, retry."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.publisher import connect
from tests.support.commands import ombud, succeeds
from tests.support.installed import install
from tests.support.kit import entries
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker of the test's own, beside the data of an Ombud that has its first model."""
    each = Broker(install(tmp_path) / "broker").start()
    yield each
    each.stop()


@pytest.mark.slow
async def test_a_run_is_asked_for_watched_and_taken_back(broker: Broker, tmp_path: Path) -> None:
    data, redis = tmp_path / "data", connect(broker.url)
    async with embedded(data, broker.url, ["ingest", "trainer"]) as (http, _):
        await eventually(lambda: champion(http), 120)
        first = await champion(http)

        async def says(*words: str) -> str:
            return await succeeds(*words, "--url", str(http.base_url), data_dir=data, within=240)

        told = await says("train")
        for step in ("data", "features", "tuning", "training", "evaluation", "gate", "promotion"):
            assert step in told
        second = await champion(http)
        assert second != first and second in told
        listed = await says("runs")
        assert [word in listed for word in ("command", "start", str(second))] == [True] * 3
        run_id = re.findall(r"run ([0-9a-f-]{36}) is queued", told)[0]
        shown = await says("runs", "show", run_id[:8])
        assert "data hash" in shown and "not asked for" in shown
        assert f"{first} is champion" in await says("models", "rollback", "--reason", "a look back")
        assert f"{second} is refused" in await says("models", "refuse", str(second), "--reason", "it flips too much")
        again = await ombud("models", "promote", str(second), "--url", str(http.base_url), data_dir=data)
        assert (again.returncode, "it was refused" in again.stdout) == (2, True)
        promoted = await says("models", "promote", str(second), "--despite-gate", "--reason", "looked at by hand")
        assert f"{second} is champion" in promoted
        retried = await ombud("runs", "retry", run_id[:8], "--from", "gate", "--url", str(http.base_url), data_dir=data)
        assert (retried.returncode, "which is champion" in retried.stdout) == (2, True)
        await eventually(lambda: layers(redis, 4))
        assert await layers(redis, 4) == ["start", "refit", "rollback", "refit"]
        history = (await http.get(f"/v1/models/{second}")).json()["history"]
        assert [step["stage"] for step in history] == ["champion", "refused", "champion"]
        assert history[-1]["reasons"] == ["looked at by hand", "despite the gate"]
    await redis.aclose()


async def champion(http: httpx.AsyncClient) -> str | None:
    found = (await http.get("/v1/models")).json()
    return next((model["version"] for model in found if model["stage"] == "champion"), None)


async def layers(redis: Redis, enough: int) -> list[str | None]:
    """By what each promotion came, once so many were said."""
    said = await entries(redis, "models.promoted")
    return [event.data.layer for event in said] if len(said) >= enough else []
