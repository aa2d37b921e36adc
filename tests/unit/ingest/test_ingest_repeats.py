"""Which answers are kept for an Idempotency-Key: those that speak of the request, and none that only say not now."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response

from services.ingest.api.repeats import idempotency_key, repeatable
from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from services.ingest.tables import metadata
from shared import errors
from shared.auth import Principal
from shared.db import Database
from shared.errors import Problem, Unavailable
from shared.vocabulary import Scope

Answers = list[Callable[[], Response]]
KEY = {"Idempotency-Key": "k"}


def refused(status: int) -> Callable[[], Response]:
    def answer() -> Response:
        raise Problem(status, "refused", "No.", headers={"Retry-After": "5"})

    return answer


def failed(error: Exception) -> Callable[[], Response]:
    def answer() -> Response:
        raise error

    return answer


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/ingest.sqlite3", metadata)
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.close()


@pytest.fixture
def answers() -> Answers:
    """What the route answers, one after the other."""
    return []


@pytest.fixture
async def http(database: Database, answers: Answers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a route that takes a key, and of one that takes none."""
    router = APIRouter(route_class=repeatable(Store(database), IngestSettings()))

    @router.post("/taking", dependencies=[Depends(idempotency_key)])
    async def taking(request: Request) -> Response:
        assert await request.body() == b"body"
        return answers.pop(0)()

    @router.post("/deaf")
    async def deaf() -> Response:
        return answers.pop(0)()

    app = FastAPI()
    errors.install(app)
    app.include_router(router)

    async def known(scope, receive, send):  # type: ignore[no-untyped-def]
        scope["state"] = {"principal": Principal("ada", "ada", frozenset({Scope.INGEST}))}
        await app(scope, receive, send)

    transport = httpx.ASGITransport(app=known, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
        yield client


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (refused(429), 429),
        (refused(503), 503),
        (refused(500), 500),
        (failed(Unavailable("broker")), 503),
        (failed(RuntimeError("a bug")), 500),
    ],
)
async def test_what_says_not_now_is_asked_again_at_once(
    first: Callable[[], Response], status: int, http: httpx.AsyncClient, answers: Answers
) -> None:
    answers += [first, lambda: Response(b'{"id":"1"}', 202)]
    assert (await http.post("/taking", content=b"body", headers=KEY)).status_code == status
    for _ in range(2):
        answer = await http.post("/taking", content=b"body", headers=KEY)
        assert (answer.status_code, answer.content) == (202, b'{"id":"1"}')
    assert answer.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_a_refusal_of_the_request_itself_is_kept(status: int, http: httpx.AsyncClient, answers: Answers) -> None:
    answers += [refused(status)]
    first = await http.post("/taking", content=b"body", headers=KEY)
    again = await http.post("/taking", content=b"body", headers=KEY)
    assert (first.status_code, again.status_code, again.content) == (status, status, first.content)
    assert again.headers["content-type"] == "application/problem+json"


async def test_without_a_key_or_on_a_route_that_takes_none_every_request_counts(
    http: httpx.AsyncClient, answers: Answers
) -> None:
    answers += [lambda: Response(b"1"), lambda: Response(b"2"), lambda: Response(b"3"), lambda: Response(b"4")]
    said = [await http.post("/taking", content=b"body") for _ in range(2)]
    said += [await http.post("/deaf", content=b"body", headers=KEY) for _ in range(2)]
    assert [each.content for each in said] == [b"1", b"2", b"3", b"4"]


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    http: httpx.AsyncClient, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(Store, "answer_request", down)
    answers += [lambda: Response(b'{"id":"1"}', 202)]
    assert (await http.post("/taking", content=b"body", headers=KEY)).status_code == 202
    assert (await http.post("/taking", content=b"body", headers=KEY)).json()["reason"] == "request_in_flight"
