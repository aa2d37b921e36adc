"""The door while the broker is away: whoever deletes or is recognised by a signature is told to come again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.ingest.door import Door
from services.ingest.settings import IngestSettings
from shared import errors
from shared.errors import Unavailable
from shared.runtime import Platform
from shared.settings import Settings
from shared.vocabulary import DeletionCause

NOBODY = "redis://127.0.0.1:1/0"
"""Nothing listens there."""
ACTS: dict[str, Callable[[Door], Awaitable[object]]] = {
    "take_away": lambda door: door.take_away("p1", DeletionCause.PLATFORM),
    "take_author_away": lambda door: door.take_author_away("forum", "ada"),
    "recall": lambda door: door.recall("mastodon", ["signature"]),
    "note": lambda door: door.note("mastodon", {"signature": "taken"}, 60),
}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    platform = Platform(Settings(data_dir=tmp_path), NOBODY)
    yield Door(platform, IngestSettings(), lambda: "salt")
    await platform.redis.aclose()


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_who_comes_while_the_broker_is_away_is_asked_to_come_again(
    door: Door, act: Callable[[Door], Awaitable[object]]
) -> None:
    app = FastAPI()
    errors.install(app)

    @app.post("/")
    async def ask() -> None:
        with pytest.raises(Unavailable) as raised:
            await act(door)
        raise raised.value

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ombud") as http:
        answer = await http.post("/")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert answer.json()["reason"] == "unavailable"
