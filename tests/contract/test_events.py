"""What is said stays readable: goldens, the version rule, the envelope, and ids that follow from causes."""

import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from services.ingest.feedback import FeedbackIn, corrected
from services.ingest.posts import PostIn, ingested
from shared import ids
from shared.bus.envelope import Malformed, reader
from shared.events import (
    EVENTS,
    Event,
    Payload,
    PostCorrected,
    PostIngested,
    PostScored,
    PostStatusChanged,
    caused,
    said,
)
from shared.streams import STREAM_OF
from tests.contract.goldens import GOLDEN, breaks, further_paths, golden, golden_path, recorded_schema, schema_path

PAYLOADS = list(EVENTS.values())
BOTH = [(payload, minimal) for payload in PAYLOADS for minimal in (False, True)]
CLOUDEVENTS = Draft202012Validator(orjson.loads((GOLDEN / "cloudevents.schema.json").read_bytes()))
SALT = "salt of the golden examples"

FURTHER = [(payload, path) for payload in PAYLOADS for path in further_paths(payload)]

every_event = pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.__name__)
every_golden = pytest.mark.parametrize(
    ("payload", "minimal"), BOTH, ids=lambda part: getattr(part, "__name__", str(part))
)


def parse(payload: type[Payload], raw: bytes) -> Event[Any]:
    """Read an event as a hearer would; what is malformed fails the test with the reason."""
    read = reader(STREAM_OF[payload.event_type()])({b"__data__": raw})
    assert not isinstance(read, Malformed), read.reason
    return read


def full(payload: type[Payload]) -> Event[Any]:
    """The golden example with every field."""
    return parse(payload, golden(payload))


# -- goldens ------------------------------------------------------------------------------------------------


def test_every_payload_class_is_an_event_with_goldens_and_a_schema() -> None:
    classes = {each for each in Payload.__subclasses__() if each.__module__ == "shared.events"}
    embedded = {each for each in classes if each.__name__ == "Post"}
    assert classes - embedded == set(PAYLOADS)
    expected = {golden_path(payload, minimal=minimal) for payload, minimal in BOTH} | {path for _, path in FURTHER}
    assert set((GOLDEN / "events").iterdir()) == expected
    assert set((GOLDEN / "schemas").iterdir()) == {schema_path(payload) for payload in PAYLOADS}


@every_golden
def test_a_golden_example_is_heard(payload: type[Payload], minimal: bool) -> None:
    event = parse(payload, golden(payload, minimal=minimal))
    assert event.type == payload.event_type()
    assert isinstance(event.data, payload)


@pytest.mark.parametrize(("payload", "path"), FURTHER, ids=lambda part: getattr(part, "stem", ""))
def test_a_further_golden_example_is_heard_and_travels_byte_for_byte(payload: type[Payload], path: Path) -> None:
    event = parse(payload, path.read_bytes())
    assert isinstance(event.data, payload)
    assert event.wire() == orjson.dumps(orjson.loads(path.read_bytes()))
    CLOUDEVENTS.validate(orjson.loads(path.read_bytes()))


@every_event
def test_a_golden_example_travels_byte_for_byte(payload: type[Payload]) -> None:
    assert full(payload).wire() == orjson.dumps(orjson.loads(golden(payload)))


@every_event
def test_an_event_with_defaults_only_is_the_same_after_every_further_hop(payload: type[Payload]) -> None:
    once = parse(payload, golden(payload, minimal=True))
    again = parse(payload, once.wire())
    assert again == once
    assert again.wire() == once.wire()


@every_event
def test_the_full_examples_have_every_field_and_the_minimal_one_only_what_is_required(payload: type[Payload]) -> None:
    def compare(kind: type[Payload], data: dict[str, Any], least: dict[str, Any]) -> None:
        assert set(data) == set(kind.model_fields)
        assert set(least) == {name for name, field in kind.model_fields.items() if field.is_required()}
        for name, field in kind.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Payload):
                compare(field.annotation, data[name], least[name])

    further = [orjson.loads(path.read_bytes())["data"] for path in further_paths(payload)]
    full = {name: value for data in [*further, orjson.loads(golden(payload))["data"]] for name, value in data.items()}
    compare(payload, full, orjson.loads(golden(payload, minimal=True))["data"])


