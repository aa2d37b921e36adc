"""Payloads that are made without a check are the same as those that model_construct makes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from shared.events import Carried, Event, Ngram, PostStatusChanged, Span, StatusChange
from shared.trusted import trusted
from shared.vocabulary import Status

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SAID: dict[str, Any] = {
    "post_id": "p",
    "status": Status.FLAGGED,
    "previous": None,
    "rule": "model",
    "sequence": 1,
    "first_status": Status.FLAGGED,
    "first_changed_at": NOW,
    "locked": False,
    "hold_until": None,
    "model_version": "m",
    "changed_at": NOW,
    "changes": (),
    "round_id": None,
    "policy": None,
    "actor": None,
    "reason": None,
}
ENVELOPE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e",
    "source": "ombud/auditor",
    "type": "ombud.PostStatusChanged.v1",
    "time": NOW,
    "subject": "p",
    "datacontenttype": "application/json",
    "correlationid": "e",
    "traceparent": None,
    "attempt": 0,
    "reason": None,
    "data": PostStatusChanged(**SAID),
}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Span, {"begin": 0, "end": 2, "utf16_begin": 0, "utf16_end": 2}),
        (Ngram, {"token": "=fool", "weight": 1.5}),
        (StatusChange, {"kind": "locked", "before": None, "after": "flagged"}),
        (Carried, {"category": "insult", "places": (), "ngrams": ()}),
        (PostStatusChanged, SAID),
        (Event[PostStatusChanged], ENVELOPE),
    ],
)
def test_what_is_trusted_is_what_was_checked(kind: type[BaseModel], values: dict[str, Any]) -> None:
    assert list(values) == list(kind.model_fields), "every field, in order"
    made, checked = trusted(kind, **values), kind(**values)
    assert made == checked == kind.model_construct(**values)
    assert made.model_dump_json() == checked.model_dump_json()
    assert made.model_copy() == made


def test_it_cannot_be_changed_either() -> None:
    made = trusted(Ngram, token="=fool", weight=1.5)
    with pytest.raises(ValueError, match="frozen"):
        made.token = "other"  # type: ignore[misc]
