"""From a report to the document AVID gets, and back to less of it when a post is deleted. Pure.

Invariant: the same report and evidence give the same bytes; numbers stay numbers except in the body that is sent; no
aggregate is made up, so evidence alone is an issue or an advisory; what a model predicted is never a person's word.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from services.reporter import avid
from services.reporter.report import (
    LEVEL,
    AuditCategory,
    Evidence,
    Judgement,
    Measurement,
    Report,
    UnequalFor,
    decisive,
)
from shared.masking import mask

SEP_OF = {
    (AuditCategory.BIAS, UnequalFor.GROUP): "E0101",
    (AuditCategory.BIAS, UnequalFor.SIMILAR_POSTS): "E0102",
    (AuditCategory.BIAS, None): "E0100",
    (AuditCategory.ACCURACY, None): "P0204",
    (AuditCategory.ADVERSARIAL, None): "S0403",
    (AuditCategory.OTHER, None): "P0200",
}
FAILURE = {
    AuditCategory.ACCURACY: "judges posts differently than a person does",
    AuditCategory.BIAS: "treats posts unequally",
    AuditCategory.ADVERSARIAL: "can be evaded by rewording posts",
    AuditCategory.OTHER: "behaves in a way a person objects to",
}
TOXIC_FROM = 2.0
"""Ratings from here on mean toxic, as in audits."""
RATING = {Judgement.TOXIC: "toxic", Judgement.NOT_TOXIC: "not toxic", Judgement.UNSURE: "unsure"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made and who runs the audited system, and where a reader can go on."""

    developer: str
    deployer: str
    reference_label: str
    reference_url: str


def sep_codes(report: Report) -> list[str]:
    """Return the codes of a report as AVID writes them: the author's own, else what the category means."""
    stated = report.unequal_for if report.audit_category is AuditCategory.BIAS else None
    codes = report.sep or (SEP_OF[report.audit_category, stated],)
    return [avid.SEP_OF_CODE[code] for code in sorted(set(codes), key=list(avid.SEP_OF_CODE).index)]


def artifact_names(evidence: Sequence[Evidence]) -> list[str]:
    """Return each audited artifact once, its version in its name."""
    return sorted({f"{item.model} {item.model_version}" for item in evidence})


def build(
    report: Report, evidence: Sequence[Evidence], *, origin: Origin, reported: date, credit: str | None = None
) -> avid.AvidReport:
    """Return the document of a report. Raises ValueError (pydantic's) for one without evidence."""
    names, sep = artifact_names(evidence), sep_codes(report)
    title = mask(report.title).strip() or "untitled"
    sentence = f"{' and '.join(names)} {FAILURE[report.audit_category]}: {title}"
    fields: dict[str, Any] = {"credit": [avid.LangValue(value=credit.strip())]} if credit and credit.strip() else {}
    return avid.AvidReport(
        affects=avid.Affects(
            developer=[origin.developer],
            deployer=[origin.deployer],
            artifacts=[avid.Artifact(type=avid.ArtifactType.SYSTEM, name=name) for name in names],
        ),
        problemtype=avid.ProblemType(
            classof=avid.ClassOf.THIRD_PARTY,
            type=avid.report_type(
                len(evidence), measured=bool(report.measurements), decisive=decisive(report.measurements)
            ),
            description=avid.LangValue(value=sentence),
        ),
        metrics=[_evidence_entry(evidence), *_predictions(evidence), *map(_numbers, report.measurements)],
        references=[avid.Reference(type="source", label=origin.reference_label, url=origin.reference_url)],
        description=avid.LangValue(value=_description(report, evidence, names)),
        impact=avid.Impact(
            avid=avid.Taxonomy(
                vuln_id=None,
                risk_domain=avid.risk_domains(sep),  # type: ignore[arg-type]  # the model checks the words
                sep_view=sep,
                lifecycle_view=["L05: Evaluation", "L06: Deployment"],
                taxonomy_version="0.2",
            )
        ),
        reported_date=reported,
        **fields,
    )


def _evidence_entry(evidence: Sequence[Evidence]) -> avid.Metric:
    return avid.Metric(
        name="Evidence comments",
        detection_method=avid.DetectionMethod(type=avid.Method.THRESHOLD, name=_threshold(evidence)),
        results=avid.EvidenceResults(
            scale="0-1", total=len(evidence), rows=[_row(item) for item in evidence[: avid.SHOWN_ROWS]]
        ),
    )


def _predictions(evidence: Sequence[Evidence]) -> list[avid.Metric]:
    """Return an entry of its own for what an audit's model of the author predicted, if it did."""
    told = [item for item in evidence if item.predicted is not None]
    if not told:
        return []
    name = f"{_threshold(evidence)}; predicted toxic if the predicted rating >= {TOXIC_FROM:g} on 0-4"
    return [
        avid.Metric(
            name="Evidence comments, model predictions",
            detection_method=avid.DetectionMethod(type=avid.Method.THRESHOLD, name=name),
            results=avid.EvidenceResults(
                scale="0-1", total=len(told), rows=[_predicted(item) for item in told[: avid.SHOWN_ROWS]]
            ),
        )
    ]


