"""One span per event, child of the span that said it, so that one trace leads from the post to the report.

A batch is a span of its own with a link to every input; each event's span has a link to its batch.

Without an SDK tracer provider nothing is recorded and the incoming trace travels on unchanged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind
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


def onward(headers: dict[str, str]) -> dict[str, str]:
    """Return headers of a request to another service, with the trace of the running span if one runs."""
    PROPAGATOR.inject(headers)
    return headers


@contextmanager
def spans(group: str, stream: str, events: list[Event[Any]]) -> Iterator[list[Event[Any]]]:
    """Yield the events with the traceparent of a span of their own, open while they are handled."""
    if not recording() or not events:
        yield events
        return
    tracer, name = trace.get_tracer("ombud.bus"), f"{group} {stream}"
    parents = [PROPAGATOR.extract({"traceparent": event.traceparent or ""}) for event in events]
    said_in = [trace.get_current_span(parent).get_span_context() for parent in parents]
    inputs = {each.span_id: Link(each) for each in said_in if each.is_valid}  # one request may have said many
    batch = tracer.start_span(
        f"{name} batch", kind=SpanKind.CONSUMER, links=list(inputs.values()), attributes={"ombud.events": len(events)}
    )
    opened, traced = [], []
    for event, parent in zip(events, parents, strict=True):
        span = tracer.start_span(
            name,
            context=parent,
            kind=SpanKind.CONSUMER,
            links=[Link(batch.get_span_context())],
            attributes={"ombud.event_id": event.id, "ombud.attempt": event.attempt},
        )
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        opened.append(span)
        traced.append(event.model_copy(update={"traceparent": carrier.get("traceparent")}))
    try:
        with trace.use_span(batch):
            yield traced
    finally:
        for span in (*opened, batch):
            span.end()
