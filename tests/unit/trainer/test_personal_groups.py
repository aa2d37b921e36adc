"""Groups: exact matches, sizes that give nobody away, and a difference only where one can be told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.fitting import fit_population
from services.trainer.personal.groups import (
    STRENGTHS,
    Spoken,
    TooFewPeople,
    deviations,
    group_of,
    noise,
    spoken,
    view,
)
from services.trainer.personal.membership import Axis, checked, members, own_axes, size_of
from shared.personal.population import Population
from tests.support.raters import made

AXES = (Axis("colour", ("red", "blue", "green")), Axis("shape", ("round", "square"), several=True))
RATERS = 160


def people(**counts: int) -> dict[str, dict[str, tuple[str, ...]]]:
    """Traits of made people; `red_round=20` are twenty who named both."""
    made_of: dict[str, dict[str, tuple[str, ...]]] = {}
    for kind, count in counts.items():
        colour, _, shapes = kind.partition("_")
        for _ in range(count):
            made_of[f"rater {len(made_of)}"] = {
                "colour": (colour,),
                "shape": tuple(each for each in shapes.split("_") if each),
            }
    return made_of


def test_the_axes_that_come_with_ombud_are_those_of_the_specification() -> None:
    axes = {axis.name: axis for axis in own_axes()}
    assert sorted(axes) == ["gender", "lgbtq", "politics", "race", "religion"]
    assert axes["race"].several and len(axes["race"].values) == 7
    assert not axes["gender"].several


def test_values_of_one_axis_are_any_of_and_axes_are_all_of() -> None:
    traits = people(red_round=2, red_square=3, blue_round=4, green_round_square=5, green=6)
    assert len(members(traits, checked({"colour": ["red"]}, AXES))) == 5
    assert len(members(traits, checked({"colour": ["red", "blue"]}, AXES))) == 9
    assert len(members(traits, checked({"colour": ["red", "green"], "shape": ["round"]}, AXES))) == 7
    assert len(members(traits, checked({"shape": ["square", "round"]}, AXES))) == 14
    assert len(members(traits, {})) == 20


@pytest.mark.parametrize("chosen", [{"size": ["big"]}, {"colour": ["re"]}, {"colour": ["Red"]}, {"colour": []}])
def test_what_is_no_axis_or_no_exact_value_is_refused(chosen: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="axis"):
        checked(chosen, AXES)


def test_a_small_group_gets_a_reason_and_no_exact_size() -> None:
    found = size_of(people(red=14, blue=40), checked({"colour": ["red"]}, AXES))
    assert (found.allowed, found.shown) == (False, "< 15")
    assert "15" in str(found.reason)
    assert size_of(people(red=15, blue=40), checked({"colour": ["red"]}, AXES)).allowed
    with pytest.raises(ValueError, match="5"):
        size_of({}, {}, 4)


def test_a_group_is_refused_when_a_wider_one_less_it_would_show_a_few() -> None:
    traits = people(red_round=30, red_square=14, blue_round=40)
    assert size_of(traits, checked({"colour": ["red"]}, AXES)).allowed
    refused = size_of(traits, checked({"colour": ["red"], "shape": ["round"]}, AXES))
    assert (refused.allowed, refused.shown) == (False, "15 or more")
    enough = people(red_round=30, red_square=15, blue_round=40)
    assert size_of(enough, checked({"colour": ["red"], "shape": ["round"]}, AXES)).allowed


def test_a_group_is_refused_when_one_of_its_values_adds_a_few() -> None:
    traits = people(red=30, blue=3, green=40)
    assert size_of(traits, checked({"colour": ["red"]}, AXES)).allowed
    assert not size_of(traits, checked({"colour": ["red", "blue"]}, AXES)).allowed


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(0, 25), min_size=6, max_size=6),
    colours=st.sets(st.sampled_from(("red", "blue", "green"))),
    shapes=st.sets(st.sampled_from(("round", "square"))),
)
def test_whatever_is_allowed_differs_from_its_neighbours_by_the_minimum(
    counts: list[int], colours: set[str], shapes: set[str]
) -> None:
    kinds = [f"{colour}_{shape}" for colour in AXES[0].values for shape in AXES[1].values]
    traits = people(**dict(zip(kinds, counts, strict=True)))
    chosen = {name: frozenset(some) for name, some in (("colour", colours), ("shape", shapes)) if some}
    if size_of(traits, chosen).allowed:
        group = members(traits, chosen)
        assert len(group) >= 15
        for axis, values in chosen.items():
            wider = {name: some for name, some in chosen.items() if name != axis}
            assert len(members(traits, wider) - group) >= 15
            for value in values if len(values) > 1 else ():
                assert len(group - members(traits, chosen | {axis: values - {value}})) >= 15


def crowd_with(shift: float, topic: int | None = None) -> tuple[Population, Crowd, np.ndarray]:
    """A crowd whose first forty raters judge everything, or one topic, higher by `shift`."""
    crowd = made(2000, RATERS, apart=0.2, topical=0.0, noise=0.4).crowd
    moved = (crowd.rater < 40) & ((topic is None) | (crowd.topics[crowd.post] == topic))
    rating = np.clip(crowd.rating + np.where(moved, shift, 0), 0, 4).astype(np.float32)
    crowd = replace(crowd, rating=rating)
    return fit_population(crowd), crowd, np.arange(40, dtype=np.int32)


def test_a_group_like_everybody_has_the_crowds_view_to_the_bit() -> None:
    population, crowd, _ = crowd_with(0.0)
    # every fourth rater: a group that nothing was done to
    found = group_of(population, spoken(crowd, np.arange(0, RATERS, 4, dtype=np.int32)))
    assert not found.overall.detectable
    assert found.overall.difference.low <= 0 <= found.overall.difference.high
    assert view(population, found).tobytes() == np.clip(population.crowd, 0, 4).tobytes()
    assert sum(each.detectable for each in found.topics.values()) <= 2


def test_a_stricter_group_is_found_with_its_size_and_predicted_better_than_by_the_crowd() -> None:
    population, crowd, group = crowd_with(1.0)
    found = group_of(population, spoken(crowd, group))
    assert found.overall.detectable
    assert found.overall.raters == 40
    assert 0.4 < found.overall.difference.low < found.overall.difference.value < found.overall.difference.high < 1.2
    assert found.strength in STRENGTHS
    assert found.errors[found.strength] == min(found.errors.values()) < found.crowd_error
    assert view(population, found).mean() > population.crowd.mean() + 0.3
    rows = spoken(crowd, group)
    order = np.random.default_rng(6).permutation(len(rows.rating))
    again = group_of(population, Spoken(*(getattr(rows, each)[order] for each in Spoken.__dataclass_fields__)))
    assert (again.overall, again.topics, again.errors) == (found.overall, found.topics, found.errors)
    assert view(population, again).tobytes() == view(population, found).tobytes()


def test_a_group_that_differs_on_one_topic_is_found_there() -> None:
    population, crowd, group = crowd_with(2.0, topic=3)
    found = group_of(population, spoken(crowd, group))
    assert found.topics[3].detectable
    assert found.topics[3].difference.low > 0
    assert sum(each.detectable for topic, each in found.topics.items() if topic != 3) <= 2
    assert all(each.raters >= 15 for each in found.topics.values())


def test_a_group_below_the_minimum_has_no_model() -> None:
    population, crowd, _ = crowd_with(0.0)
    with pytest.raises(TooFewPeople, match="15"):
        group_of(population, spoken(crowd, np.arange(14, dtype=np.int32)))


def test_each_rating_is_left_out_when_the_strength_is_chosen() -> None:
    population, crowd, group = crowd_with(0.5)
    found = group_of(population, spoken(crowd, group))
    rows = np.flatnonzero(np.isin(crowd.rater, group))
    said, post = crowd.rating[rows].astype(float), crowd.post[rows]
    errors = []
    for at in range(len(rows)):
        others = np.arange(len(rows)) != at
        mean = (population.sums[post] - said + 2 * population.scores[post]) / (population.counts[post] + 1.0)
        shift = (said[others] - mean[others]).mean()
        same = others & (post == post[at])
        guess = (said[same].sum() + 5 * (mean[at] + shift)) / (same.sum() + 5)
        errors.append(float(np.clip(guess, 0, 4)) - said[at])
    assert found.errors[5.0] == pytest.approx(float(np.sqrt(np.mean(np.square(errors)))), rel=1e-5)


def test_how_sure_a_group_is_says_its_shift_and_what_its_own_ratings_leave_open() -> None:
    population, crowd, group = crowd_with(1.0)
    found = replace(group_of(population, spoken(crowd, group)), strength=5.0)
    sds = deviations(found, len(population.posts))
    told = found.overall.difference
    of_the_shift = (told.high - told.low) / 2 / 1.96
    none, some = found.counts == 0, found.counts > 0
    assert none.any() and some.any()
    assert sds[none] == pytest.approx(np.sqrt(noise(found) / 5.0 + of_the_shift**2), rel=1e-5)
    assert sds[some].max() < sds[none].min(), "who was rated is known better"
    # without a view of single posts, and where no difference can be told, the shift is all there is
    assert deviations(replace(found, strength=np.inf), 3) == pytest.approx(of_the_shift, rel=1e-6)
    alike = replace(found, overall=replace(found.overall, detectable=False))
    assert deviations(alike, 3) == pytest.approx(of_the_shift, rel=1e-6)
