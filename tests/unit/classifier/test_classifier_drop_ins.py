"""What the drop-ins make of our scores, for any scores and any masked categories; quotas; swear words."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.classifier import moderations
from services.classifier.categories import DESCRIPTIONS
from services.classifier.moderations import Refused, result, texts_of
from services.classifier.perspective import NOT_OURS, PROFANITY, AnalyzeIn, attribute_scores, attributes
from services.classifier.profanity import STRENGTHS, hits, score
from services.classifier.quota import MOST, Quota
from shared.perspective import ATTRIBUTES, Refusal, read
from shared.vocabulary import CATEGORIES

known = some.dictionaries(some.sampled_from(CATEGORIES), some.floats(0, 1).map(lambda value: round(value, 4)))
EVEN = dict.fromkeys(CATEGORIES, 0.5)
scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=30)
json = some.recursive(scalars, lambda of: some.lists(of, max_size=3) | some.dictionaries(some.text(), of, max_size=3))


def asked(*names: str) -> AnalyzeIn:
    return read(AnalyzeIn, {"comment": {"text": "a"}, "requestedAttributes": {name: {} for name in names}}, 100)


@given(known)
def test_an_attribute_is_the_maximum_of_what_is_known_or_refused_or_left_out(scores: dict[str, float]) -> None:
    for name, meaning in ATTRIBUTES.items():
        parts = [scores[part] for part in meaning.parts if part in scores]
        if parts:
            (found,) = attributes(asked(name), known=scores, version="m-1", omit=False)
            answer = attribute_scores("a", [found], scores, {}, lambda at: at)
            assert answer[name]["summaryScore"] == {"value": max(parts), "type": "PROBABILITY"}
        else:
            assert attributes(asked(name), known=scores, version="m-1", omit=True) == []
            with pytest.raises(Refusal, match="INVALID_REQUEST"):
                attributes(asked(name), known=scores, version="m-1", omit=False)


def test_what_perspective_had_and_we_have_not_never_has_a_score() -> None:
    assert not NOT_OURS & (ATTRIBUTES.keys() | {PROFANITY})
    assert attributes(asked(*NOT_OURS), known=CATEGORIES, version="m-1", omit=True) == []
    first = sorted(NOT_OURS)
    with pytest.raises(Refusal) as caught:
        attributes(asked(*first), known=CATEGORIES, version="m-1", omit=False)
    assert caught.value.message == f"Unknown requested attribute: {first[0]}"


@given(json | some.dictionaries(some.sampled_from([*AnalyzeIn.model_fields]), json))
def test_whatever_is_sent_is_a_question_or_a_refusal(raw: Any) -> None:
    with suppress(Refusal):
        attributes(read(AnalyzeIn, raw, 20_480), known=CATEGORIES, version="m-1", omit=False)


@given(some.lists(known, min_size=1, max_size=3), some.dictionaries(some.sampled_from(CATEGORIES), some.floats(0, 1)))
def test_a_moderation_has_all_thirteen_keys_and_flags_what_is_over_its_own_threshold(
    parts: list[dict[str, float]], own: dict[str, float]
) -> None:
    thresholds = EVEN | own
    found = result(parts, thresholds)
    names = set(moderations.CATEGORIES)
    assert len(names) == 13
    for field in ("categories", "category_scores", "category_applied_input_types"):
        assert set(found[field]) == names
    unsupported = set(found["unsupported_categories"])
    assert {"sexual", "sexual/minors", "illicit", "violence/graphic", "self-harm"} <= unsupported
    for name in unsupported:
        assert (found["categories"][name], found["category_scores"][name]) == (False, 0.0)
    over = {category for part in parts for category, value in part.items() if value >= thresholds[category]}
    spoken_of = {category for categories in moderations.ANY.values() for category in categories}
    assert found["flagged"] == bool(over & spoken_of)
    both = found["category_scores"]["hate/threatening"]
    assert both in (0.0, min(found["category_scores"]["hate"], found["category_scores"]["violence"]))


def test_an_unknown_category_is_skipped_in_a_maximum_and_never_zero() -> None:
    found = result([{"racism": 0.7}], EVEN)
    assert (found["category_scores"]["hate"], found["categories"]["hate"]) == (0.7, True)
    assert {"harassment", "violence", "hate/threatening"} <= set(found["unsupported_categories"])


@given(json | some.fixed_dictionaries({"input": json}))
def test_whatever_is_sent_to_moderations_is_texts_or_refused(raw: Any) -> None:
    with suppress(Refused):
        found = texts_of(raw, most=10, max_text_bytes=100)
        assert all(text.strip() for texts in found for text in texts)


def test_every_category_is_described() -> None:
    assert tuple(DESCRIPTIONS) == CATEGORIES


# -- swear words --------------------------------------------------------------------------------------------


@given(some.lists(some.sampled_from(sorted(STRENGTHS)), max_size=4))
def test_more_swear_words_never_swear_less_and_no_text_swears_more_than_wholly(words: list[str]) -> None:
    scores = [score(" ".join(words[:n])) for n in range(len(words) + 1)]
    assert scores[0] == 0 and scores == sorted(scores) and scores[-1] <= 1


def test_a_swear_word_counts_however_it_is_stretched_and_only_as_a_word() -> None:
    assert [text for text in ("DAMN", "damnnnn", "shiiiit", "assssshole!", "Verdommeee") if not score(text)] == []
    assert [text for text in ("Scunthorpe", "assess", "shiitake", "class", "passage", "kutikel") if score(text)] == []
    assert hits("oh damn, the crap") == [((3, 7), 0.4), ((13, 17), 0.4)]
    assert all(re.fullmatch(r"[a-z]+", word) for word in STRENGTHS)


# -- quota --------------------------------------------------------------------------------------------------


def test_a_second_s_worth_passes_at_once_and_then_one_at_a_time() -> None:
    quota = Quota(2.0)
    assert [quota.wait("a", 100.0) for _ in range(3)] == [0, 0, 1]
    assert quota.wait("b", 100.0) == 0
    assert [quota.wait("a", 100.5), quota.wait("a", 100.5), quota.wait("a", 200.0)] == [0, 1, 0]


def test_a_slow_quota_says_how_long_to_wait() -> None:
    quota = Quota(0.1)
    assert [quota.wait("a", 0.0), quota.wait("a", 0.0), quota.wait("a", 5.0), quota.wait("a", 10.0)] == [0, 10, 5, 0]


@given(some.floats(0.1, 50), some.lists(some.floats(0, 1), max_size=200))
def test_no_more_pass_than_the_rate_allows(rate: float, pauses: list[float]) -> None:
    quota, now, passed = Quota(rate), 0.0, 0
    for pause in pauses:
        now += pause
        passed += quota.wait("a", now) == 0
    assert passed <= max(1.0, rate) + now * rate + 1e-6


def test_buckets_of_the_long_gone_are_forgotten() -> None:
    quota = Quota(1.0)
    for n in range(MOST + 10):
        quota.wait(str(n), 0.0)
    assert len(quota._buckets) == MOST
