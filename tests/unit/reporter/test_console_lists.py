"""What the review list says: files without formulas and names, addresses of views, a queue that is done."""

import csv
import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import altair
import orjson
import pytest

from services.reporter.console.contexts import accounts, bulk, export, flagged
from services.reporter.console.contexts.period import read_period
from services.reporter.console.contexts.reviewing import Held, card
from services.reporter.console.contexts.views import slug_of, views
from services.reporter.console.veil import Veil
from services.reporter.queue import Facets
from tests.support.ombud import ROOT

GOLDEN = ROOT / "tests" / "golden" / "charts"
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


@pytest.mark.check("CON-16")
def test_a_post_is_chosen_only_with_a_proof_of_ones_own_and_once() -> None:
    mine = bulk.proof("ada", "p1", 3, "secret")
    other = bulk.proof("ada", "p2", 0, "secret")
    assert bulk.chosen("ada", [mine, other, mine], "secret") == (bulk.Chosen("p1", 3), bulk.Chosen("p2", 0))
    turned = [mine.replace(":3:", ":4:"), mine.replace("p1", "p3"), "p1", "p1:x:y", "p1:3:é", ""]
    for forged in turned:
        with pytest.raises(ValueError, match="no proof"):
            bulk.chosen("ada", [forged], "secret")
    with pytest.raises(ValueError, match="no proof"):
        bulk.chosen("bob", [mine], "secret")
    with pytest.raises(ValueError, match="no proof"):
        bulk.chosen("ada", [mine], "another")


@pytest.mark.check("CON-16")
def test_what_is_veiled_as_a_whole_or_held_by_others_is_not_offered() -> None:
    marked = {"category": "insult", "places": [[0, 2]]}
    row = post(review_version=2, platform="forum", marked=marked, text="je bent")
    level, whole = Veil.SPANS, Veil.WHOLE
    held = [None, Held("", 30), Held("Noor", 30)]
    offered = [bool(bulk.choices([card(row, level, high=0.7, held=each)], "ada", "s")) for each in held]
    assert offered == [True, True, False]
    assert bulk.choices([card(row, whole, high=0.7)], "ada", "s") == {}
    assert bulk.choices([card(post(review_version=2, marked=None), level, high=0.7)], "ada", "s") == {}


def test_a_batch_is_read_from_what_was_kept_of_its_command() -> None:
    facts = {"batch": "b", "verdict": "correct", "words": [["c1", "p1"]], "stale": 2, "failed": 0}
    kept = SimpleNamespace(answer={"location": "/", "facts": facts})
    assert bulk.batch_of(kept) == bulk.Batch("b", "correct", 1, 2, 0)
    assert bulk.words_of(kept) == [("c1", "p1")]
    for other in (None, SimpleNamespace(answer=None), SimpleNamespace(answer={"facts": {}})):
        assert bulk.batch_of(other) is None


def days() -> list[Any]:
    one = {"posts": 2, "verdict": None}
    return [
        SimpleNamespace(**one | {"day": "2026-03-01", "mask": 0}),
        SimpleNamespace(**one | {"day": "2026-03-03", "mask": 3, "verdict": "incorrect"}),
        SimpleNamespace(**one | {"day": "2026-03-03", "mask": 1, "posts": 1}),
    ]


@pytest.mark.check("CON-08")
def test_an_accounts_days_are_its_chart_its_table_and_the_golden_spec() -> None:
    period = read_period({"from": "2026-03-01", "to": "2026-03-03"}, WHEN.date())
    found = accounts.days(days())
    assert [(each.day, each.posts, each.flagged, each.incorrect) for each in found] == [
        ("2026-03-03", 3, 3, 2),
        ("2026-03-01", 2, 0, 0),
    ]
    assert [count for _, count in found[0].categories] == [3, 2]
    chart = accounts.activity(found, period)
    drawn = {each["day"]: (each["posts"], each["flagged"]) for each in chart.spec["data"]["values"]}
    assert drawn == {"2026-03-01": (2, 0), "2026-03-02": (0, 0), "2026-03-03": (3, 3)}
    assert {row[0]: (row[1], row[2]) for row in chart.rows} == {k: v for k, v in drawn.items() if v[0]}
    assert orjson.loads(orjson.dumps(dict(chart.spec))) == orjson.loads((GOLDEN / "account.vl.json").read_bytes())
    altair.Chart.from_dict(dict(chart.spec))
    assert [(each.posts, each.length) for each in accounts.bars(days())] == [
        (3, 100.0),
        (2, pytest.approx(66.67, 0.01)),
    ]


def test_wider_dates_hold_the_last_posts_and_no_more_than_a_page_shows() -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert accounts.wider(WHEN, WHEN) == "from=2026-09-30&to=2026-09-30"
    assert accounts.wider(long_ago, WHEN) == "from=2025-09-30&to=2026-09-30"
    assert accounts.wider(None, None) is None
