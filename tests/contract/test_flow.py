"""FLOW is what really happens: subscribers, publishers, AsyncAPI and the README's diagram all say the same (STK-15)."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from faststream.specification import AsyncAPI
from typer.testing import CliRunner

from services.__main__ import app as command_line
from shared.bus.commit import Done, writes_of
from shared.bus.keys import retry_key
from shared.clock import utcnow
from shared.events import EVENTS, Event, PostIngested, PostRated, said
from shared.runtime import Platform, Service
from shared.settings import BusSettings
from shared.streams import FLOW, SERVICES, STREAM_OF, groups
from tests.contract.goldens import golden

ROOT = Path(__file__).parents[2]
HEARD = {(key, group) for stream, group in groups() for key in (stream, retry_key(stream, group))}
SAID = {(stream.name, stream.said_by) for stream in FLOW.values()}


@pytest.fixture(scope="module")
def document(platform: Platform) -> dict[str, Any]:
    """The AsyncAPI document of all five services."""
    made: dict[str, Any] = json.loads(AsyncAPI(platform.broker).to_specification().to_json())
    return made


def operations(document: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """The channels that something receives from, or sends to."""
    found = [each for each in document["operations"].values() if each["action"] == action]
    return [referred(document, each["channel"]) for each in found]


def referred(document: dict[str, Any], reference: dict[str, str]) -> dict[str, Any]:
    """What a JSON reference points at."""
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[unquote(part)]
    assert isinstance(found, dict)
    return found


def test_the_subscribers_are_those_of_the_flow_each_with_its_retries(platform: Platform) -> None:
    found = [(each.stream_sub.name, each.stream_sub.group) for each in platform.broker.subscribers]
    assert len(found) == len(set(found))
    assert set(found) == HEARD


def test_streams_are_read_in_batches_and_retries_one_at_a_time(platform: Platform) -> None:
    for each in platform.broker.subscribers:
        assert each.stream_sub.batch
        assert each.stream_sub.max_records == (1 if ":retry:" in each.stream_sub.name else BusSettings().batch_size)


def test_no_subscriber_starts_at_a_fixed_entry(platform: Platform) -> None:
    # ">" asks for what nobody in the group has had; any other id would never bring a new entry
    assert {each.stream_sub.last_id for each in platform.broker.subscribers} == {">"}


def test_the_publishers_are_those_of_the_flow(platform: Platform) -> None:
    found = [
        channel.bindings.redis.channel for each in platform.broker.publishers for channel in each.schema().values()
    ]
    assert sorted(found) == sorted(FLOW)


def test_the_asyncapi_document_hears_what_the_flow_hears(document: dict[str, Any]) -> None:
    found = [each["bindings"]["redis"] for each in operations(document, "receive")]
    assert {(each["channel"], each["groupName"]) for each in found} == HEARD


def test_the_asyncapi_document_says_what_the_flow_says(document: dict[str, Any]) -> None:
    found = operations(document, "send")
    assert sorted(each["address"] for each in found) == sorted(FLOW)


def test_the_asyncapi_document_names_the_payload_of_every_stream(document: dict[str, Any]) -> None:
    for channel in operations(document, "send"):
        (message,) = channel["messages"].values()
        payload = referred(document, message)["payload"]
        assert payload["$ref"].endswith(f"/{FLOW[channel['address']].event.__name__}")


def test_every_service_hears_its_streams_and_no_other(services: list[Service]) -> None:
    assert [service.name for service in services] == list(SERVICES)
    found = {(stream, service.name) for service in services for stream in service.hears}
    assert found == set(groups())


def test_every_stream_has_one_event_and_one_producer_that_is_a_service() -> None:
    assert len({stream.event for stream in FLOW.values()}) == len(FLOW) == len(STREAM_OF) == len(EVENTS)
    assert {stream.said_by for stream in FLOW.values()} <= set(SERVICES)
    assert {group for stream in FLOW.values() for group in stream.heard_by} <= set(SERVICES)


def test_every_stream_that_holds_a_text_says_so() -> None:
    def holds_text(schema: Any) -> bool:
        if isinstance(schema, dict):
            return "text" in schema.get("properties", {}) or any(map(holds_text, schema.values()))
        return isinstance(schema, list) and any(map(holds_text, schema))

    for stream in FLOW.values():
        assert stream.holds_text == holds_text(stream.event.model_json_schema()), stream.name


@pytest.mark.parametrize("stream", FLOW.values(), ids=lambda stream: stream.name)
def test_only_the_producer_of_an_event_can_say_it(stream: Any) -> None:
    cause = said(PostRated(post_id="p", rater="r", rated_at=utcnow()), by="ingest", cause="c")
    event: Event[Any] = Event[stream.event].model_validate_json(golden(stream.event))  # type: ignore[name-defined]

    def commit(by: str) -> list[str]:
        settings = BusSettings()
        writes = writes_of(
            cause, Done([event]), origin="posts.rated", group=by, settings=settings, now_ms=0, jitter=0.5
        )
        return [write.key for write in writes]

    assert commit(stream.said_by) == [stream.name]
    for other in set(SERVICES) - {stream.said_by}:
        with pytest.raises(ValueError, match=f"{other} may not say {stream.name}"):
            commit(other)


def test_an_event_that_the_flow_does_not_know_cannot_be_said() -> None:
    class PostImagined(PostIngested):
        pass

    unknown = Event[PostImagined].model_construct(id="1", source="ombud/ingest", type=PostImagined.event_type())
    with pytest.raises(KeyError):
        writes_of(
            unknown,
            Done([unknown]),
            origin="posts.ingested",
            group="ingest",
            settings=BusSettings(),
            now_ms=0,
            jitter=0.5,
        )


def test_the_readme_shows_what_the_command_line_prints() -> None:
    printed = CliRunner().invoke(command_line, ["flow"]).output
    readme = (ROOT / "README.md").read_text("utf-8")
    block = readme.partition("<!-- flow -->\n")[2].partition("<!-- /flow -->")[0]
    assert block == f"```mermaid\n{printed}```\n"
    for stream, group in groups():
        assert f"{FLOW[stream].said_by} -- {stream} --> {group}\n" in printed
