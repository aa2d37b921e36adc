"""Keys open what their scopes say, and nothing else; every process learns of a revoked one."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from redis.asyncio import Redis

from shared import auth
from shared.auth import KeyRing, Principal, hash_key, new_key, require
from shared.bus.keys import API_KEYS
from shared.bus.publisher import connect
from shared.clock import millis
from shared.errors import Unavailable, install
from shared.vocabulary import Scope
from tests.support.servers import Broker

READER, ADMIN = "ombud_reader", "ombud_admin"
KEYS = {
    hash_key(READER): Principal("1", "reader", frozenset({Scope.READ, Scope.SCORE})),
    hash_key(ADMIN): Principal("2", "admin", frozenset({Scope.ADMIN})),
}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker of the test's own."""
    made = Broker(tmp_path / "broker").start()
    yield made
    made.stop()


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    """A client of it."""
    client = connect(broker.url)
    yield client
    await client.aclose()


@pytest.fixture
async def http(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with one route per scope."""
    await KeyRing(redis).publish(KEYS)
    app, ring = FastAPI(), KeyRing(redis)
    install(app)

    def route(scope: Scope) -> None:
        @app.get(f"/{scope}", dependencies=[Depends(require(ring, scope))])
        async def ask(request: Request) -> str:
            return str(request.state.principal.name)

    for scope in Scope:
        route(scope)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """The header of a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_opens_its_scopes_only(http: httpx.AsyncClient, scope: Scope) -> None:
    answer = await http.get(f"/{scope}", headers=bearer(READER))
    if scope in {Scope.READ, Scope.FIGURES, Scope.SCORE}:  # who may read may count
        assert (answer.status_code, answer.json()) == (200, "reader")
    else:
        assert (answer.status_code, answer.json()["reason"], answer.json()["scope"]) == (403, "missing_scope", scope)


@pytest.mark.parametrize("scope", Scope)
async def test_an_admin_key_opens_everything(http: httpx.AsyncClient, scope: Scope) -> None:
    assert (await http.get(f"/{scope}", headers=bearer(ADMIN))).json() == "admin"


async def test_a_key_may_come_in_a_header_of_its_own(http: httpx.AsyncClient) -> None:
    assert (await http.get("/read", headers={"X-API-Key": READER})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no_key"),
        ({"Authorization": "Basic b21idWQ6eA=="}, "no_key"),
        (bearer("ombud_stranger"), "unknown_key"),
        (bearer(READER[:-1]), "unknown_key"),
        (bearer(hash_key(READER)), "unknown_key"),
    ],
    ids=str,
)
async def test_without_a_key_we_know_nothing_opens(
    http: httpx.AsyncClient, headers: dict[str, str], reason: str
) -> None:
    answer = await http.get("/read", headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, reason)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not any(value in answer.text for value in headers.values())


async def test_the_broker_holds_hashes_and_no_key(redis: Redis) -> None:
    await KeyRing(redis).publish(KEYS)
    stored = await redis.hgetall(API_KEYS)  # type: ignore[misc]
    assert {name.decode() for name in stored} == set(KEYS)
    assert READER not in repr(stored)


async def test_a_revoked_key_closes_within_seconds(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = KeyRing(redis), KeyRing(redis)
    await here.publish(KEYS)
    assert await there.find(READER) == KEYS[hash_key(READER)]
    await here.publish({hash_key(ADMIN): KEYS[hash_key(ADMIN)]})
    assert await here.find(READER) is None
    assert await there.find(READER) is not None
    monkeypatch.setattr(auth, "CACHED_S", 0.0)
    assert await there.find(READER) is None


async def test_a_use_of_a_key_is_noted_once_an_hour_and_that_of_a_session_never(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, session = KeyRing(redis), "ombud_session"
    await ring.publish(KEYS)
    await ring.add_session(hash_key(session), Principal("user:1", "Noor", frozenset({Scope.READ}), millis() + 60_000))
    assert await ring.uses() == {}
    for _ in range(3):
        assert await ring.find(READER) and await ring.find(session)
    first = (await ring.uses())["1"]
    assert set(await ring.uses()) == {"1"}
    assert await ring.find(READER) and (await ring.uses())["1"] == first
    monkeypatch.setattr(auth, "millis", lambda: millis() + auth.NOTED_S * 1000)
    assert await ring.find(READER) and (await ring.uses())["1"] > first


async def test_with_no_keys_left_nothing_opens(redis: Redis) -> None:
    ring = KeyRing(redis)
    await ring.publish(KEYS)
    await ring.publish({})
    assert await ring.find(ADMIN) is None


async def test_known_keys_work_on_while_the_broker_is_away(
    redis: Redis, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHED_S", 0.0)
    ring, fresh = KeyRing(redis), KeyRing(redis)
    await ring.publish(KEYS)
    assert await ring.find(READER) is not None
    broker.kill()
    assert await ring.find(READER) is not None
    with pytest.raises(Unavailable):
        await fresh.find(READER)


def test_a_new_key_is_long_random_and_recognisable() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("ombud_") and len(key) == 49 for key in keys)
    assert len(hash_key(new_key())) == 64
