"""A correction is learned on a copy, beside older rows and beside what was corrected before it."""

from dataclasses import replace

import numpy as np
import pytest

from services.trainer import replaying
from services.trainer.labels import Lesson
from services.trainer.replaying import EARLIER_LEAST, REPLAYED, Rows, drawn, half_step, joined, replay, said_rows
from shared.model import QUICK, Model, dump, load
from shared.vocabulary import CATEGORIES
from tests.support.small_model import small_model

FINE = "the tram was late again today and nobody minded"
WRONG = "you absolute teapot of a neighbour"
INSULT = CATEGORIES.index("insult")


@pytest.fixture
def start() -> Model:
    return small_model(data_hash="0" * 64)


def rows(start: Model, *said: tuple[str, dict[str, int]]) -> Rows:
    return said_rows([Lesson("c", text, labels) for text, labels in said], start.path)


def older(start: Model, many: int = 60) -> Rows:
    return rows(
        start, *((f"a plain sentence number {n} about the weather", {"insult": 0, "toxic": 0}) for n in range(many))
    )


def learned(start: Model, **options: object) -> Model:
    return replay(start, rows(start, (WRONG, {"insult": 1})), older(start), seed=0, facts={}, **options)  # type: ignore[arg-type]


def test_what_was_corrected_is_right_and_what_was_given_stays_as_it_is(start: Model) -> None:
    weights = start.weights.copy()
    after = learned(start)
    assert after.score([WRONG])[0, INSULT] > after.thresholds["insult"] > start.score([WRONG])[0, INSULT]
    assert after.score([FINE])[0, INSULT] < after.thresholds["insult"]
    np.testing.assert_array_equal(start.weights, weights)


def test_intercepts_calibration_and_thresholds_stay(start: Model) -> None:
    after = learned(start)
    np.testing.assert_array_equal(after.intercepts, start.intercepts)
    np.testing.assert_array_equal(after.calibration, start.calibration)
    assert after.thresholds == start.thresholds


def test_a_category_nobody_spoke_about_stays_as_it_was(start: Model) -> None:
    after = replay(start, rows(start, (WRONG, {"insult": 1})), rows(start), seed=0, facts={})
    threat = start.categories.index("threat")
    np.testing.assert_array_equal(after.weights[:, threat], start.weights[:, threat])


def test_the_same_corrections_give_the_same_bytes_however_they_are_packed(start: Model) -> None:
    one, two = learned(start), learned(start)
    assert dump(one) == dump(two)
    assert dump(one, QUICK) == dump(two, QUICK)
    np.testing.assert_array_equal(load(dump(one, QUICK)).weights, load(dump(one)).weights)


def test_what_was_corrected_before_is_not_forgotten(start: Model) -> None:
    said = [(f"{WRONG} {n}", {"insult": n % 2}) for n in range(20)]
    forgetful = faithful = start
    for n, one in enumerate(said):
        new = rows(start, one)
        forgetful = replay(forgetful, new, rows(start), seed=n, facts={})
        faithful = replay(faithful, new, rows(start), seed=n, facts={}, earlier=rows(start, *said[:n]))

    def wrong(model: Model) -> int:
        flagged = model.score([text for text, _ in said])[:, INSULT] >= model.thresholds["insult"]
        return int((flagged != np.array([spoken["insult"] for _, spoken in said])).sum())

    assert wrong(faithful) == 0 < wrong(forgetful)


def test_half_a_step_is_half_way(start: Model) -> None:
    after = learned(start)
    half = half_step(start, after)
    np.testing.assert_allclose(half.weights, (start.weights + after.weights) / 2, atol=2e-2)
    assert half.score([WRONG])[0, INSULT] < after.score([WRONG])[0, INSULT]
    assert start.score([WRONG])[0, INSULT] < half.score([WRONG])[0, INSULT]


def test_a_category_that_is_new_goes_the_whole_step(start: Model) -> None:
    known = replace(
        start,
        categories=start.categories[:1],
        weights=start.weights[:, :1],
        intercepts=start.intercepts[:1],
        calibration=start.calibration[:1],
        thresholds={start.categories[0]: 0.5},
    )
    half = half_step(known, start)
    np.testing.assert_array_equal(half.weights[:, 1:], start.weights[:, 1:])


def test_drawing_is_without_repetition_and_always_the_same(start: Model) -> None:
    pool = older(start)
    some = drawn(pool, 20, seed=3)
    assert len(some) == 20
    assert len({tuple(row.indices) for row in some.vectors}) == 20
    assert (some.vectors != drawn(pool, 20, seed=3).vectors).nnz == 0
    assert len(drawn(pool, 1_000, seed=3)) == len(pool)


def test_each_correction_takes_some_older_rows_along(start: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(known: object, some: object, pace: object) -> object:
        seen.append(len(some.labels))  # type: ignore[attr-defined]
        return replaying.nothing(2**18, 3)

    monkeypatch.setattr(replaying, "learn", counted)
    replay(start, rows(start, (WRONG, {"insult": 1}), (FINE, {"insult": 0})), older(start), seed=0, facts={})
    assert seen == [2 + 2 * REPLAYED]


def test_earlier_corrections_are_no_more_than_some_for_each_new_one(
    start: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(known: object, some: object, pace: object) -> object:
        seen.append(len(some.labels))  # type: ignore[attr-defined]
        return replaying.nothing(2**18, 3)

    monkeypatch.setattr(replaying, "learn", counted)
    earlier = rows(start, *((f"{WRONG} {n}", {"insult": 1}) for n in range(EARLIER_LEAST + 20)))
    replay(start, rows(start, (WRONG, {"insult": 1})), older(start, 300), seed=0, facts={}, earlier=earlier)
    assert seen == [1 + EARLIER_LEAST + REPLAYED + EARLIER_LEAST]


def test_no_rows_join_no_rows(start: Model) -> None:
    assert len(joined([rows(start), rows(start)])) == 0
