"""A mapping finds posts in any JSON, and no JSON makes it raise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from services.ingest.mapping import NOTHING, Heard, Mapping, found, hear

scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20)
names = some.sampled_from(["id", "text", "type", "data", "posts", "0", "a"])
json = some.recursive(scalars, lambda of: some.lists(of, max_size=3) | some.dictionaries(names, of, max_size=4))
paths = some.lists(names, min_size=1, max_size=3).map(".".join)


def mapping(**changes: Any) -> Mapping:
    return Mapping.model_validate({"id": "id", "text": "text"} | changes)


def heard(document: Any, **changes: Any) -> Heard:
    answer = hear(mapping(**changes), document)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": [1, {"c": None}]}),
        ("a.b.0", 1),
        ("a.b.1.c", NOTHING),
        ("a.b.2", NOTHING),
        ("a.b.-1", NOTHING),
        ("a.b.x", NOTHING),
        ("a.b.0.c", NOTHING),
        ("d", NOTHING),
        ("0", "zero"),
        ("$.top", True),
        ("$.a", NOTHING),
    ],
)
def test_a_path_leads_to_what_stands_there(path: str, value: Any) -> None:
    assert found(path, {"a": {"b": [1, {"c": None}]}, "0": "zero"}, {"top": True}) == value


@given(json, paths, paths, paths, some.none() | paths, some.booleans())
def test_no_document_raises(document: Any, id: str, text: str, type: str, items: str | None, html: bool) -> None:
    event = {"path": type, "post": ["a"], "delete": ["b"]}
    for more in ({}, {"event": event}, {"event": event | {"path": f"$.{type}"}}):
        made = mapping(id=id, text=text, items=items, text_is="html" if html else "text", **more)
        answer = hear(made, document)
        assert answer is None or len(answer.told) >= 0


def test_one_body_is_one_post_and_a_list_one_per_item() -> None:
    (one,) = heard({"id": 7, "text": "a", "more": 1}).told
    assert one.post == {"external_id": "7", "text": "a"}
    two = heard({"data": [{"id": "x", "text": "a"}, {"id": "y", "text": "b"}]}, items="data")
    assert [(each.at, each.external_id) for each in two.told] == [(0, "x"), (1, "y")]
    assert hear(mapping(items="data"), {"data": {}}) is None


def test_constants_defaults_and_html() -> None:
    (one,) = heard(
        {"id": "1", "text": "<p>a</p><p>b</p>", "author": None},
        text_is="html",
        author={"path": "author", "default": "anonymous"},
        language={"constant": "nl"},
        url={"path": "link"},
    ).told
    assert one.post == {"external_id": "1", "text": "a\n\nb", "author": "anonymous", "language": "nl"}


def test_the_event_type_tells_posts_deletions_and_the_rest_apart() -> None:
    event = {"path": "type", "post": ["new", "7"], "delete": ["gone"]}
    items = [{"type": kind, "id": "1", "text": "a"} for kind in ("new", "gone", "liked", None, ["new"], 7, True)]
    answer = heard({"items": items}, items="items", event=event)
    assert [(each.at, each.gone) for each in answer.told] == [(0, False), (1, True), (5, False)]
    assert answer.passed_over == 4
    assert answer.told[1].post == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": ""}, "id.path"),
        ({"id": "a b"}, "id.path"),
        ({"id": ".a"}, "id.path"),
        ({"id": "a.$.b"}, "id.path"),
        ({"id": {"constant": "1"}}, "give a path"),
        ({"id": {}}, "give either"),
        ({"id": {"path": "a", "constant": "1"}}, "give either"),
        ({"author": {"constant": "a", "default": "b"}}, "needs no default"),
        ({"text": None}, "say where the text stands"),
        ({"event": {"path": "t"}}, "at least one type"),
        ({"event": {"path": "t", "post": ["a"], "delete": ["a"]}}, "not for both"),
        ({"items": "$"}, "items"),
        ({"texts": "a"}, "texts"),
        ({"text_is": "markdown"}, "text_is"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_at_once(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("$", r"\$")):
        mapping(**change)


def test_a_mapping_of_deletions_needs_no_text() -> None:
    made = mapping(text=None, event={"path": "type", "delete": ["gone"]})
    answer = hear(made, {"type": "gone", "id": 5})
    assert answer is not None and [each.external_id for each in answer.told] == ["5"]
