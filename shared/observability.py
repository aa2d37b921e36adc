"""Logs, metrics and traces. Invariant: no post text and no secret reaches a log line or a label."""

import logging
import re
import secrets
import sys
import traceback
from collections.abc import MutableMapping
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.bus.tracing import PROPAGATOR
from shared.clock import monotonic

REQUESTS = Counter("ombud_http_requests", "Requests answered.", ["service", "route", "method", "status"])
SECONDS = Histogram("ombud_http_seconds", "Time to answer a request.", ["service", "route", "method"])

LARGEST_BATCH = 1_000
"""Links of one span: a batch has one for each event, and the default of 128 would drop most."""
CORRELATION = "X-Correlation-ID"
ACCEPTABLE_ID = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
log = structlog.get_logger("ombud.http")


def without_words(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's class and place into a log line instead of its message, which may quote a post."""
    given = line.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        line["exception"] = " < ".join([type(error).__name__, *reversed(places)])
    return line


def configure_logging(level: str, style: str, file: Path | None = None) -> None:
    """Send every log line, ours and the libraries', to standard error or a file, as key-value pairs or JSON."""
    shared: list[Any] = [
        without_words,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    tail: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=False,
            exception_formatter=structlog.dev.plain_traceback,  # rich tracebacks show locals: texts, keys
        )
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("WARNING")
    logging.getLogger("ombud").setLevel(level)


def configure_tracing(service: str, endpoint: str | None, exporter: SpanExporter | None = None) -> None:
    """Record spans if there is somewhere to send them: an OTLP endpoint or the given exporter."""
    if endpoint and exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # extra `otel`

        exporter = OTLPSpanExporter(endpoint=endpoint)
    if exporter is not None:
        resource = Resource.create({"service.name": f"ombud-{service}", "service.version": version("ombud")})
        provider = TracerProvider(resource=resource, span_limits=SpanLimits(max_links=LARGEST_BATCH))
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)


class RequestContext:
    """Gives every request a correlation id and a trace that its events carry on, and counts it once it is answered.

    It is no BaseHTTPMiddleware: that runs each request in a task of its own and hands every piece of the answer on
    through a queue, which takes as long as all the rest of a small answer.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get(CORRELATION, "")
        request.state.correlation_id = given if ACCEPTABLE_ID.match(given) else secrets.token_hex(16)
        parent = PROPAGATOR.extract(dict(request.headers))
        started = monotonic()
        tracer = trace.get_tracer("ombud.http")
        span = tracer.start_span(request.method, context=parent, kind=trace.SpanKind.SERVER)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":  # an answer may go on for as long as somebody listens
                self._answered(request, message, span, monotonic() - started)
            await send(message)

        try:
            with trace.use_span(span):
                carrier: dict[str, str] = {}
                PROPAGATOR.inject(carrier)
                request.state.traceparent = carrier.get("traceparent") or request.headers.get("traceparent")
                await self._app(scope, receive, answer)
        finally:
            if span.is_recording():
                span.end()

    def _answered(self, request: Request, message: Message, span: trace.Span, took_s: float) -> None:
        route = getattr(request.scope.get("route"), "path", "unknown")
        span.update_name(f"{request.method} {route}")
        span.set_attributes(
            {
                "http.request.method": request.method,
                "http.route": route,
                "http.response.status_code": message["status"],
                "ombud.correlation_id": request.state.correlation_id,
            }
        )
        span.end()
        REQUESTS.labels(self._service, route, request.method, str(message["status"])).inc()
        SECONDS.labels(self._service, route, request.method).observe(took_s)
        MutableHeaders(scope=message)[CORRELATION] = request.state.correlation_id
