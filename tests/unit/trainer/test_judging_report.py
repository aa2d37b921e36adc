"""The document of an evaluation: what it holds, what it leaves out, and that no text is in it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest
from scipy.stats import spearmanr

from services.trainer.figures import ENOUGH
from services.trainer.judging import judge
from services.trainer.judging.cases import Case
from services.trainer.judging.report import correlations, report, span_f1, span_figures
from shared.vocabulary import CATEGORIES
from tests.support import labelled
from tests.support.sentences import sentences, some_sentences

HATE, TOXIC = CATEGORIES.index("hate_speech"), CATEGORIES.index("toxic")
LIMITS = dict.fromkeys(CATEGORIES, 0.4)


@pytest.fixture(autouse=True)
def some_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some sentences of our own be all: to expand, key and compare each of them takes seconds each time."""
    monkeypatch.setattr(judge, "own_rows", some_sentences)


def scores_of(column: int, values: Sequence[float]) -> np.ndarray:
    scores = np.full((len(values), len(CATEGORIES)), np.nan)
    scores[:, column] = values
    return scores


def suite(n: int = 2 * ENOUGH) -> tuple[list[Case], np.ndarray]:
    """Two functionalities, two groups; every third harmless sentence about b is taken for hate."""
    cases, values = [], []
    for at in range(n):
        for group in ("a", "b"):
            cases.append(Case(len(cases), f"text {at}", {"hate_speech": 1}, "en", None, "hostile", (group,)))
            values.append(0.8)
            cases.append(Case(len(cases), f"text {at}", {"hate_speech": 0}, "nl", None, "harmless", (group,)))
            values.append(0.45 if group == "b" and at % 3 == 0 else 0.1)
    return cases, scores_of(HATE, values)


def test_a_suite_has_every_table() -> None:
    cases, scores = suite()
    found = report(cases, scores, LIMITS, "hate_speech")
    assert list(found["categories"]) == ["hate_speech"]
    assert found["categories"]["hate_speech"]["auc"] == 1
    assert found["categories"]["hate_speech"]["shipped"]["threshold"] == 0.4
    assert found["functionalities"]["hostile"]["shipped"]["accuracy"] == 1
    assert found["worst"]["shipped"]["name"] == "harmless"
    assert found["worst"]["shipped"]["accuracy"] == pytest.approx(1 - 7 / 40)
    assert found["gap"]["shipped"]["difference"] == pytest.approx(7 / 20)
    assert (found["gap"]["shipped"]["largest"], found["gap"]["half"]["difference"]) == ("b", 0)
    assert list(found["languages"]) == ["en", "nl"]
    assert not {"templates", "correlations", "spans"} & found.keys()


def test_the_document_is_json_and_holds_no_text() -> None:
    cases, scores = suite()
    raw = orjson.dumps(report(cases, scores, LIMITS, "hate_speech"))
    assert b"text 1" not in raw
    assert b"NaN" not in raw


def test_templates_are_never_pooled(tmp_path: Path) -> None:
    rows = [line.split(",") for line in labelled.madlibs(tmp_path / "m.csv").read_text().splitlines()]
    layout = judge.layout_of(rows[0], "auto", judge.Columns())
    cases = judge.cases_of(layout, enumerate((dict(zip(rows[0], row, strict=True)) for row in rows[1:]), 1))
    values = [0.9 if case.labels["toxic"] or "gay" in case.groups else 0.1 for case in cases]
    found = report(cases, scores_of(TOXIC, values), LIMITS, "toxic")
    assert "groups" not in found
    assert found["templates"]["name_adj"]["gap"]["shipped"]["difference"] == 1
    assert found["templates"]["name_adj"]["gap"]["shipped"]["largest"] == "gay"
    assert found["templates"]["you_occupation"]["gap"] is None
    assert found["templates"]["you_occupation"]["auc"] == 1


def test_a_threshold_per_case_reaches_every_table() -> None:
    cases, scores = suite(ENOUGH)
    limits = dict.fromkeys(CATEGORIES, np.full(len(cases), 0.4))
    found, same = report(cases, scores, limits, "hate_speech"), report(cases, scores, LIMITS, "hate_speech")
    assert found["categories"]["hate_speech"]["shipped"]["threshold"] is None
    assert found["gap"] == same["gap"]
    assert found["worst"] == same["worst"]


def test_one_category_alone_may_be_asked_for() -> None:
    cases = [Case(1, "x", {"toxic": 1, "insult": 0}), Case(2, "y", {"toxic": 0, "insult": 1})]
    scores = np.full((2, len(CATEGORIES)), 0.5)
    assert list(report(cases, scores, LIMITS, "insult", only="insult")["categories"]) == ["insult"]
    assert list(report(cases, scores, LIMITS, "insult")["categories"]) == ["toxic", "insult"]


