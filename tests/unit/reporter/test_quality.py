"""How good scores are by people's word: shares with intervals, agreement beyond chance, thresholds, pictures."""

from dataclasses import fields
from datetime import date
from typing import Any

import altair
import numpy as np
import orjson
import pytest
from sklearn.metrics import cohen_kappa_score

from services.reporter import quality as pure
from services.reporter.console import quality_charts
from services.reporter.console.charts import Chart
from services.reporter.console.contexts import quality as page
from services.reporter.quality import Word, agreement, calibration, disagreements, fleiss, kappa, labelled, simulate
from services.reporter.readmodel import step_rows
from shared.events import Event, ModelTrained, said
from shared.vocabulary import CATEGORIES, Verdict
from tests.support.ombud import ROOT
from tests.unit.reporter.conftest import Say, minute

GOLDEN = ROOT / "tests" / "golden" / "charts"
WRONG, RIGHT, UNSURE = Verdict.INCORRECT, Verdict.CORRECT, Verdict.UNSURE


def word(post: str, verdict: Verdict = RIGHT, expected: str = "", actual: str = "insult", **more: Any) -> Word:
    told = {"reviewer": "user:a", "at": minute(more.pop("at", 1)), "scores": {"insult": more.pop("score", 0.8)}}
    return Word(post, verdict=verdict, expected=tuple(expected.split()), actual=tuple(actual.split()), **told | more)


def test_a_category_nobody_spoke_about_is_unknown_and_unsure_says_nothing() -> None:
    assert [word("a", RIGHT).says(name) for name in ("insult", "threat")] == [True, None]
    assert [word("a", WRONG, "threat").says(name) for name in ("insult", "threat", "toxic")] == [False, True, None]
    assert word("a", UNSURE, actual="insult").says("insult") is None


def test_agreement_is_of_flagged_posts_by_their_newest_sure_word_and_counts_what_was_missed() -> None:
    words = [
        word("a", WRONG, at=1),
        word("a", RIGHT, at=2),
        word("a", UNSURE, at=3),
        word("b", WRONG, "threat"),
        word("c", RIGHT, actual="insult threat"),
    ]
    found = {each.category: each for each in agreement(words, CATEGORIES)}
    insult = found["insult"].confirmed
    assert (insult.count, insult.n, found["threat"].missed, found["threat"].confirmed.n) == (2, 3, 1, 1)
    assert insult.share is not None and insult.low is not None and insult.low < insult.share
    assert found["toxic"].confirmed == pure.Share(0, 0, None, None, None)


def _twice(both: int, split: int, neither: int) -> list[Word]:
    said = [(True, True)] * both + [(True, False)] * split + [(False, False)] * neither
    return [
        word(f"p{n}", RIGHT if label else WRONG, reviewer=f"user:{who}", at=who)
        for n, pair in enumerate(said)
        for who, label in enumerate(pair)
    ]


def test_kappa_needs_twenty_posts_that_two_people_judged() -> None:
    few = kappa(_twice(10, 4, 5), "insult")
    assert (few.n, few.value) == (19, None)
    enough = kappa(_twice(10, 4, 6), "insult")
    assert enough.n == 20 and enough.value is not None
    assert kappa(_twice(20, 0, 0), "insult").value is None  # all the same: nothing beyond chance to see
    assert kappa([word(f"p{n}", at=n) for n in range(40)] * 2, "insult").n == 0  # the same person twice is nobody else


def test_kappa_is_that_of_a_table_in_which_nobody_is_first_or_second() -> None:
    first, second = [1] * 12 + [0] * 9 + [1, 0] * 3, [1] * 12 + [0] * 9 + [0, 1] * 3
    found = fleiss(12, 6, 9)
    assert found is not None and found[0] == pytest.approx(cohen_kappa_score(first, second), abs=1e-3)


def test_the_interval_of_kappa_holds_its_level_and_is_no_point_when_nobody_disagrees() -> None:
    chance, p, true, inside = np.random.default_rng(1), 0.3, 0.5, 0
    spread = p * (1 - p)
    cells = [p * p + true * spread, 2 * spread * (1 - true), (1 - p) ** 2 + true * spread]
    drawn = chance.multinomial(60, cells, size=400)
    for row in drawn:
        found = fleiss(*(int(each) for each in row))
        inside += found is not None and found[1] <= true <= found[2]
    assert 0.92 <= inside / 400 <= 0.98
    alike = fleiss(8, 0, 14)
    assert alike is not None and alike[0] == alike[2] == 1.0 and alike[1] < 0.9


def test_a_score_on_the_border_is_in_the_upper_bin_and_over_the_threshold() -> None:
    bins = calibration([(0.7, True), (0.6999, False), (1.0, True), (0.3, False)])
    assert [(each.low, each.confirmed.n) for each in bins] == [(0.3, 1), (0.6, 1), (0.7, 1), (0.9, 1)]
    (point,) = simulate([(0.7, True), (0.6999, True)], [0.7, 0.6999, 0.71], [0.7])
    assert (point.precision.n, point.recall.count, point.recall.n, point.flagged) == (1, 1, 2, 2)


