"""Sentences and carrying words stand where they stand in the raw text, however it is written."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.classifier.spans import MOST_SENTENCES, carriers, sentences, utf16
from shared.model.explain import LEAST_WEIGHT

texts = some.text(some.characters(codec="utf-8"), max_size=200) | some.text("ab .!?\n\"'😀", max_size=200)


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("No end", ["No end"]),
        ("  around  ", ["around"]),
        ('"Really?!" he said', ['"Really?!"', "he said"]),
        ("a line\nanother line\n\nand one more", ["a line", "another line", "and one more"]),
        ("https://example.org/a.b is one", ["https://example.org/a.b is one"]),
        ("version 3.5 came… at last", ["version 3.5 came…", "at last"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_a_sentence_ends_at_its_mark_or_line(text: str, found: list[str]) -> None:
    assert cut(text) == found


@given(texts)
def test_sentences_hold_every_word_once_and_in_order(text: str) -> None:
    assert [word for part in cut(text) for word in part.split()] == text.split()
    places = sentences(text)
    assert all(begin < end for begin, end in places)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(places))


def test_no_text_has_more_sentences_than_the_model_looks_at_and_the_last_holds_the_rest() -> None:
    text = "a. " * 5_000
    found = sentences(text)
    assert len(found) == MOST_SENTENCES and found[-1][1] == len(text) - 1


@pytest.mark.parametrize("piece", [" ", "\n", "!", "! ", '"', "a.", "😀 "])
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    text = piece * (20_480 // len(piece))
    begun = time.process_time()
    sentences(text)
    utf16(text)
    assert time.process_time() - begun < 0.2


def test_carriers_are_the_heaviest_words_and_neighbours_are_one_place() -> None:
    words = [(0, 3, 0.1), (4, 7, 1.0), (8, 11, 0.8), (12, 15, 0.6), (16, 19, 0.75), (20, 22, -2.0)]
    assert carriers(words) == [(4, 11), (16, 19)]
    assert carriers([(0, 3, LEAST_WEIGHT - 0.01)]) == []
    assert carriers([]) == []


@given(texts)
def test_utf_16_offsets_are_those_of_the_encoded_text(text: str) -> None:
    place = utf16(text)
    for at in range(len(text) + 1):
        assert place(at) == len(text[:at].encode("utf-16-le")) // 2
