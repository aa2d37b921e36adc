"""One span per event, child of the span that said it, so that one trace leads from the post to the report.

Without an SDK tracer provider nothing is recorded and the incoming trace travels on unchanged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.events import Event

PROPAGATOR = TraceContextTextMapPropagator()


def recording() -> bool:
    """Return whether spans go anywhere."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the running span, if one runs."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def spans(group: str, stream: str, events: list[Event[Any]]) -> Iterator[list[Event[Any]]]:
    """Yield the events with the traceparent of a span of their own, open while they are handled."""
    if not recording():
        yield events
        return
    tracer = trace.get_tracer("ombud.bus")
    opened, traced = [], []
    for event in events:
        parent = PROPAGATOR.extract({"traceparent": event.traceparent}) if event.traceparent else None
        span = tracer.start_span(f"{group} {stream}", context=parent, attributes={"ombud.event_id": event.id})
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        opened.append(span)
        traced.append(event.model_copy(update={"traceparent": carrier.get("traceparent")}))
    try:
        yield traced
    finally:
        for span in opened:
            span.end()
