"""Documents pass our own schema, whatever the report, and say nothing that was not measured."""

import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from services.reporter import avid, avid_export
from services.reporter.avid_export import build, redact, submission, to_bytes, to_document
from services.reporter.markdown import to_markdown
from services.reporter.report import (
    AuditCategory,
    Evidence,
    Judgement,
    Measured,
    Measurement,
    Report,
    UnequalFor,
    missing,
)
from tests.support.avid_documents import DAY, ORIGIN, document, measured, piece, report

words = st.text(max_size=80)
shares = st.floats(0, 1, allow_nan=False)
versions = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6)
reports = st.builds(
    Report,
    id=st.uuids().map(str),
    title=words,
    error_type=words,
    audit_category=st.sampled_from(AuditCategory),
    summary=words,
    unequal_for=st.none() | st.sampled_from(UnequalFor),
    sep=st.lists(st.sampled_from(sorted(avid.SEP_OF_CODE)), max_size=3).map(tuple),
    measurements=st.lists(
        st.builds(
            Measurement,
            name=words,
            test=words,
            rows=st.lists(
                st.builds(Measured, words, st.integers(1, 10**6), shares, shares, shares, shares),
                min_size=1,
                max_size=4,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)
pieces = st.builds(
    Evidence,
    post_id=st.uuids().map(str),
    text=st.none() | words,
    overall=shares,
    flagged=st.booleans(),
    threshold=shares,
    model=versions,
    model_version=versions,
    judgement=st.none() | st.sampled_from(Judgement),
    note=st.none() | words,
    deleted=st.booleans(),
    predicted=st.none() | st.floats(0, 4),
)
evidences = st.lists(pieces, min_size=1, max_size=30, unique_by=lambda item: item.post_id)
SCHEMA = Draft202012Validator(avid.AvidReport.model_json_schema())


@given(reports, evidences, st.none() | words)
def test_every_document_passes_our_schema_and_is_the_same_bytes_again(
    made: Report, evidence: list[Evidence], credit: str | None
) -> None:
    first = build(made, evidence, origin=ORIGIN, reported=DAY, credit=credit)
    again = build(made, list(evidence), origin=ORIGIN, reported=DAY, credit=credit)
    data = to_bytes(to_document(first))
    assert data == to_bytes(to_document(again)) == to_bytes(orjson.loads(data))
    assert avid.AvidReport.model_validate_json(data) == first
    SCHEMA.validate(orjson.loads(data))


@given(reports, evidences)
def test_a_redacted_document_still_passes(made: Report, evidence: list[Evidence]) -> None:
    full = to_document(build(made, evidence, origin=ORIGIN, reported=DAY))
    less = redact(full, {evidence[0].post_id})
    avid.AvidReport.model_validate_json(to_bytes(less))
    row = less["metrics"][0]["results"]["rows"][0]
    assert (row["comment"], row["deleted"]) == (None, True)
    assert row["system_rating"] == full["metrics"][0]["results"]["rows"][0]["system_rating"]


@given(reports, evidences)
def test_markdown_of_a_stranger_is_no_markup(made: Report, evidence: list[Evidence]) -> None:
    text = to_markdown(made, evidence, state="draft", version=1, completed_at=None)
    assert "<" not in text
    assert all(line == line.strip("\r\x0b\x0c") for line in text.split("\n"))


@pytest.mark.parametrize(
    ("count", "measured", "decisive", "kind"),
    [
        (1, False, False, "Issue"),
        (4, False, False, "Issue"),
        (5, False, False, "Advisory"),
        (1, True, False, "Measurement"),
        (9, True, True, "Detection"),
    ],
)
def test_the_lowest_row_that_applies_is_the_type(count: int, measured: bool, decisive: bool, kind: str) -> None:
    assert avid.report_type(count, measured=measured, decisive=decisive) == kind


@pytest.mark.parametrize(
    ("category", "unequal", "code", "domain"),
    [
        (AuditCategory.BIAS, UnequalFor.GROUP, "E0101: Group fairness", "Ethics"),
        (AuditCategory.BIAS, UnequalFor.SIMILAR_POSTS, "E0102: Individual fairness", "Ethics"),
        (AuditCategory.BIAS, None, "E0100: Bias/ Discrimination", "Ethics"),
        (AuditCategory.ACCURACY, UnequalFor.GROUP, "P0204: Accuracy", "Performance"),
        (AuditCategory.ADVERSARIAL, None, "S0403: Adversarial Example", "Security"),
        (AuditCategory.OTHER, None, "P0200: Model issues", "Performance"),
    ],
)
def test_the_category_decides_code_and_risk_domain(
    category: AuditCategory, unequal: UnequalFor | None, code: str, domain: str
) -> None:
    taxonomy = document(audit_category=category, unequal_for=unequal)["impact"]["avid"]
    assert (taxonomy["sep_view"], taxonomy["risk_domain"]) == ([code], [domain])


def test_codes_the_author_chose_count_and_bring_their_domains() -> None:
    taxonomy = document(sep=("E0101", "S0403"))["impact"]["avid"]
    assert taxonomy["sep_view"] == ["S0403: Adversarial Example", "E0101: Group fairness"]
    assert taxonomy["risk_domain"] == ["Security", "Ethics"]


def test_the_document_says_what_was_audited_and_names_each_version() -> None:
    made = document(piece("a", model_version="1"), piece("b", model_version="2"))
    assert [each["name"] for each in made["affects"]["artifacts"]] == ["m 1", "m 2"]
    assert made["metrics"][0]["detection_method"]["name"] == "flagged if the overall score >= 0.5 on 0-1"
    assert made["problemtype"]["classof"] == "Third-party Report"
    assert made["problemtype"]["type"] == "Issue"
    assert made["impact"]["avid"]["vuln_id"] is None
    assert "Content warning" in made["description"]["value"]
    assert "disagreed on 2" in made["description"]["value"]


def test_evidence_alone_brings_no_aggregate_number() -> None:
    made = document(*(piece(str(n)) for n in range(30)))
    assert [metric["name"] for metric in made["metrics"]] == ["Evidence comments"]
    assert made["problemtype"]["type"] == "Advisory"
    assert len(made["metrics"][0]["results"]["rows"]) == 20
    assert made["metrics"][0]["results"]["total"] == 30
    assert made["metrics"][0]["results"]["rows"][0]["auditor_rating"] == "not toxic"


def test_personal_data_in_any_text_is_masked() -> None:
    made = document(
        piece(text="@jan is bad", note="ask jan@example.org"),
        title="About @jan",
        summary="call +31612345678",
        error_type="see www.x.example",
    )
    text = to_bytes(made).decode()
    assert not any(word in text for word in ("@jan", "jan@", "+316", "www"))


def test_credit_stands_only_where_somebody_chose_it() -> None:
    assert "credit" not in document()
    named = build(report(), [piece()], origin=ORIGIN, reported=DAY, credit=" Ann ")
    assert to_document(named)["credit"] == [{"lang": "eng", "value": "Ann"}]


def test_fractions_become_text_only_in_what_is_sent() -> None:
    made = document()
    sent = orjson.loads(submission(made, decimals_as_text=True))
    assert sent["metrics"][0]["results"]["rows"][0]["system_rating"] == "0.9"
    assert sent["metrics"][0]["results"]["total"] == 1
    assert made["metrics"][0]["results"]["rows"][0]["system_rating"] == 0.9
    assert submission(made, decimals_as_text=False) == to_bytes(made)


def changed(made: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the document with another value at a dotted path."""
    whole: dict[str, Any] = orjson.loads(to_bytes(made))
    *way, last = path.split(".")
    place: Any = whole
    for part in way:
        place = place[int(part) if part.isdigit() else part]
    place[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("data_type", "OTHER"),
        ("references", []),
        ("metrics.0.detection_method.type", "Detection"),
        ("metrics.0.detection_method.type", "Significance Test"),
        ("metrics.0.results.rows", []),
        ("problemtype.type", "Measurement"),
        ("problemtype.classof", "LLM Evaluation"),
        ("credit", {"lang": "eng", "value": "Ann"}),
        ("credit", None),
        ("impact.avid.risk_domain", ["Ethics"]),
        ("impact.avid.sep_view", ["P0204: accuracy"]),
        ("impact.avid.vuln_id", "AVID-1"),
        ("references.0.url", "javascript:alert(1)"),
        ("metrics.0.results.rows.0.system_rating", "0.9"),
    ],
)
def test_a_document_with_a_fault_is_refused(path: str, value: Any) -> None:
    avid.AvidReport.model_validate_json(to_bytes(document()))
    with pytest.raises(ValidationError):
        avid.AvidReport.model_validate_json(to_bytes(changed(document(), path, value)))


def test_the_documents_of_indielabel_are_refused() -> None:
    """Upstream writes a method `Detection` and one credit instead of a list, and mixes scales."""
    theirs = changed(changed(document(), "metrics.0.detection_method.type", "Detection"), "credit", {"value": "x"})
    with pytest.raises(ValidationError) as refused:
        avid.AvidReport.model_validate_json(to_bytes(theirs))
    assert {str(fault["loc"][0]) for fault in refused.value.errors()} == {"metrics", "credit"}


def test_numbers_need_a_test_and_parallel_lists() -> None:
    numbers = {"feature": ["g"], "n": [10], "stat": [1.0], "ci95_low": [0.1], "ci95_high": [0.3], "pvalue": [0.01]}
    entry = {"name": "Gap", "detection_method": {"type": "Significance Test", "name": "McNemar"}, "results": numbers}
    made = changed(document(), "metrics", [entry])
    for kind in ("Measurement", "Detection"):
        avid.AvidReport.model_validate_json(to_bytes(changed(made, "problemtype.type", kind)))
    with pytest.raises(ValidationError):
        avid.AvidReport.model_validate_json(to_bytes(made))  # still called an issue
    entry["results"] = numbers | {"n": [10, 20]}
    with pytest.raises(ValidationError):
        avid.AvidReport.model_validate_json(to_bytes(changed(made, "problemtype.type", "Detection")))


@pytest.mark.parametrize(
    ("count", "pvalues", "kind"),
    [
        (1, (), "Issue"),
        (5, (), "Advisory"),
        (1, (0.04, 0.9), "Measurement"),
        (5, (0.2,), "Measurement"),
        (1, (0.02, 0.9), "Detection"),
        (1, (0.03, 0.04, 0.9), "Measurement"),
        (1, (0.03, 0.04, 0.05), "Detection"),
    ],
)
def test_numbers_make_a_measurement_and_one_that_passes_its_test_among_all_a_detection(
    count: int, pvalues: tuple[float, ...], kind: str
) -> None:
    given = measured(*pvalues) if pvalues else ()
    made = document(*(piece(str(n)) for n in range(count)), measurements=given)
    assert made["problemtype"]["type"] == kind
    avid.AvidReport.model_validate_json(to_bytes(made))
    SCHEMA.validate(made)


def test_numbers_are_one_entry_with_parallel_lists_beside_the_evidence() -> None:
    made = document(piece(), measurements=measured(0.001, 0.5))
    evidence, numbers = made["metrics"]
    assert evidence["name"] == "Evidence comments"
    assert numbers["detection_method"] == {"type": "Significance Test", "name": "exact McNemar"}
    assert numbers["results"] == {
        "feature": ["topic 0", "topic 1"],
        "n": [40, 40],
        "stat": [0.2, 0.2],
        "ci95_low": [0.1, 0.1],
        "ci95_high": [0.3, 0.3],
        "pvalue": [0.001, 0.5],
    }
    assert "at least one passes" in made["description"]["value"]
    text = to_markdown(report(measurements=measured(0.001)), [piece()], state="draft", version=1, completed_at=None)
    assert "| topic 0 | 40 | 0.2 | 0.1 to 0.3 | 0.001 |" in text


def test_what_a_model_predicted_stands_in_an_entry_of_its_own_and_never_as_a_person_s_word() -> None:
    pieces = [piece("a", predicted=3.2), piece("b", predicted=1.9, judgement=Judgement.TOXIC), piece("c")]
    said, predicted = document(*pieces)["metrics"]
    assert [(row["id"], row["auditor_rating"], row["source"]) for row in said["results"]["rows"]] == [
        ("a", "not toxic", "human label"),
        ("b", "toxic", "human label"),
        ("c", "not toxic", "human label"),
    ]
    assert [(row["id"], row["auditor_rating"], row["source"]) for row in predicted["results"]["rows"]] == [
        ("a", "toxic", "model prediction"),
        ("b", "not toxic", "model prediction"),
    ]
    assert [row["comment"] for row in predicted["results"]["rows"]] == [None, None]
    assert predicted["results"]["rows"][0]["note"] == "predicted rating 3.20 on 0-4"
    assert len(document(piece())["metrics"]) == 1


def test_a_report_without_evidence_has_no_document() -> None:
    with pytest.raises(ValidationError):
        build(report(), [], origin=ORIGIN, reported=DAY)


def test_everything_a_report_lacks_is_said_at_once() -> None:
    lacks = missing(report(title=" ", summary=""), [piece("a"), piece("b", judgement=None)])
    assert [each.field for each in lacks] == ["title", "summary", "judgements.b"]
    assert [each.field for each in missing(report(), [])] == ["evidence"]
    assert missing(report(), [piece(judgement=Judgement.UNSURE)]) == []


def test_an_export_knows_every_category_and_code() -> None:
    assert {category for category, _ in avid_export.SEP_OF} == set(AuditCategory)
    assert set(avid_export.SEP_OF.values()) <= set(avid.SEP_OF_CODE)
    assert (len(avid.SEP), len(avid.SEP_OF_CODE)) == (48, 48)
