"""STK-16: one trace and one correlation id lead from a post through every handler, also in batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from shared.bus.commit import Done, Outcome
from shared.bus.publisher import Publisher
from shared.bus.tracing import current_traceparent
from shared.clock import utcnow
from shared.events import Event, PostIngested, PostScored, PostStatusChanged, caused, said
from shared.settings import BusSettings
from shared.vocabulary import Status
from tests.support.kit import INGESTED, SCORED, Scorer, entries, post, running, service, settled
from tests.support.servers import Broker, eventually

CHANGED = "posts.status_changed"
COUNT = 20


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record spans in this test only: the provider is global and can be set once per process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


async def audit(events: list[Event[PostScored]]) -> list[Outcome]:
    return [Done([caused(event, _status(event), by="auditor")]) for event in events]


def _status(event: Event[PostScored]) -> PostStatusChanged:
    status = next(iter(Status))
    return PostStatusChanged(
        post_id=event.data.post.post_id, status=status, rule="test", sequence=1, changed_at=utcnow()
    )


def requests() -> list[Event[PostIngested]]:
    """Return posts as if each came with an HTTP request, and so a span, of its own."""
    made = []
    for n in range(COUNT):
        with trace.get_tracer("test").start_as_current_span(f"request {n}"):
            payload = post(n).data
            made.append(
                said(
                    payload,
                    by="ingest",
                    cause=f"traced-{n}",
                    correlation_id=f"correlation-{n}",
                    traceparent=current_traceparent(),
                )
            )
    return made


async def told(broker: Broker, redis: Redis, data: Path, events: list[Event[Any]], scorer: Scorer) -> None:
    await Publisher(redis, BusSettings()).publish_many(events, atomic=True)
    both = [service("classifier", {INGESTED: scorer}), service("auditor", {SCORED: audit})]
    async with running(broker.url, data, *both):
        await eventually(lambda: settled(redis))
        await eventually(lambda: settled(redis, (SCORED, "auditor")))


async def test_each_event_of_a_batch_stays_in_the_trace_it_came_with(
    broker: Broker, redis: Redis, data: Path, spans: InMemorySpanExporter
) -> None:
    events, scorer = requests(), Scorer()
    await told(broker, redis, data, events, scorer)
    assert max(len(batch) for batch in scorer.batches) > 1
    found = spans.get_finished_spans()
    scored, changed = await entries(redis, SCORED), await entries(redis, CHANGED)
    for n, event in enumerate(events):
        request = _one(found, name=f"request {n}")
        classified = _one(found, event_id=event.id)
        audited = _one(found, event_id=scored[n].id)
        assert classified.name == "classifier posts.ingested"
        assert audited.name == "auditor posts.scored"
        assert classified.parent is not None
        assert audited.parent is not None
        assert classified.parent.span_id == request.context.span_id
        assert audited.parent.span_id == classified.context.span_id
        assert {span.context.trace_id for span in (request, classified, audited)} == {request.context.trace_id}
        last = next(each for each in changed if each.subject == event.data.post.post_id)
        assert last.traceparent.split("-")[1:3] == [
            format(audited.context.trace_id, "032x"),
            format(audited.context.span_id, "016x"),
        ]
    assert len({span.context.trace_id for span in found if span.name.startswith("request")}) == COUNT


def _one(found: tuple[ReadableSpan, ...], *, name: str | None = None, event_id: str | None = None) -> Any:
    (span,) = [
        each
        for each in found
        if (name and each.name == name) or (event_id and (each.attributes or {}).get("ombud.event_id") == event_id)
    ]
    return span


async def test_the_correlation_id_travels_to_the_end(broker: Broker, redis: Redis, data: Path) -> None:
    await told(broker, redis, data, requests(), Scorer())
    expected = {post(n).data.post.post_id: f"correlation-{n}" for n in range(COUNT)}
    for stream in (SCORED, CHANGED):
        assert {each.subject: each.correlationid for each in await entries(redis, stream)} == expected


async def test_a_retry_stays_in_its_trace(
    broker: Broker, redis: Redis, data: Path, spans: InMemorySpanExporter
) -> None:
    async def flaky(events: list[Event[PostIngested]]) -> None:
        if events[0].attempt == 0:
            raise LookupError

    events = requests()[:2]
    await told(broker, redis, data, events, Scorer(flaky))
    scored = {each.subject: each.traceparent.split("-")[1] for each in await entries(redis, SCORED)}
    for event in events:
        assert event.traceparent is not None
        assert scored[event.subject] == event.traceparent.split("-")[1]


async def test_without_a_recorder_the_trace_of_a_caller_still_travels_on(
    broker: Broker, redis: Redis, data: Path
) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await told(broker, redis, data, [post(0).model_copy(update={"traceparent": given})], Scorer())
    assert [each.traceparent for stream in (SCORED, CHANGED) for each in await entries(redis, stream)] == [given] * 2
