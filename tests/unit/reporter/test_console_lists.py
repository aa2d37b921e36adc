"""What the review list says: files without formulas and names, addresses of views, a queue that is done."""

import csv
import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from services.reporter.console.contexts import export, flagged
from services.reporter.console.contexts.views import slug_of, views
from services.reporter.queue import Facets

WHEN = datetime(2026, 9, 30, 19, 14, 5, 123, tzinfo=UTC)


def post(**other: Any) -> Any:
    row = {
        "post_id": "p1", "platform": "forum", "author": "=cmd|'/c calc'!A0", "language": "nl", "written_at": WHEN,
        "scored_at": WHEN, "own_overall": 0.74, "threshold": 0.5, "own_mask": 0b100000001,
        "own_scores": {"insult": 0.74, "toxic": 0.5}, "source": "local", "model": "ombud", "model_version": "m-1",
        "correction_verdict": "incorrect", "text": "-1 met\n\"tekst\"",
    }  # fmt: skip
    return SimpleNamespace(**row | other)


@pytest.mark.check("CON-21")
def test_a_row_has_no_formula_no_name_and_decimal_points() -> None:
    word = SimpleNamespace(
        feedback_type="false_positive", expected=["insult"], actual=["insult", "toxic"], reviewer="user:ada",
        corrected_at=WHEN,
    )  # fmt: skip
    row = export.row_of(post(), word, "secret", high=0.7, text=True)
    (read,) = csv.reader(io.StringIO(export.lines([row])))
    said = dict(zip((*export.COLUMNS, export.TEXT), read, strict=True))
    assert said["account"] == "'=cmd|'/c calc'!A0"
    assert said["text"] == '\'-1 met\n"tekst"'
    assert (said["overall"], said["insult"], said["ableism"]) == ("0.7400", "0.7400", "")
    assert said["written_at"] == "2026-09-30T19:14:05Z"
    assert said["severity"] == "high"
    assert said["categories"] == "insult|toxic"
    assert (said["feedback_type"], said["expected_categories"], said["actual_categories"]) == (
        "false_positive",
        "insult",
        "insult|toxic",
    )
    assert "ada" not in said["reviewer"]
    assert said["reviewer"] == export.pseudonym("user:ada", "secret") != export.pseudonym("user:bob", "secret")


@pytest.mark.check("CON-21")
@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(begin: str) -> None:
    assert export.cell(f"{begin}x") == f"'{begin}x"
    assert export.cell(f"x{begin}") == f"x{begin}"


def test_a_post_without_a_verdict_has_empty_cells_and_no_text_unless_asked() -> None:
    row = export.row_of(post(correction_verdict=None), None, "secret", high=0.7, text=False)
    said = dict(zip(export.COLUMNS, row, strict=True))
    assert said["review_status"] == "unreviewed"
    assert (said["reviewer"], said["reviewed_at"], said["expected_categories"]) == (None, None, None)


def test_the_name_of_a_view_makes_an_address_that_can_be_read_aloud() -> None:
    assert slug_of("Beledigingen, één week!", "3f2a") == "beledigingen-een-week-3f2a"
    assert slug_of("☃", "3f2a") == "view-3f2a"
    assert len(slug_of("x" * 200, "3f2a")) <= 80


def test_a_lead_may_remove_what_is_the_teams_others_only_their_own() -> None:
    rows = [
        SimpleNamespace(slug="a", name="A", query="?lang=nl", team=True, person_id="bob"),
        SimpleNamespace(slug="b", name="B", query="", team=False, person_id="ada"),
    ]
    assert [(each.mine, each.here) for each in views(rows, "ada", "?lang=nl")] == [(False, True), (True, False)]
    assert [each.mine for each in views(rows, "ada", "", lead=True)] == [True, True]


def test_agreement_leaves_the_unsure_out_and_has_an_interval() -> None:
    facets = Facets({}, {"correct": 9, "incorrect": 1, "unsure": 5, "unreviewed": 0}, {}, {})
    found = flagged.agreement(facets)
    assert found is not None
    assert (found.share, found.reviews) == (0.9, 10)
    assert 0 < found.low < 0.9 < found.high < 1
    assert flagged.agreement(Facets({}, {"unsure": 2}, {}, {})) is None