@every_golden
def test_a_golden_example_keeps_to_cloudevents(payload: type[Payload], minimal: bool) -> None:
    CLOUDEVENTS.validate(orjson.loads(golden(payload, minimal=minimal)))
    CLOUDEVENTS.validate(orjson.loads(parse(payload, golden(payload, minimal=minimal)).wire()))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": None},
        {"source": None},
        {"type": None},
        {"specversion": "0.3"},
        {"specversion": None},
        {"data": None},
        {"time": "yesterday"},
        {"attempt": "2"},
        {"Upper-Case": "x"},
    ],
    ids=str,
)
def test_the_cloudevents_schema_refuses_what_is_none(change: dict[str, Any]) -> None:
    event = orjson.loads(golden(PostIngested)) | change
    assert not CLOUDEVENTS.is_valid({name: value for name, value in event.items() if value is not None})


@every_event
def test_what_we_say_ourselves_keeps_to_cloudevents(payload: type[Payload]) -> None:
    event = said(full(payload).data, by="ingest", cause="a cause")
    CLOUDEVENTS.validate(orjson.loads(event.wire()))
    CLOUDEVENTS.validate(orjson.loads(event.again("it failed").wire()))


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "data"])
def test_an_event_without_a_required_attribute_is_malformed(name: str) -> None:
    event = orjson.loads(golden(PostIngested))
    del event[name]
    if name == "specversion":  # a foreign speaker may leave out what can only be 1.0
        assert isinstance(parse(PostIngested, orjson.dumps(event)), Event)
    else:
        assert isinstance(reader(STREAM_OF[PostIngested.event_type()])({b"__data__": orjson.dumps(event)}), Malformed)


def test_an_event_that_hides_names_nobody_to_erase() -> None:
    hidden = orjson.loads((GOLDEN / "events" / "PostDeleted.v1.hidden.json").read_bytes())
    assert not {"post_id", "author"} & hidden["data"].keys()  # who knows of no hiding finds nothing to erase
    for more in ({"post_id": "p"}, {"author": "a"}, {"account": None}, {"platform": None}, {"visibility": "gone"}):
        raw = orjson.dumps(hidden | {"data": hidden["data"] | more})
        assert isinstance(reader(STREAM_OF["ombud.PostDeleted.v1"])({b"__data__": raw}), Malformed), more


# -- the version rule ---------------------------------------------------------------------------------------


@every_event
def test_no_event_broke_the_version_rule(payload: type[Payload]) -> None:
    assert breaks(recorded_schema(payload), payload.model_json_schema()) == []


@every_event
def test_every_field_is_recorded_so_that_it_cannot_change_either(payload: type[Payload]) -> None:
    # a new optional field: write its schema to tests/golden/schemas in the same commit
    assert breaks(payload.model_json_schema(), recorded_schema(payload)) == []


def changed(**fields: Any) -> dict[str, Any]:
    """The schema of PostRated with other properties; None takes one away."""
    schema = recorded_schema(EVENTS["ombud.PostRated.v1"])
    properties = schema["properties"] | fields
    return schema | {"properties": {name: kind for name, kind in properties.items() if kind is not None}}


def rated() -> dict[str, Any]:
    """The recorded schema of PostRated."""
    return recorded_schema(EVENTS["ombud.PostRated.v1"])


def test_the_version_rule_allows_a_new_optional_field() -> None:
    assert breaks(rated(), changed(device={"type": "string", "default": ""})) == []


def test_the_version_rule_allows_other_words() -> None:
    assert breaks(rated(), changed(rater=rated()["properties"]["rater"] | {"description": "who"})) == []


def test_the_version_rule_refuses_a_new_required_field() -> None:
    new = changed(device={"type": "string"}) | {"required": [*rated()["required"], "device"]}
    assert breaks(rated(), new) == ["data.device is required now"]


def test_the_version_rule_refuses_a_removed_field() -> None:
    assert breaks(rated(), changed(rating=None)) == ["data.rating is gone"]


def test_the_version_rule_refuses_another_type() -> None:
    assert breaks(rated(), changed(rater={"type": "integer"})) == ["data.rater is not what it was"]


def test_the_version_rule_refuses_another_range() -> None:
    wider = orjson.loads(orjson.dumps(rated()["properties"]["rating"]).replace(b'"maximum":4', b'"maximum":9'))
    assert wider != rated()["properties"]["rating"]
    assert breaks(rated(), changed(rating=wider)) == ["data.rating is not what it was"]


def test_the_version_rule_refuses_that_a_required_field_becomes_optional() -> None:
    assert breaks(rated(), rated() | {"required": ["post_id", "rated_at"]}) == ["data.rater is optional now"]


