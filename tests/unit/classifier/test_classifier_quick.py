"""A route with a short way: ordinary requests take it, everything else is the framework's, and both say the same."""

import sys
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from services.classifier.api.quick import QuickRoute
from shared.auth import Admission
from shared.errors import Problem, install

JSON = {"Content-Type": "application/json", "X-Who": "somebody"}


class Asked(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")
    inputs: Annotated[str, Field(min_length=1)]


class Said(BaseModel):
    """The text, who called the endpoint, and numbers that JSON knows."""

    text: str
    by: str
    score: float = 0.1


class Named(Admission):
    """Lets in who says a name."""

    async def __call__(self, request: Request) -> None:
        await self.check(request)

    async def check(self, request: Request) -> None:
        if "X-Who" not in request.headers:
            raise Problem(401, "no_name", "Say who you are.")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application with one quick route."""

    async def predict(wanted: Asked) -> Said:
        return Said(text=wanted.inputs, by=sys._getframe(1).f_code.co_filename.rpartition("/")[2])

    async def meter(request: Request) -> None:
        if request.headers.get("X-Who") == "greedy":
            raise Problem(429, "quota", "Too often.")

    router = APIRouter()
    given = [Depends(Named()), Depends(meter)]
    router.add_api_route("/predict", predict, methods=["POST"], dependencies=given, route_class_override=QuickRoute)
    app = FastAPI()
    install(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as made:
        yield made


async def test_an_ordinary_request_goes_the_short_way_and_is_answered_like_any_other(client: httpx.AsyncClient) -> None:
    short = await client.post("/predict", content='{"inputs": "één 😀"}', headers=JSON)
    long = await client.post(
        "/predict", content='{"inputs": "één 😀"}', headers={**JSON, "Content-Type": "application/json; charset=utf-8"}
    )
    assert (short.status_code, short.json()["by"]) == (200, "quick.py")
    assert long.json()["by"] != "quick.py"
    assert long.json() | {"by": "quick.py"} == short.json()
    assert short.headers["content-type"] == long.headers["content-type"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"inputs": 3}',
        b'{"inputs": "a", "more": 1}',
        b'{"inputs": "\\ud800"}',
        b"\xff",
        b"{}",
    ],
)
async def test_what_is_not_well_formed_is_refused_as_the_framework_refuses_it(
    client: httpx.AsyncClient, body: bytes
) -> None:
    short = await client.post("/predict", content=body, headers=JSON)
    long = await client.post("/predict", content=body, headers={**JSON, "Content-Type": "application/problem+json"})
    assert short.status_code == long.status_code in (400, 422)
    assert short.json()["reason"] == long.json()["reason"]


async def test_every_dependency_speaks_before_the_endpoint(client: httpx.AsyncClient) -> None:
    nameless = await client.post("/predict", content='{"inputs": "a"}', headers={"Content-Type": "application/json"})
    greedy = await client.post("/predict", content='{"inputs": "a"}', headers={**JSON, "X-Who": "greedy"})
    assert (nameless.status_code, nameless.json()["reason"]) == (401, "no_name")
    assert (greedy.status_code, greedy.json()["reason"]) == (429, "quota")


async def test_documents_say_of_a_quick_route_what_they_say_of_any_other(client: httpx.AsyncClient) -> None:
    (operation,) = (await client.get("/openapi.json")).json()["paths"]["/predict"].values()
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Asked")
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Said")
