"""A report as Markdown for people. Pure.

Invariant: nothing a stranger wrote is markup in here: HTML is escaped, Markdown's own signs are escaped, and line
breaks become spaces, so that text cannot leave its place.
"""

import html
import re
from collections.abc import Sequence
from datetime import datetime

from services.reporter.avid import SHOWN_ROWS
from services.reporter.avid_export import RATING, sep_codes
from services.reporter.report import Evidence, Measurement, Report
from shared.masking import mask

SIGNS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:>=])")
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def plain(text: str) -> str:
    """Return `text` so that a Markdown reader shows it as it was typed, on one line."""
    return SIGNS.sub(r"\\\1", html.escape(INVISIBLE.sub(" ", text), quote=False)).strip()


def to_markdown(
    report: Report, evidence: Sequence[Evidence], *, state: str, version: int, completed_at: datetime | None
) -> str:
    """Return the whole report, every evidence row included; text of strangers is masked and escaped."""
    when = completed_at.date().isoformat() if completed_at else "not yet"
    lines = [
        f"# {plain(mask(report.title)) or 'Untitled report'}",
        "",
        f"- State: {state}, version {version}, completed: {when}",
        f"- Kind of error: {plain(mask(report.error_type)) or 'not stated'}",
        f"- Category: {report.audit_category.value}",
        f"- AVID taxonomy: {', '.join(plain(code) for code in sep_codes(report))}",
        "",
        "## Summary",
        "",
        "\n\n".join(filter(None, map(plain, mask(report.summary).split("\n\n")))) or "No summary was given.",
        "",
        f"## Evidence ({len(evidence)})",
        "",
        "Content warning: the evidence may quote offensive language. Personal names and links are masked.",
        "",
    ]
    for measurement in report.measurements:
        lines[-4:-4] = [*_measured(measurement), ""]
    for number, item in enumerate(evidence, 1):
        lines += [*_item(number, item), ""]
    if len(evidence) > SHOWN_ROWS:
        lines += [f"The AVID document shows the first {SHOWN_ROWS} of these.", ""]
    return "\n".join(lines)


def _measured(measurement: Measurement) -> list[str]:
    return [
        f"## {plain(mask(measurement.name))}",
        "",
        f"Test: {plain(mask(measurement.test))}",
        "",
        "| of | posts | value | 95 % interval | p |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {plain(mask(row.feature))} | {row.n} | {row.stat:.4g} | {row.ci95_low:.4g} to {row.ci95_high:.4g} "
            f"| {row.pvalue:.3g} |"
            for row in measurement.rows
        ),
    ]


def _item(number: int, item: Evidence) -> list[str]:
    decision = "flagged" if item.flagged else "not flagged"
    text = "(deleted)" if item.deleted or item.text is None else plain(mask(item.text)) or "(empty)"
    version = plain(f"{item.model} {item.model_version}")
    lines = [
        f"### {number}. Post {plain(item.post_id)}",
        "",
        f"> {text}",
        "",
        f"- System: {item.overall:.3f}, {decision} at {item.threshold:g} ({version})",
        f"- Author of this report: {RATING[item.judgement] if item.judgement else 'no judgement yet'}",
    ]
    if item.predicted is not None:
        lines.append(f"- Their model predicted: {item.predicted:.2f} on 0-4 (a model, no judgement of theirs)")
    return [*lines, f"- Note: {plain(mask(item.note))}"] if item.note else lines
