"""What a correction says for sure, and how scores are read against their thresholds."""

from hypothesis import given
from hypothesis import strategies as some

from shared.corrections import labels_of
from shared.thresholds import decisive, over, threshold_of
from shared.vocabulary import CATEGORIES, Verdict

names = some.lists(some.sampled_from([*CATEGORIES, "rudeness"]), max_size=5)


@given(some.sampled_from(Verdict), names, names, names)
def test_only_categories_that_somebody_spoke_about_or_named_are_known(
    verdict: Verdict, expected: list[str], actual: list[str], spoke_about: list[str]
) -> None:
    found = labels_of(verdict, expected, actual, spoke_about)
    assert found.keys() <= {*(spoke_about or [*expected, *actual])} & {*CATEGORIES}
    assert {name for name, label in found.items() if label} <= {*expected, *actual}
    assert not found or verdict is not Verdict.UNSURE


def test_what_is_expected_is_1_what_else_was_judged_is_0() -> None:
    assert labels_of(Verdict.INCORRECT, ["insult"], ["threat"], []) == {"threat": 0, "insult": 1}
    assert labels_of(Verdict.INCORRECT, ["insult"], ["threat"], ["toxic", "insult"]) == {"toxic": 0, "insult": 1}
    assert labels_of(Verdict.CORRECT, [], ["insult"], ["insult", "racism"]) == {"racism": 0, "insult": 1}
    assert labels_of(Verdict.UNSURE, ["insult"], ["insult"], ["insult"]) == {}


def test_a_category_without_a_threshold_follows_overall() -> None:
    assert threshold_of("insult", {"insult": 0.7, "overall": 0.4}) == 0.7
    assert threshold_of("toxic", {"insult": 0.7, "overall": 0.4}) == 0.4
    assert threshold_of("toxic", {"insult": 0.7}) == 0.5


def test_over_is_each_known_category_at_its_own_threshold() -> None:
    limits = {"insult": 0.7, "toxic": 0.4, "racism": 0.0}
    assert over({"toxic": 0.4, "insult": 0.69}, limits) == ["toxic"]
    assert over({}, limits) == []


def test_the_threshold_that_decided_is_of_the_highest_category_that_flags_else_of_the_highest() -> None:
    limits = {"insult": 0.7, "toxic": 0.4}
    assert decisive({"toxic": 0.5, "insult": 0.69}, limits) == 0.4
    assert decisive({"toxic": 0.5, "insult": 0.8}, limits) == 0.7
    assert decisive({"toxic": 0.1, "insult": 0.2}, limits) == 0.7
    assert decisive({}, {"overall": 0.3}) == 0.3