def test_a_category_nobody_scores_is_counted_as_unscored() -> None:
    cases = [Case(1, "x", {"extremism": 1})]
    found = report(cases, scores_of(TOXIC, [0.5]), LIMITS, "extremism")["categories"]["extremism"]
    assert (found["n"], found["unscored"], found["auc"], found["roc"]) == (0, 1, None, [])


def test_roc_points_and_bins_are_few_and_in_order() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 5000)
    cases = [Case(at, "x", {"toxic": int(label)}) for at, label in enumerate(labels)]
    found = report(cases, scores_of(TOXIC, random.random(5000).tolist()), LIMITS, "toxic", resamples=0)
    curve = found["categories"]["toxic"]["roc"]
    assert len(curve) <= 200
    assert curve[0] == (0.0, 0.0) and curve[-1] == (1.0, 1.0) and curve == sorted(curve)
    bins = found["categories"]["toxic"]["reliability"]
    assert sum(rows for _, _, rows in bins) == 5000 and len(bins) == 15


def test_correlations_are_scipys_over_what_both_know() -> None:
    theirs = [0.1, 0.9, 0.4, 0.6, 0.2]
    cases = [Case(at, "x", references={"TOXICITY": value}) for at, value in enumerate(theirs)]
    ours = [0.2, 0.7, 0.1, 0.8, float("nan")]
    found = correlations([*cases, Case(9, "y")], np.vstack([scores_of(TOXIC, ours), scores_of(TOXIC, [0.3])]))
    rho = pytest.approx(spearmanr(ours[:4], theirs[:4]).statistic)
    assert found == {"TOXICITY": {"n": 4, "spearman": rho, "high": 2, "auc": 1.0}}


def test_an_attribute_of_several_categories_is_their_largest() -> None:
    cases = [Case(at, "x", references={"IDENTITY_ATTACK": value}) for at, value in enumerate([0.1, 0.5, 0.9])]
    scores = scores_of(HATE, [0.1, 0.2, 0.3])
    scores[0, CATEGORIES.index("sexism")] = 0.95
    assert correlations(cases, scores)["IDENTITY_ATTACK"]["spearman"] == pytest.approx(-0.5)


def test_where_there_is_nothing_to_rank_there_is_no_correlation() -> None:
    cases = [Case(at, "x", references={"THREAT": value}) for at, value in enumerate([0.1, 0.5, 0.9])]
    found = correlations(cases, scores_of(TOXIC, [0.1, 0.2, 0.3]))
    assert found == {"THREAT": {"n": 0, "spearman": None, "high": 0, "auc": None}}


def test_span_f1_is_that_of_semeval() -> None:
    assert span_f1(frozenset({1, 2}), frozenset({2, 3})) == 0.5
    assert span_f1(frozenset(), frozenset()) == 1
    assert span_f1(frozenset({1}), frozenset()) == span_f1(frozenset(), frozenset({1})) == 0
    found = span_figures([frozenset({1}), None, frozenset()], [frozenset({1})] * 3, 50, 0)
    assert (found["n"], found["f1"]) == (2, 0.5)
    assert span_figures([None], [frozenset()], 50, 0) == {"n": 0, "f1": None, "f1_interval": None}


def test_our_own_sentences_are_held_back_by_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "own_rows", sentences)
    cases = judge.own_cases()
    held = judge.chosen(cases, None, None)
    assert 500 < len(held.cases) < len(cases)
    assert {case.split for case in held.cases} == {"dev"}
    assert any(case.groups for case in held.cases)
    assert sum((case.functionality or "").startswith("online-") for case in held.cases) > 100


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    cases = [Case(at, "x") for at in range(50)]
    drawn = judge.sampled(cases, 10, 3)
    assert drawn == judge.sampled(cases, 10, 3) != judge.sampled(cases, 10, 4)
    assert [case.number for case in drawn] == sorted(case.number for case in drawn)
    assert judge.sampled(cases, 99, 0) == cases


def test_leaks_are_told_by_file_and_row_and_never_by_text(tmp_path: Path) -> None:
    cases = [Case(1, "A quiet walk by the sea."), Case(2, "Something else altogether, friends.")]
    file = labelled.table(tmp_path / "held.csv", ["text"], [["nothing"], ["a QUIET walk by the sea!"]])
    hits = judge.leaks(cases, "mine.csv", [file], None)
    assert hits == ["mine.csv row 1 (mine.csv) equals held.csv row 2"]
    assert judge.leaks(cases, "mine.csv", [file], file) == [], "the judged file itself is held out"


def test_a_sentence_we_teach_must_not_be_held_out(tmp_path: Path) -> None:
    taught = next(case for case in judge.own_cases() if case.split != "dev" and len(case.text.split()) > 4)
    file = labelled.table(tmp_path / "suite.csv", ["test_case"], [[taught.text]])
    hits = judge.leaks([], "suite.csv", [file], file)
    assert hits and all(taught.text not in hit for hit in hits)
