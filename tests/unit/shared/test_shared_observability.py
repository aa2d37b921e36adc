"""A log line is one line, and neither a secret nor the words of an exception are in it."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
import structlog
from fastapi import FastAPI, Request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.reporter.console.service_client import ServiceClient
from services.reporter.settings import ReporterSettings
from shared.observability import CORRELATION, RequestContext, configure_logging
from shared.settings import Settings, effective

SECRET = "swordfish-4711"
both_styles = pytest.mark.parametrize("style", ["console", "json"])
Lines = Callable[[str], Path]


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Lines]:
    """Configure logging in a style; gives the file everything is written to, and puts logging back afterwards."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("ombud").level

    def configure(style: str) -> Path:
        configure_logging("INFO", style, tmp_path / "log")
        return tmp_path / "log"

    yield configure
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("ombud").setLevel(own)
    structlog.reset_defaults()


def test_a_line_is_json_with_time_level_and_logger(logged: Lines) -> None:
    file = logged("json")
    structlog.get_logger("ombud.one").info("first", text="line\nbreak", n=1)
    structlog.get_logger("ombud.one").debug("not wanted")
    logging.getLogger("library").warning("from a library")
    logging.getLogger("library").info("not wanted")
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("first", "info", "ombud.one"),
        ("from a library", "warning", "library"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)


@both_styles
def test_settings_are_logged_without_their_secrets(logged: Lines, style: str) -> None:
    file = logged(style)
    settings = Settings(
        redis_url=SecretStr(f"redis://:{SECRET}@broker/0"),
        database_url=SecretStr(f"postgresql+asyncpg://ombud:{SECRET}@db/ombud"),
        bootstrap_key=SecretStr(SECRET),
        pseudonym_salt=SecretStr(SECRET),
    )
    log = structlog.get_logger("ombud.two")
    log.info("settings", **effective(settings), whole=settings, one=settings.redis_url)
    log.info("settings", **effective(ReporterSettings(avid_api_key=SecretStr(SECRET))))
    written = file.read_text("utf-8")
    assert written.count("settings") == 2
    assert "**********" in written
    assert SECRET not in written


@both_styles
@pytest.mark.parametrize("whose", ["ours", "a library's"])
def test_an_exception_is_logged_with_class_and_place_but_without_its_words(
    logged: Lines, style: str, whose: str
) -> None:
    # the words of an exception may quote a post; a local variable may be one
    file = logged(style)
    text = SECRET
    log: Any = structlog.get_logger("ombud.three") if whose == "ours" else logging.getLogger("uvicorn.error")
    try:
        raise ValueError(f"cannot read {text}")
    except ValueError:
        log.exception("failed")
    written = file.read_text("utf-8")
    assert "ValueError" in written
    assert "test_shared_observability.py" in written
    assert SECRET not in written


@pytest.fixture
def app() -> FastAPI:
    """An application that tells which correlation id its request has."""
    made = FastAPI()
    made.add_middleware(RequestContext, service="test")

    @made.get("/ask/{name}")
    async def ask(name: str, request: Request) -> dict[str, Any]:
        return {"correlation": request.state.correlation_id, "trace": request.state.traceparent}

    return made


async def get(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    """Ask once."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ombud") as client:
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_request_keeps_the_correlation_id_it_brings(app: FastAPI) -> None:
    answer = await get(app, "/ask/x", X_Correlation_ID="mine:42")
    assert answer.headers[CORRELATION] == answer.json()["correlation"] == "mine:42"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a;b", "a/b"])
async def test_a_request_without_an_acceptable_id_gets_one_of_its_own(app: FastAPI, given: str) -> None:
    first = (await get(app, "/ask/x", X_Correlation_ID=given)).json()["correlation"]
    second = (await get(app, "/ask/x", X_Correlation_ID=given)).json()["correlation"]
    assert first != second
    assert len(first) == 32


async def test_a_request_carries_its_trace_on(app: FastAPI) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (
        (await get(app, "/ask/x", traceparent=trace)).json()["trace"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    )


async def test_requests_are_counted_by_route_and_never_by_address(app: FastAPI) -> None:
    labels = {"service": "test", "route": "/ask/{name}", "method": "GET", "status": "200"}
    before = REGISTRY.get_sample_value("ombud_http_requests_total", labels) or 0
    await get(app, f"/ask/{SECRET}")
    assert REGISTRY.get_sample_value("ombud_http_requests_total", labels) == before + 1
    await get(app, f"/nowhere/{SECRET}")
    assert not [
        sample
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if SECRET in "".join(sample.labels.values())
    ]


async def test_no_span_holds_the_query_because_it_may_hold_a_key(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr("shared.observability.trace.get_tracer", provider.get_tracer)
    await get(app, f"/ask/x?key={SECRET}")
    (span,) = kept.get_finished_spans()
    assert span.name == "GET /ask/{name}"
    assert span.kind is SpanKind.SERVER
    assert span.attributes is not None
    assert span.attributes["http.route"] == "/ask/{name}" and span.attributes["http.response.status_code"] == 200
    assert SECRET not in span.to_json()


async def test_the_console_takes_the_running_trace_along_to_the_services_it_asks() -> None:
    app = FastAPI()

    @app.get("/trace")
    async def trace(request: Request) -> dict[str, str | None]:
        return {"trace": request.headers.get("traceparent")}

    platform: Any = SimpleNamespace(app=app, services=[SimpleNamespace(name="ingest")])
    client = ServiceClient(platform, ReporterSettings())
    try:
        assert await client.ask("ingest", "GET", "/trace", "a session") == {"trace": None}
        with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
            said = (await client.ask("ingest", "GET", "/trace", "a session"))["trace"]
        assert format(span.get_span_context().span_id, "016x") in said
    finally:
        await client.stop()
