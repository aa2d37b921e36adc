"""Scores of an LLM and of the cascade for texts of a file, from a scripted API spoken to by the real client."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.classifier.opinions import asked, cascaded, margins, marked, settings_with
from services.classifier.settings import ClassifierSettings
from shared.vocabulary import CATEGORIES
from tests.support.llm import settings_for
from tests.support.openai_server import OpenAiServer, Reply
from tests.support.small_model import small_model

INSULT, EXTREMISM = CATEGORIES.index("insult"), CATEGORIES.index("extremism")
TEXTS = ["you fool", "good day", "beware of the dog", "it is nonsense"]


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer() as running:
        yield running


def quiet(*_: Any) -> None:
    """Take a report and do nothing."""


def settings(server: OpenAiServer, **changed: Any) -> ClassifierSettings:
    return settings_for(server.base_url, analyzer_backoff_limit_s=0.1, **changed)


def no_languages(texts: Sequence[str]) -> list[str | None]:
    return [None] * len(texts)


async def test_every_text_gets_twelve_scores_and_the_bill_is_told(server: OpenAiServer) -> None:
    told: list[tuple[int, int, float]] = []
    found = await asked(settings(server), TEXTS, no_languages(TEXTS), lambda *at: told.append(at))
    assert found.scores.shape == (4, 12) and not np.isnan(found.scores).any()
    assert found.scores[:, INSULT].tolist() == [0.9, 0.05, 0.05, 0.05]
    assert (found.limits == 0.5).all()
    assert found.facts["outcomes"] == {"not_asked": 0, "scored": 4}
    assert found.facts["calls"] == len(server.requests) == 1
    assert told[-1] == (4, 4, found.facts["cost_usd"])
    assert 0 < found.facts["cost_usd"] < 0.01
    assert found.facts["models_answered"] == ["gpt-4o-mini-2024-07-18"]


async def test_a_refused_text_and_an_empty_one_have_no_score(server: OpenAiServer) -> None:
    server.script = lambda posts, _: Reply(refusal="no") if any("fool" in post["text"] for post in posts) else None
    found = await asked(settings(server), [*TEXTS, " "], no_languages([*TEXTS, " "]), quiet)
    assert np.isnan(found.scores).all(axis=1).tolist() == [True, False, False, False, True]
    assert found.facts["outcomes"] == {"not_asked": 1, "refused": 1, "scored": 3}


async def test_the_budget_is_never_passed_and_what_was_not_asked_is_counted(server: OpenAiServer) -> None:
    texts = [f"post number {n}" for n in range(60)]
    budget = Decimal("0.007")
    small = settings(server, analyzer_daily_budget=budget, analyzer_batch_size=5, analyzer_concurrency=1)
    found = await asked(small, texts, no_languages(texts), quiet)
    scored = int((~np.isnan(found.scores).any(axis=1)).sum())
    assert 0 < scored < 60
    assert found.facts["cost_usd"] <= float(budget)
    assert found.facts["outcomes"]["scored"] == scored
    assert found.facts["outcomes"]["budget"] == 60 - scored
    assert len(server.asked) == scored


async def test_an_api_that_refuses_us_is_an_error(server: OpenAiServer) -> None:
    server.script = lambda posts, _: Reply(status=401)
    with pytest.raises(RuntimeError, match="HTTP 401"):
        await asked(settings(server), TEXTS, no_languages(TEXTS), quiet)


async def test_only_the_least_sure_texts_are_sent(server: OpenAiServer) -> None:
    texts = [*(f"good day {n}" for n in range(300)), *(f"fool {n}" for n in range(60))]
    local = small_model().score(texts)
    local[:6, INSULT] = 0.49
    half = settings(server, cascade_share=5 / len(texts), cascade_llm_error=0.0)
    found = await cascaded(half, local, small_model().thresholds, texts, no_languages(texts), quiet)
    assert found.facts["sent"] == 6, "of equally sure ones all go"
    assert sorted(server.asked) == sorted(texts[:6])
    assert found.scores[0, INSULT] == 0.05
    assert np.isnan(found.scores[6, EXTREMISM]) and found.scores[0, EXTREMISM] == 0.05
    assert found.scores[350, INSULT] == local[350, INSULT]


async def test_a_score_keeps_the_threshold_of_whoever_gave_it(server: OpenAiServer) -> None:
    local = np.full((1, 12), np.nan)
    local[0, :2] = [0.41, 0.99]
    sure = settings(server, cascade_share=1.0, cascade_band=1.0, cascade_llm_error=0.1)
    found = await cascaded(sure, local, {"toxic": 0.4, "threat": 0.3}, ["nonsense"], [None], quiet)
    assert (found.scores[0, 0], found.limits[0, 0]) == (0.9, 0.5), "the LLM's word and its threshold"
    assert (found.scores[0, 1], found.limits[0, 1]) == (0.99, 0.3), "the local model is surer"


async def test_without_an_answer_the_local_score_stands(server: OpenAiServer) -> None:
    server.script = lambda posts, _: Reply(refusal="no")
    local = small_model().score(TEXTS)
    wide = settings(server, cascade_share=1.0, cascade_band=1.0)
    found = await cascaded(wide, local, small_model().thresholds, TEXTS, no_languages(TEXTS), quiet)
    np.testing.assert_array_equal(found.scores, local)


def test_margins_are_those_of_the_nearest_known_category() -> None:
    local = np.full((2, 12), np.nan)
    local[0, :2] = [0.9, 0.35]
    assert margins(local, {"toxic": 0.5, "threat": 0.3}).tolist() == [pytest.approx(0.05), 0.0]


def test_marked_characters_are_those_of_the_word_that_carried_the_score() -> None:
    (found, none) = marked(small_model(), "insult", ["you fool !", "good day"])
    assert sorted(found) == [4, 5, 6, 7]
    assert none == frozenset()


def test_without_a_key_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "LLM_API_KEY", "OMBUD_CLASSIFIER_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="OPENAI_API_KEY"):
        settings_with()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert settings_with(Decimal("0.25")).analyzer_daily_budget == Decimal("0.25")