def _predicted(item: Evidence) -> avid.EvidenceRow:
    rating = item.predicted or 0.0
    more = {
        "comment": None,  # it stands with the person's own judgement
        "auditor_rating": "toxic" if rating >= TOXIC_FROM else "not toxic",
        "source": "model prediction",
        "note": f"predicted rating {rating:.2f} on 0-4",
    }
    return _row(item).model_copy(update=more)


def _numbers(measurement: Measurement) -> avid.Metric:
    rows = measurement.rows
    return avid.Metric(
        name=mask(measurement.name).strip() or "Measurement",
        detection_method=avid.DetectionMethod(
            type=avid.Method.TEST, name=mask(measurement.test).strip() or "test not named"
        ),
        results=avid.AggregateResults(
            feature=[mask(row.feature).strip() or "all" for row in rows],
            n=[row.n for row in rows],
            stat=[row.stat for row in rows],
            ci95_low=[row.ci95_low for row in rows],
            ci95_high=[row.ci95_high for row in rows],
            pvalue=[row.pvalue for row in rows],
        ),
    )


def _threshold(evidence: Sequence[Evidence]) -> str:
    thresholds = sorted({item.threshold for item in evidence})
    least = f"{thresholds[0]:g}" if len(thresholds) == 1 else "the threshold of its row"
    return f"flagged if the overall score >= {least} on 0-1"


def _row(item: Evidence) -> avid.EvidenceRow:
    gone = item.deleted or item.text is None
    return avid.EvidenceRow(
        id=item.post_id,
        comment=None if item.deleted or item.text is None else mask(item.text),
        system_rating=round(item.overall, 6),
        system_decision="flagged" if item.flagged else "not flagged",
        threshold=item.threshold,
        model_version=item.model_version,
        auditor_rating=RATING[item.judgement] if item.judgement else None,  # type: ignore[arg-type]
        source="human label",
        note=mask(item.note) if item.note else None,
        deleted=gone,
    )


def _description(report: Report, evidence: Sequence[Evidence], names: Sequence[str]) -> str:
    disputed = sum(item.disputed is True for item in evidence)
    agreed = sum(item.disputed is False for item in evidence)
    parts = [
        mask(report.summary).strip() or "No summary was given.",
        f"Kind of error: {mask(report.error_type).strip() or 'not stated'}.",
        f"Audited: {', '.join(names)}, which gives each post an overall score on 0-1, the highest of its category "
        f"scores ({_threshold(evidence)}).",
        "Method: one person compared the system's decisions with their own on posts they picked "
        f"(posts: {len(evidence)}, raters: 1).",
        f"Result: the person disagreed on {disputed}, agreed on {agreed} and gave no clear answer on "
        f"{len(evidence) - disputed - agreed}.",
        "Limits: the posts were picked by hand and are no sample, so no rate follows from them.",
    ]
    if any(item.predicted is not None for item in evidence):
        parts.append("Model predictions are those of a model learnt from the person's ratings and no human label.")
    if report.measurements:
        tests = "; ".join(f"{mask(each.name)} ({mask(each.test)})" for each in report.measurements)
        found = "at least one passes" if decisive(report.measurements) else "none passes"
        parts.append(
            f"Measured: {tests}. Of the p-values, {found} with the false discovery rate held at {LEVEL:g} "
            "(Benjamini-Hochberg, over all of this report)."
        )
    if len(evidence) > avid.SHOWN_ROWS:
        parts.append(f"The first {avid.SHOWN_ROWS} posts are shown here; the report's own export holds all of them.")
    parts.append("Content warning: the evidence may quote offensive language. Personal names and links are masked.")
    return "\n\n".join(parts)


def to_document(report: avid.AvidReport) -> dict[str, Any]:
    """Return the document as plain JSON values. A null stays (AVID 0.1.2 wants it), but for credit nobody chose."""
    return report.model_dump(mode="json", exclude=None if report.credit else {"credit"})


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a document: keys sorted, so that equal documents are equal bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def submission(document: Mapping[str, Any], *, decimals_as_text: bool) -> bytes:
    """Return the body that is posted to AVID; it may want fractions as text."""
    return to_bytes(_decimals(document) if decimals_as_text else document)


def _decimals(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {name: _decimals(each) for name, each in value.items()}
    return [_decimals(each) for each in value] if isinstance(value, list) else value


def redact(document: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """Return the document without the comments of the posts in `gone`; ids, numbers and judgements stay."""
    return {**document, "metrics": [_without(metric, gone) for metric in document["metrics"]]}


def _without(metric: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    results = metric["results"]
    if "rows" not in results:
        return dict(metric)
    rows = [row | {"comment": None, "deleted": True} if row["id"] in gone else row for row in results["rows"]]
    return {**metric, "results": {**results, "rows": rows}}
