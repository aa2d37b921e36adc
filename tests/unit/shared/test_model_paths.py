"""One meaning, three ways: the Python definition, the compiled path and scikit-learn's own parts say the same."""

import re
import unicodedata
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from shared.model import Model, load, reference, shipped
from shared.model.aligned import align
from shared.model.paths import BUCKETS, SIMPLE, Fast, Plain
from shared.model.text import normalise, tokens, unified
from shared.sample import rows

TRICKY = st.text(alphabet="aAbBhtpswurl1247@$ .-_*<>[]/:'&;#!\t\n\x1c\x00é漢😀", max_size=60)
LATIN = st.text(alphabet="aAéÉÀß\u00ffz @._-$1*urlw:/ ", max_size=60)
SIGNS = st.text(alphabet="aAé1@. _url:/\u2019\u201d\u2013\u20ac\u200d\ufe0f\U0001f3fd\U0001f3fe", max_size=60)
FEW = st.text(alphabet="ab \u00e9\u2019", max_size=12)
TEXTS = st.lists(st.one_of(st.text(max_size=200), TRICKY, LATIN, SIGNS, FEW), max_size=5)
PLACES = [
    "",
    "\x00",
    "漢" * 200,
    "x" * 300,
    "http://a http:// www.b www. https://x.y/z?q",
    "[url]url curl url_ URL",
    "@a@b a@b @@c <user>[USER]",
    "a b c d ef a.b-c_d*e ab c d e f g",
    "2nd 5k 55abc h4te $$$ d1s@ster 1a 123",
    "sooo goooood!!!!",
    "&amp;lt; &#x41; &nope;",
    "e\u0301 \ufb01 \u00bd \u338f \u0391\u03a3 \u03a3 \u0130 \u1e9e",
    "👍🏽 👩‍👩‍👧 ☹️ 🤬",
    "\ud800 half a pair",
    "éé ééé ÉÉÉÉ éaéaéa e\u00e9\u00e9\u00e9e",
    "it\u2019s \u201cso\u201d \u2013 \u2019\u2019\u2019\u2019 \u20ac5",
    "\u2019@name\u2019 @name\u2019s www.a\u2019 \u2019url \u2019a.b.c.d\u2019",
    "\U0001f3fd\U0001f3fd\U0001f3fd\U0001f3fe \ufe0f\ufe0f\ufe0f\u200d",
    "w" * 16 + " " + "w" * 17 + " " + "\u00e9" * 8 + " " + "\u00e9" * 9 + " " + "\u2019a" * 4,
    "\u00e9@name @n\u00e9me \u00e9url url\u00e9 \u00e9www.a.b a b c d\u00e9 \u00e9a b c d",
]


@cache
def model() -> Model:
    return load(shipped())


@cache
def other_path() -> Model:
    return replace(model(), path=Plain())


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_fast_path_scores_as_the_reference_does(texts: list[str]) -> None:
    if texts:
        np.testing.assert_allclose(model().score(texts), other_path().score(texts), atol=1e-4)


@pytest.mark.parametrize("text", PLACES, ids=range(len(PLACES)))
def test_places_where_two_paths_could_part_ways(text: str) -> None:
    np.testing.assert_allclose(model().score([text]), other_path().score([text]), atol=1e-4)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(alphabet=st.characters(max_codepoint=255), max_size=120), TRICKY, LATIN, SIGNS))
def test_the_compiled_normaliser_writes_what_the_definition_says(text: str) -> None:
    from shared.model import normalising

    if SIMPLE(text) and "&" not in text:
        source = np.frombuffer(text.encode(), np.uint8)
        written, ends = normalising.normalised(source, np.array([len(source)]), np.zeros(1, np.bool_))
        assert written.tobytes().decode() == normalise(text)
        assert ends.tolist() == [len(written)]


