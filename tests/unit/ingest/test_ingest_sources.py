"""Which platforms are connected: shown to administrators, and never a secret."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.ingest.api.sources import build_router
from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from services.ingest.tables import metadata
from shared import errors
from shared.auth import Principal, hash_key
from shared.clock import utcnow
from shared.db import Database
from shared.runtime import Platform
from shared.settings import Settings
from shared.vocabulary import Scope
from tests.support.servers import Broker

ADMIN, SENDER = "ombud_admin", "ombud_sender"
SOURCES = {
    "masto": {"kind": "mastodon-webhook", "secrets": ["zwunderquast-1", "zwunderquast-2"], "platform": "mastodon"},
    "masto-pull": {"kind": "mastodon", "base_url": "https://social.example", "token": "zwunderquast-3"},
    "sky": {"kind": "jetstream"},
    "sky-2": {"kind": "jetstream"},
    "sky-3": {"kind": "jetstream"},
}
COLLECTED = {"masto-pull", "sky", "sky-2", "sky-3"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/ingest.sqlite3", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield Store(database)
    await database.close()


@pytest.fixture
async def http(store: Store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the route, without a key."""
    broker = Broker(tmp_path / "broker").start()
    platform = Platform(Settings(data_dir=tmp_path), broker.url)
    scopes = {ADMIN: Scope.ADMIN, SENDER: Scope.INGEST}
    await platform.keys.publish({hash_key(key): Principal(key, key, frozenset({scopes[key]})) for key in scopes})
    app = FastAPI()
    errors.install(app)
    app.include_router(build_router(platform, IngestSettings(sources=SOURCES), store, COLLECTED))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ombud") as client:
        yield client
    await platform.redis.aclose()
    broker.stop()


async def test_each_source_says_how_it_stands_and_no_secret(http: httpx.AsyncClient, store: Store) -> None:
    now = utcnow()
    later, before = now + timedelta(minutes=1), now - timedelta(minutes=1)
    for name, until in (("sky", later), ("sky-2", before), ("sky-3", later)):
        assert await store.take_lease(name, "me", before, until)
        assert await store.move_cursor(name, "me", {"at": 5}, 7, now, until)
    await store.let_go("sky-3", "me", state="waiting", error="ConnectionError at jetstream.py:5")
    answer = await http.get("/v1/sources", headers={"X-API-Key": ADMIN})
    found = {each["name"]: each for each in answer.json()}
    assert list(found) == sorted(SOURCES)
    assert {name: (each["kind"], each["platform"], each["state"], each["posts"]) for name, each in found.items()} == {
        "masto": ("mastodon-webhook", "mastodon", "listening", None),
        "masto-pull": ("mastodon", "masto-pull", "waiting", 0),
        "sky": ("jetstream", "sky", "collecting", 7),
        "sky-2": ("jetstream", "sky-2", "waiting", 7),
        "sky-3": ("jetstream", "sky-3", "waiting", 7),
    }
    assert found["sky-3"]["error"] == "ConnectionError at jetstream.py:5"
    assert found["sky"]["moved_at"]
    assert "zwunderquast" not in answer.text


async def test_only_an_administrator_sees_them(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/sources")).status_code == 401
    assert (await http.get("/v1/sources", headers={"X-API-Key": SENDER})).status_code == 403
