"""A suggestion is valid or refused with a reason, says nothing it was not told, and the document describes itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as some

from services.classifier import discovery
from services.ingest.perspective import corrected, suggestion, tenant_of
from shared.perspective import ATTRIBUTES, Refusal
from shared.vocabulary import CATEGORIES
from tests.support.coral import suggested

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMIT = 20_480

scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=30)
json = some.recursive(scalars, lambda of: some.lists(of, max_size=3) | some.dictionaries(some.text(), of, max_size=3))
fields = some.sampled_from(list(suggested("a", "b", 1)))
values = some.dictionaries(some.sampled_from(sorted(ATTRIBUTES)), some.floats(0, 1), min_size=1)


@given(json | some.dictionaries(fields, json).map(lambda change: suggested("a", "b", 1) | change))
@example(suggested("a", "b", 1) | {"context": {"entries": [{"text": "{"}]}})
@example(suggested("a", "b", 1) | {"context": {"entries": [{"text": "[1]"}]}})
@example(suggested("a", "b", 1) | {"communityId": "Coral:http://["})
def test_whatever_is_sent_is_a_suggestion_or_a_refusal(raw: Any) -> None:
    try:
        said = suggestion(raw, LIMIT)
    except Refusal:
        return
    assert said.text.strip() and said.labels
    tenant_of(said.community)


@given(values)
def test_a_correction_speaks_about_what_the_attributes_mean_and_of_nothing_else(scores: dict[str, float]) -> None:
    given = {name: {"summaryScore": {"value": value}} for name, value in scores.items()}
    said = corrected(
        suggestion(suggested("a", "b", 1, attributeScores=given), LIMIT),
        correction_id="c",
        post_id=None,
        language=None,
        reviewer="r",
        now=NOW,
    )
    meant = {part for name in scores for part in (*ATTRIBUTES[name].parts, ATTRIBUTES[name].sure)}
    assert set(said.spoke_about) <= meant
    assert set(said.expected_categories) == {ATTRIBUTES[name].sure for name, value in scores.items() if value >= 0.5}
    assert {part for name, value in scores.items() if value < 0.5 for part in ATTRIBUTES[name].parts} <= set(
        said.spoke_about
    )
    assert said.weak is (True if said.expected_categories else None)


def test_every_category_of_ours_can_be_said_by_some_attribute_but_no_other() -> None:
    assert {part for meaning in ATTRIBUTES.values() for part in (*meaning.parts, meaning.sure)} == set(CATEGORIES)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_reference_of_the_discovery_document_resolves_and_no_credentials_are_asked_for() -> None:
    for origin in ("https://ombud.example.org", "https://ombud.example.org/"):
        found = discovery.document(origin)
        assert found["rootUrl"] == "https://ombud.example.org/" and found["servicePath"] == ""
        assert set(references(found)) <= set(found["schemas"])
        assert "auth" not in found
        needed = {"kind", "discoveryVersion", "id", "name", "version", "batchPath", "parameters", "resources"}
        assert needed <= found.keys()
    methods = found["resources"]["comments"]["methods"]
    for name in ("analyze", "suggestscore"):
        assert methods[name]["path"] == methods[name]["flatPath"] == f"v1alpha1/comments:{name}"
