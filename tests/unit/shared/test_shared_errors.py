"""What an error says, and what it never repeats."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import PROBLEM_JSON, Problem, Unavailable, describe, faults, install, not_found

SECRET = "swordfish-4711"


class Body(BaseModel):
    """A request."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=5)]
    count: int = 0
    kind: Annotated[str, Field(pattern="^[a-z]+$")] = "a"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that fails in every way."""
    app = FastAPI()
    install(app)

    @app.post("/echo")
    async def echo(body: Body) -> Body:
        return body

    @app.get("/count")
    async def count(n: Annotated[int, Query(ge=1)]) -> int:
        return n

    @app.get("/fail/{how}")
    async def fail(how: str) -> None:
        raise {
            "problem": Problem(409, "stale_version", "Somebody was faster.", field="version", version=3),
            "down": Unavailable("database at db.internal"),
            "bug": ValueError(SECRET),
            "gone": not_found("report"),
        }[how]

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
        yield client


def check(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """Return the problem of an answer after checking its form."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_JSON
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["reason"], body["title"]) == (status, reason, reason.replace("_", " "))
    assert body["detail"]
    return body


async def test_a_problem_carries_reason_field_and_more(http: httpx.AsyncClient) -> None:
    body = check(await http.get("/fail/problem"), 409, "stale_version")
    assert (body["field"], body["version"], body["type"]) == ("version", 3, "about:blank")


async def test_what_is_down_asks_to_come_back_and_names_no_machine(http: httpx.AsyncClient) -> None:
    answer = await http.get("/fail/down")
    check(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "db.internal" not in answer.text


async def test_a_bug_says_nothing_about_itself_but_to_the_log(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="ombud"):
        answer = await http.get("/fail/bug")
    check(answer, 500, "internal_error")
    assert SECRET not in answer.text + caplog.text + "".join(capsys.readouterr())


async def test_what_is_not_there_is_a_problem_too(http: httpx.AsyncClient) -> None:
    check(await http.get("/fail/gone"), 404, "not_found")
    check(await http.get("/nowhere"), 404, "not_found")
    check(await http.put("/echo"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"text": SECRET}, "text", "string_too_long"),
        ({"text": [SECRET]}, "text", "string_type"),
        ({"text": "ok", "count": SECRET}, "count", "int_parsing"),
        ({"text": "ok", "kind": SECRET}, "kind", "string_pattern_mismatch"),
        ({"text": "ok", "more": SECRET}, "more", "extra_forbidden"),
        ({}, "text", "missing"),
        (SECRET, "", "model_attributes_type"),
    ],
    ids=str,
)
async def test_a_refused_request_names_the_field_and_never_repeats_it(
    http: httpx.AsyncClient, body: Any, field: str, reason: str
) -> None:
    answer = await http.post("/echo", json=body)
    problem = check(answer, 422, reason)
    assert problem["field"] == field
    assert [each["reason"] for each in problem["errors"]] == [reason]
    assert SECRET not in answer.text


async def test_a_refused_query_names_the_parameter(http: httpx.AsyncClient) -> None:
    answer = await http.get("/count", params={"n": SECRET})
    assert check(answer, 422, "int_parsing")["field"] == "n"
    assert SECRET not in answer.text


async def test_json_that_is_none_is_malformed(http: httpx.AsyncClient) -> None:
    json = {"Content-Type": "application/json"}
    answer = await http.post("/echo", content=b'{"text": ' + SECRET.encode(), headers=json)
    body = check(answer, 400, "malformed_json")
    assert "field" not in body
    assert SECRET not in answer.text


def test_describing_an_error_gives_its_class_and_place_and_no_words_of_it() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        said = describe(error)
    assert said.startswith("KeyError at test_shared_errors.py:")
    assert SECRET not in said


def test_describing_a_refusal_gives_field_and_reason_only() -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate({"text": SECRET, "count": SECRET})
    assert describe(refused.value) == "ValidationError: text: string_too_long"
    assert [each["field"] for each in faults(refused.value)] == ["text", "count"]
    assert SECRET not in repr(faults(refused.value))


def test_an_error_that_was_never_raised_can_be_described() -> None:
    assert describe(ValueError(SECRET)) == "ValueError"