def test_the_version_rule_looks_into_what_is_embedded() -> None:
    old = recorded_schema(PostScored)
    new = orjson.loads(orjson.dumps(old))
    del new["$defs"]["Post"]["properties"]["text"]
    new["$defs"]["Post"]["required"].remove("text")
    new["$defs"]["ScoreSource"]["enum"].append("crowd")
    assert breaks(old, new) == ["Post.text is gone", "ScoreSource has other values"]


# -- foreign and newer speakers -----------------------------------------------------------------------------


@every_event
def test_unknown_fields_of_a_newer_speaker_are_ignored(payload: type[Payload]) -> None:
    newer = orjson.loads(golden(payload))
    newer["data"] |= {"field_of_tomorrow": [1, {"a": "b"}]}
    if "post" in newer["data"]:
        newer["data"]["post"] |= {"field_of_tomorrow": True}
    assert parse(payload, orjson.dumps(newer)).data == full(payload).data


@every_event
def test_extension_attributes_of_others_travel_on(payload: type[Payload]) -> None:
    extended = orjson.loads(golden(payload)) | {"partitionkey": "7"}
    assert orjson.loads(parse(payload, orjson.dumps(extended)).wire())["partitionkey"] == "7"


@every_event
def test_an_event_on_a_stream_of_another_is_malformed(payload: type[Payload]) -> None:
    for other in set(PAYLOADS) - {payload}:
        raw = orjson.dumps(orjson.loads(golden(payload)) | {"type": payload.event_type()})
        assert isinstance(reader(STREAM_OF[other.event_type()])({b"__data__": raw}), Malformed)


@given(some.binary() | some.recursive(some.none() | some.text(), lambda of: some.dictionaries(some.text(), of)))
def test_no_entry_makes_the_reader_raise(content: Any) -> None:
    raw = content if isinstance(content, bytes) else orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    read = reader(STREAM_OF[PostIngested.event_type()])({b"__data__": raw})
    assert isinstance(read, Malformed)
    assert read.raw == raw


# -- ids ----------------------------------------------------------------------------------------------------


def test_the_id_of_a_post_follows_from_platform_external_id_and_edit_time() -> None:
    event = full(PostIngested)
    post = event.data.post
    sent = PostIn(
        platform=post.platform,
        external_id=post.external_id,
        text=post.text,
        author="wim_uit_zwolle",
        reply_to="t-88/4702",
        edited_at=post.edited_at,
    )
    made = ingested(sent, salt=SALT)
    assert made.id == event.id == ids.stable_id(f"{post.post_id}|{post.revision}", event.type, 0)
    assert (made.data.post.author, made.data.post.reply_to) == (post.author, post.reply_to)
    assert ingested(sent.model_copy(update={"edited_at": None}), salt=SALT).id != event.id


def test_what_follows_from_an_event_has_an_id_that_follows_from_it() -> None:
    chain = [full(each) for each in (PostIngested, PostScored, PostStatusChanged)]
    for cause, event in itertools.pairwise(chain):
        service = event.source.removeprefix("ombud/")
        again = caused(cause, event.data, by=service)
        assert again.id == caused(cause, event.data, by=service).id == event.id
        assert (again.correlationid, again.traceparent) == (cause.correlationid, cause.traceparent)
        assert again.subject == event.subject


def test_several_facts_of_one_cause_have_ids_of_their_own() -> None:
    data = full(PostStatusChanged).data
    cause = full(PostScored)
    found = {caused(cause, data, by="auditor", n=n).id for n in range(50)} | {said(data, by="auditor", cause="c").id}
    assert len(found) == 51


def test_the_id_of_a_correction_follows_from_the_person_and_their_key() -> None:
    event = full(PostCorrected)
    name = ids.stable_id("correction", event.data.reviewer, "batch-2026-11-14/17")
    feedback = FeedbackIn(post_id=event.data.post_id, feedback_type="false_positive")
    data = corrected(feedback, correction_id=name, reviewer=event.data.reviewer, now=event.data.corrected_at)
    assert event.data.correction_id == name
    assert said(data, by="ingest", cause=name).id == event.id


@every_event
def test_the_subject_of_an_event_is_what_its_payload_names(payload: type[Payload]) -> None:
    event = full(payload)
    assert event.subject == event.data.subject()
    assert said(event.data, by="x", cause="y").subject == event.subject


@every_event
def test_a_failed_attempt_is_counted_and_changes_nothing_else(payload: type[Payload]) -> None:
    event = full(payload)
    failed = event.again("no luck").again("still none")
    assert (failed.attempt, failed.reason) == (2, "still none")
    assert failed.model_copy(update={"attempt": 0, "reason": None}) == event
    assert parse(payload, failed.wire()) == failed
