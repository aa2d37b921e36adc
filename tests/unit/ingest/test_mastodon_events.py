"""Which deliveries of a Mastodon server are events, how old they may be, and which two are the same."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.ingest.mastodon_events import AHEAD, OBJECTS, Delivery, check_age, delivery_of, proof_of
from shared.errors import Problem
from tests.support.mastodon import EMAIL, INVITE_REQUEST, IP, admin_account, iso, report, snowflake, status

NOON = datetime(2026, 11, 14, 12, tzinfo=UTC)
THINGS = {"account": admin_account(), "report": report("5", []), "status": status(snowflake(NOON))}
scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20)
json = some.recursive(scalars, lambda of: some.lists(of, max_size=4) | some.dictionaries(some.text(), of, max_size=4))


def sent(event: str = "status.created", **changed: Any) -> dict[str, Any]:
    return {"event": event, "created_at": iso(NOON), "object": THINGS.get(event.partition(".")[0], {}) | changed}


def refused(raw: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        delivery_of(raw)
    assert problem.value.status == 400
    return problem.value


@pytest.mark.parametrize("event", OBJECTS)
def test_all_seven_events_are_understood(event: str) -> None:
    delivery, thing = delivery_of(sent(event))
    assert delivery.event == event
    assert thing.id == THINGS[event.partition(".")[0]]["id"]
    for secret in (EMAIL, IP, INVITE_REQUEST):
        assert secret not in thing.model_dump_json()


def test_there_are_seven() -> None:
    assert len(OBJECTS) == 7


@given(
    json | some.fixed_dictionaries({"event": some.sampled_from(sorted(OBJECTS)), "object": json, "created_at": json})
)
def test_anything_else_is_refused_with_a_reason(raw: Any) -> None:
    assert refused(raw).reason in ("unknown_shape", "unknown_event")


@pytest.mark.parametrize("field", ["id", "account", "visibility", "created_at"])
def test_a_rewritten_payload_is_refused_by_the_name_of_what_it_lacks(field: str) -> None:
    raw = sent()
    raw["object"] = {name: value for name, value in raw["object"].items() if name != field}
    problem = refused(raw)
    assert problem.reason == "unknown_shape"
    assert problem.detail.startswith(field)


def test_an_event_of_another_name_is_refused() -> None:
    assert refused(sent("status.deleted")).reason == "unknown_event"


def test_a_refusal_never_repeats_what_was_sent() -> None:
    assert "zwunderquast" not in str(refused(sent(visibility=["zwunderquast"])).body())


def delivered(**changed: Any) -> Delivery:
    return Delivery.model_validate(sent(**changed))


def test_an_event_is_taken_while_it_is_fresh() -> None:
    check_age(delivered(), NOON + timedelta(seconds=60), 60)
    check_age(delivered(), NOON - AHEAD, 60)
    with pytest.raises(Problem) as old:
        check_age(delivered(), NOON + timedelta(seconds=61), 60)
    assert (old.value.status, old.value.reason) == (400, "too_old")
    with pytest.raises(Problem) as early:
        check_age(delivered(), NOON - AHEAD - timedelta(seconds=1), 60)
    assert (early.value.status, early.value.reason) == (401, "from_the_future")


def test_the_same_event_has_one_proof_and_a_newer_one_another() -> None:
    first = proof_of(delivered())
    assert proof_of(delivered(content="<p>the template changed</p>")) == first
    others = [
        delivered(edited_at="2026-11-14T12:00:01.000Z"),
        delivered(updated_at="2026-11-14T12:00:02.000Z"),
        delivered(id="7"),
        delivered(event="status.updated"),
    ]
    assert len({first, *map(proof_of, others)}) == 5