def test_thresholds_trade_precision_for_recall_on_what_was_reviewed() -> None:
    words = [word(f"p{n}", RIGHT if n > 4 else WRONG, score=n / 10) for n in range(10)] + [word("x", UNSURE)]
    sample = labelled(words, "insult")
    low, high = simulate(sample, [score for score, _ in sample], (0.2, 0.8))
    assert (low.precision.count, low.precision.n, low.recall.share, low.flagged) == (5, 8, 1.0, 8)
    assert (high.precision.share, high.recall.count, high.recall.n, high.flagged) == (1.0, 2, 5, 2)


def test_disagreements_are_of_today_s_word_and_the_surest_scores_come_first() -> None:
    words = [word("a", WRONG, score=0.6), word("b", WRONG, score=0.9), word("c", WRONG), word("c", RIGHT, at=2)]
    assert [each.post_id for each in disagreements(words, 9)] == ["b", "a"]
    apart = [word("c", WRONG, reviewer="user:a"), word("c", RIGHT, reviewer="user:b"), word("a", RIGHT)]
    assert pure.split_posts(apart, 9) == ["c"]


def test_blind_verdicts_are_compared_with_open_ones() -> None:
    words = [word(f"o{n}") for n in range(60)] + [
        word(f"b{n}", WRONG if n % 2 else RIGHT, blind=True) for n in range(40)
    ]
    found = page.blind_check(words)
    assert (found.unseen.share, found.seen.share, found.apart) == (0.5, 1.0, True)
    assert not page.blind_check(words[:60]).apart


@pytest.mark.check("CON-12")
@pytest.mark.parametrize(
    ("asked", "query", "ignored"),
    [
        ({}, "", ()),
        ({"category": "insult", "threshold": "0,6", "lang": "nl"}, "lang=nl&category=insult&threshold=0.6", ()),
        ({"category": "<b>", "threshold": "2", "x": "y"}, "", ("category", "threshold", "x")),
    ],
)
def test_the_valid_part_of_an_address_applies(asked: dict[str, str], query: str, ignored: tuple[str, ...]) -> None:
    found = page.read_asked(asked, date(2026, 3, 31))
    assert (found.query, tuple(sorted(found.period.ignored))) == (query, ignored)


@pytest.mark.check("CON-27")
def test_nothing_the_page_holds_names_a_person() -> None:
    words = _twice(12, 6, 9)
    made = page.quality(
        page.read_asked({}, date(2026, 3, 31)),
        words,
        page.simulated(page.read_asked({}, date(2026, 3, 31)), words, [], {}),
        (),
        languages=(),
        charts_on=False,
        may_read=True,
        may_change=True,
    )
    assert "user:" not in repr(made)
    assert not {"reviewer", "reviewers", "person", "people"} & {each.name for each in fields(pure.Agreement)}


def charts() -> dict[str, Chart]:
    """Return every chart of the page from some words."""
    words = [*_twice(12, 6, 9), *(word(f"q{n}", RIGHT if n > 4 else WRONG, score=n / 10) for n in range(10))]
    sample = labelled(words, "insult")
    kappas = [kappa(words, name) for name in CATEGORIES]
    points = simulate(sample, [score for score, _ in sample], (0.25, 0.5, 0.75))
    made = (
        quality_charts.calibration(calibration(sample)),
        quality_charts.simulator(points, 0.5, 0.75),
        quality_charts.reviewers(kappas),
    )
    return {each.key: each for each in made}


@pytest.mark.check("CON-08")
@pytest.mark.parametrize("key", ["calibration", "thresholds", "reviewers"])
def test_specs_are_the_golden_ones_valid_and_equal_to_their_tables(key: str) -> None:
    chart = charts()[key]
    spec: Any = orjson.loads(orjson.dumps(chart.spec))
    assert spec == orjson.loads((GOLDEN / f"{key}.vl.json").read_bytes())
    altair.Chart.from_dict(dict(chart.spec))
    assert [tuple(each[name] for name in chart.columns) for each in spec["data"]["values"]] == list(chart.rows)
    assert chart.rows


def test_the_life_of_a_model_is_its_stages_and_promotions_and_a_person_s_model_has_none() -> None:
    say = Say()
    refused = _trained("v2", "refused", reasons=("auc falls",))
    rows = step_rows([refused, say.promoted("v3", at=5), _trained("v3", "champion"), _trained("v4", None)])
    found = {(row["version"], row["stage"]): row for row in rows}
    assert set(found) == {("v2", "refused"), ("v3", "champion"), ("v4", "candidate")}
    assert found["v2", "refused"]["reasons"] == ["auc falls"] and found["v3", "champion"]["at"] == minute(5)
    assert step_rows([_trained("ada-1", None, kind="personal")]) == []


def _trained(version: str, stage: str | None, **more: Any) -> Event[ModelTrained]:
    told = {"run_id": "r", "model": "m", "data_hash": "0", "trained_at": minute(1)}
    return said(
        ModelTrained(model_version=version, stage=stage, **told | more), by="trainer", cause=f"{version}{stage}"
    )
