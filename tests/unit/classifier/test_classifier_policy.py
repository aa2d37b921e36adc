"""Who is asked about what, how two words become one score, and when the LLM is left alone."""

import random

import pytest

from services.classifier.policy import Breaker, Margins, State, asks_for, combined, margin, share_for
from shared.vocabulary import CATEGORIES, ScoreSource

LLM = dict.fromkeys(CATEGORIES, 0.3)


def test_the_margin_is_that_of_the_nearest_known_category() -> None:
    assert margin({"toxic": 0.4, "insult": 0.9}, {"overall": 0.5}) == pytest.approx(0.1)
    assert margin({"toxic": 0.4, "insult": 0.9}, {"overall": 0.5, "insult": 0.88}) == pytest.approx(0.02)
    assert margin({}, {"overall": 0.5}) == 0.0


@pytest.mark.parametrize("share", [0.05, 0.16, 0.5])
def test_the_band_takes_about_the_share_that_was_asked_for(share: float) -> None:
    draw, margins, sent = random.Random(7), Margins(), 0
    for n in range(6_000):
        value = draw.betavariate(2, 2)
        width = margins.width("nl", share, 1.0)
        if n >= 2_000:
            sent += value <= width
        margins.see("nl", value)
    assert sent / 4_000 == pytest.approx(share, abs=0.03)


def test_each_language_has_a_band_of_its_own_once_enough_was_seen() -> None:
    margins = Margins()
    for n in range(400):
        margins.see("en", 0.2 + n / 4000)
        margins.see("nl", n / 4000)
    assert margins.width("nl", 0.1, 1.0) < 0.02 < 0.2 < margins.width("en", 0.1, 1.0)
    assert margins.width("fr", 0.1, 1.0) == margins.width(None, 0.1, 1.0)


def test_the_band_is_never_wider_than_allowed_and_a_share_of_nothing_takes_nothing() -> None:
    margins = Margins()
    assert margins.width("nl", 0.16, 0.25) == 0.25
    for _ in range(500):
        margins.see("nl", 0.4)
    assert margins.width("nl", 0.16, 0.25) == 0.25
    assert margins.width("nl", 0.0, 0.25) < 0


def test_languages_may_have_shares_of_their_own_but_not_more_than_the_money() -> None:
    assert share_for("nl", 0.16, {"nl": 0.4}, 1.0) == 0.4
    assert share_for("nl-BE", 0.16, {"nl": 0.4}, 1.0) == 0.4
    assert share_for("en", 0.16, {"nl": 0.4}, 1.0) == 0.16
    assert share_for(None, 0.16, {}, 0.05) == 0.05


def test_the_local_model_keeps_what_it_is_sure_of_and_the_llm_fills_the_rest() -> None:
    both = combined({"toxic": 0.45, "insult": 0.97, "threat": 0.02}, LLM, 0.1)
    assert both.source is ScoreSource.BOTH
    assert both.scores == LLM | {"insult": 0.97, "threat": 0.02}
    assert set(both.scores) == set(CATEGORIES)


def test_the_llm_alone_decides_where_the_local_model_is_sure_of_nothing() -> None:
    for local in (None, {}, {"toxic": 0.45}):
        assert combined(local, LLM, 0.1) == combined(None, LLM, 0.0)
    assert combined({"insult": 0.99}, LLM, 0.0).source is ScoreSource.LLM


@pytest.mark.parametrize(("text", "asks"), [("", False), (" \n\t", False), ("?!...", False), ("x", True), ("🤡", True)])
def test_only_what_says_something_is_asked_about(text: str, asks: bool) -> None:
    assert asks_for(text) is asks


def test_the_breaker_opens_after_some_failures_in_a_row_and_lets_one_call_try_later() -> None:
    breaker = Breaker(failures=3, pause_s=10)
    assert [breaker.failed(n) for n in (1, 2)] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(n) for n in (3, 4, 5)] == [False, False, True]
    assert not breaker.allows(14.9)
    assert breaker.allows(15.0)
    assert not breaker.allows(15.0), "one call at a time"
    assert not breaker.failed(16), "it was open all along"
    assert not breaker.allows(35.9)
    assert breaker.allows(36.0)
    assert breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert breaker.allows(36.0) and breaker.allows(36.0)


def test_a_refusal_for_good_opens_it_at_once() -> None:
    breaker = Breaker(failures=3, pause_s=10)
    assert breaker.failed(0, hopeless=True)
    assert not breaker.allows(1)


def test_a_turn_that_was_not_used_is_given_back() -> None:
    breaker = Breaker(failures=1, pause_s=10)
    breaker.failed(0)
    assert breaker.allows(10)
    breaker.not_used()
    assert breaker.allows(10)


def test_the_pause_grows_but_not_for_ever() -> None:
    breaker, now = Breaker(failures=1, pause_s=10, longest_s=35), 0.0
    for pause in (10, 20, 35, 35):
        breaker.failed(now)
        assert not breaker.allows(now + pause - 0.1)
        now += pause
        assert breaker.allows(now)