def test_what_the_compiled_normaliser_takes_is_left_alone_by_unicode_and_no_letter_but_latin() -> None:
    taken = [sign for sign in map(chr, range(128, 0x110000)) if SIMPLE(sign)]
    assert len(taken) > 90
    for sign in taken:
        latin = sign.encode()[0] == 0xC3
        assert unified(sign) == sign and unicodedata.is_normalized("NFKC", sign) and not unicodedata.combining(sign)
        assert bool(re.match(r"\w", sign)) == latin and not sign.isspace()
        assert latin or sign.lower() == sign


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_vectors_are_those_of_scikit_learns_hashing_vectorizer(texts: list[str]) -> None:
    if texts:
        theirs = HashingVectorizer(
            analyzer=tokens, n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
        ).transform([normalise(text) for text in texts])
        found, ends = Fast().buckets(texts)
        counts = np.zeros((len(texts), BUCKETS), np.float32)
        for row, some in enumerate(np.split(found, ends[:-1])):
            np.add.at(counts[row], some, 1)
        np.testing.assert_array_equal(counts, theirs.toarray())


def test_a_scikit_learn_pipeline_scores_as_the_model_does() -> None:
    texts = [row.text for row in rows("train")][:200] + PLACES[:-1]
    table = reference.probabilities(reference.pipelines(model()), texts)
    np.testing.assert_allclose(table, model().score(texts)[:, model().columns], atol=1e-4)


def test_a_text_scores_alone_as_among_others() -> None:
    texts = [row.text for row in rows("post")][:300] + PLACES
    together = model().score(texts)
    alone = np.vstack([model().score([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)


# -- explanations -------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), TRICKY))
def test_the_aligned_text_is_the_normalised_text(text: str) -> None:
    aligned = align(text)
    assert aligned.text == normalise(text)
    assert len(aligned.places) == len(aligned.text)
    assert all(0 <= begin < end <= len(text) for begin, end in aligned.places)
    assert all(one[0] <= two[0] for one, two in zip(aligned.places, aligned.places[1:], strict=False))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), TRICKY))
def test_words_and_intercept_add_up_to_the_logit(text: str) -> None:
    for head, category in enumerate(model().categories):
        explanation = model().explain(text, category)
        assert explanation.logit == pytest.approx(model().logits([text])[0, head], abs=1e-3)
        total = explanation.intercept + sum(weight for _, weight in explanation.ngrams(10**6))
        assert total == pytest.approx(explanation.logit, abs=1e-6)


def test_the_strongest_tokens_come_first_and_go_by_their_names() -> None:
    text = "you absolute fool, you fool"
    explanation = model().explain(text, "insult")
    every = explanation.ngrams(10**6)
    assert set(dict(every)) <= set(tokens(normalise(text)))
    assert explanation.ngrams(3) == every[:3]
    assert [value for _, value in every] == sorted((value for _, value in every), reverse=True)
    assert dict(every)["=fool"] == pytest.approx(
        2
        * model().weights[Fast().buckets(["fool"])[0][0], model().categories.index("insult")]
        / len(tokens(text)) ** 0.5,
        abs=1e-3,
    )


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("see www.example.org, you fool", "fool", "fool"),
        ("😀😀 you f.o.o.l 😀", "fool", "f.o.o.l"),
        ("you &quot;F00L&quot;!", "fool", "F00L"),
        ("@you fooool", "fool", "fooool"),
        ("\uff46\uff4f\uff4f\uff4c you", "fool", "\uff46\uff4f\uff4f\uff4c"),
    ],
)
def test_a_word_is_found_again_in_the_raw_text(text: str, word: str, found: str) -> None:
    aligned = align(text)
    at = aligned.text.index(word)
    begin, end = aligned.places[at][0], aligned.places[at + len(word) - 1][1]
    assert text[begin:end] == found


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=200), TRICKY))
def test_a_token_has_the_name_it_has_in_the_list(text: str) -> None:
    explanation = model().explain(text, "insult")
    names = tokens(normalise(text))
    assert [explanation._name(at) for at in range(len(names))] == names


def test_texts_are_explained_together_as_each_is_alone() -> None:
    texts = [row.text for row in rows("post")][:40] + PLACES
    for category in model().categories[:2]:
        for text, found in zip(texts, model().explain_many([(text, category) for text in texts]), strict=True):
            alone = model().explain(text, category)
            assert (found.words, found.ngrams(5)) == (alone.words, alone.ngrams(5))
