"""From probabilities to a score, and between scores, rows and events."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from services.classifier.records import post_of, post_row, run_row, score_row, scored, thresholds_of
from services.classifier.scoring import DIGITS, Score, in_force, newest, score_from_row, scores_of
from services.classifier.settings import ClassifierSettings
from shared.events import Event, Post, PostScored, said
from shared.vocabulary import CATEGORIES, ScoreSource

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAN = float("nan")
POST = Post(
    post_id="p",
    platform="forum",
    external_id="1",
    text="naïve ☃",
    revision=7,
    language="nl",
    author="a",
    url="https://a",
    reply_to="q",
    created_at=NOW,
    edited_at=NOW,
)

probabilities = some.floats(0, 1) | some.just(NAN)
matrices = arrays(np.float64, some.tuples(some.integers(0, 5), some.just(len(CATEGORIES))), elements=probabilities)


def row_of(**known: float) -> list[float]:
    """A row of probabilities in which only these categories are known."""
    return [known.get(category, NAN) for category in CATEGORIES]


limits = some.dictionaries(some.sampled_from([*CATEGORIES, "overall"]), some.floats(0, 1))


@given(matrices, limits)
def test_a_known_category_at_or_over_its_own_threshold_flags_and_nothing_else(
    matrix: Any, thresholds: dict[str, float]
) -> None:
    found = scores_of(matrix, thresholds)
    assert len(found) == len(matrix)
    for score, row in zip(found, matrix, strict=True):
        assert set(score.scores) == {name for name, value in zip(CATEGORIES, row, strict=True) if not np.isnan(value)}
        assert score.overall == max(score.scores.values(), default=0.0)
        assert score.overall == max(score.scores.values(), default=0.0)
        assert score.flagged == any(
            value >= thresholds.get(name, thresholds.get("overall", 0.5)) for name, value in score.scores.items()
        )
        assert all(abs(score.scores[name] - row[CATEGORIES.index(name)]) <= 0.5 * 10**-DIGITS for name in score.scores)


def test_an_unknown_category_is_absent_and_never_zero() -> None:
    (score,) = scores_of(np.array([row_of(toxic=0.2, insult=0.0)]), {})
    assert score == Score({"toxic": 0.2, "insult": 0.0}, 0.2, False)


def test_where_nothing_is_known_nothing_is_flagged() -> None:
    (score,) = scores_of(np.array([row_of()]), {"overall": 0.0, "toxic": 0.0})
    assert score == Score({}, 0.0, False)


def test_at_the_threshold_is_flagged_after_rounding() -> None:
    flags = [
        scores_of(np.array([row_of(toxic=value)]), {"toxic": 0.5})[0].flagged for value in (0.5, 0.49996, 0.4999, 0.49)
    ]
    assert flags == [True, True, False, False]


def test_the_models_thresholds_count_until_the_operator_sets_others() -> None:
    model = {"toxic": 0.47001, "insult": 0.63}
    assert in_force(model, None, {}) == {"toxic": 0.47, "insult": 0.63}
    assert in_force(model, None, {"insult": 0.8}) == {"toxic": 0.47, "insult": 0.8}
    assert in_force(model, 0.4, {"insult": 0.8}) == {"overall": 0.4, "insult": 0.8}


def test_thresholds_of_single_categories_are_those_of_ours() -> None:
    assert ClassifierSettings(thresholds={"insult": 0.7}).thresholds == {"insult": 0.7}
    for wrong in ({"rudeness": 0.7}, {"insult": 1.7}):
        with pytest.raises(ValueError, match="thresholds"):
            ClassifierSettings(thresholds=wrong)


# -- newest -------------------------------------------------------------------------------------------------


def test_the_newest_revision_of_each_post_counts_and_of_equals_the_last() -> None:
    assert newest([("a", 1), ("b", 5), ("a", 3), ("a", 2), ("b", 5)]) == {2, 4}
    assert newest([]) == set()


@given(some.lists(some.tuples(some.sampled_from("abc"), some.integers(-3, 3))))
def test_one_position_per_post_is_kept_and_nothing_is_newer(revisions: list[tuple[str, int]]) -> None:
    kept = newest(revisions)
    assert sorted(revisions[at][0] for at in kept) == sorted({name for name, _ in revisions})
    for at in kept:
        name, revision = revisions[at]
        others = [(other, n) for n, (key, other) in enumerate(revisions) if key == name]
        assert (revision, at) == max(others)


# -- records ------------------------------------------------------------------------------------------------

HALF = {"overall": 0.5}
known = some.dictionaries(some.sampled_from(CATEGORIES), some.floats(0, 1).map(lambda value: round(value, DIGITS)))


def stored(score: Score) -> dict[str, Any]:
    """A score as a row of toxicity_scores."""
    return score_row(
        POST, score, cause="c", model="ombud-scorer", version="m-0001", thresholds=HALF, run_id="r", now=NOW
    )


@given(known)
def test_a_score_comes_back_from_its_row_as_it_was(scores: dict[str, float]) -> None:
    overall = max(scores.values(), default=0.0)
    score = Score({name: scores[name] for name in CATEGORIES if name in scores}, overall, overall >= 0.5)
    row = stored(score)
    assert score_from_row(row) == score
    assert {name for name in CATEGORIES if row[name] is None} == set(CATEGORIES) - set(scores)


def test_a_post_comes_back_from_its_row_as_it_was() -> None:
    least = Post(post_id="p", platform="forum", external_id="1", text="x")
    for post in (POST, least):
        row = post_row(post, NOW)
        assert post_of(row) == post
        assert row["seen_at"] == NOW
    assert set(post_row(POST, NOW)) == {*Post.model_fields, "seen_at", "text_key"}


def test_what_is_said_comes_from_the_row_and_passes_the_schema() -> None:
    row = stored(Score({"toxic": 0.75}, 0.75, True)) | {"scored_at": NOW}
    thresholds = thresholds_of(row, {row["thresholds_hash"]: {"toxic": 0.4}})
    data = scored(row, POST, thresholds)
    assert (data.scores, data.overall, data.flagged, data.thresholds) == ({"toxic": 0.75}, 0.75, True, {"toxic": 0.4})
    assert (data.corrected, data.spans) == (None, None)
    assert (data.model, data.model_version, data.source, data.scored_at) == (
        "ombud-scorer",
        "m-0001",
        ScoreSource.LOCAL,
        NOW,
    )
    wire = said(data, by="classifier", cause="c").wire()
    assert Event[PostScored].model_validate_json(wire).data == data


def test_a_row_of_an_older_release_has_one_threshold_for_all() -> None:
    row = stored(Score({"toxic": 0.75}, 0.75, True)) | {"threshold": 0.4}
    assert thresholds_of(row, {}) == thresholds_of(row | {"thresholds_hash": None}, {}) == {"overall": 0.4}


def test_a_fresh_row_is_not_reviewed() -> None:
    row = stored(Score({}, 0.0, False))
    assert (row["human_reviewed"], row["review_status"], row["reviewed_at"], row["cost_usd"]) == (False, None, None, 0)


@pytest.mark.parametrize("kind", ["live", "rescore"])
def test_there_is_one_run_per_kind_and_version(kind: str) -> None:
    first = run_row(kind, "ombud-scorer", "m-0001", NOW)
    assert run_row(kind, "ombud-scorer", "m-0001", NOW)["id"] == first["id"]
    others = {run_row(kind, "ombud-scorer", "m-0002", NOW)["id"], run_row("other", "ombud-scorer", "m-0001", NOW)["id"]}
    assert first["id"] not in others
    assert (first["state"], first["scored"]) == ("running", 0)
