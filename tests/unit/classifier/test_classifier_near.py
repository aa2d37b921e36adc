"""The index of corrected texts against the plain product of all pairs."""

import pytest
from scipy.sparse import csr_matrix

from services.classifier.near import CANDIDATES, Near, seen, sketches, unit
from shared.model.paths import BUCKETS, Plain, vectors
from shared.sample import rows

COSINE = 0.85
TEXTS = [row.text for row in rows("post")][:300]
PATH = Plain()


def varied(text: str, n: int) -> str:
    """A text with one word less, or a word more, or as it is."""
    words = text.split()
    return " ".join((words[:-1], [*words, "honestly"], words)[n % 3])


def plainly(asked: csr_matrix, known: csr_matrix, cosine: float) -> dict[tuple[int, int], float]:
    product = (unit(asked) @ unit(known).T).tocoo()
    return {
        (int(row), int(text)): float(value)
        for row, text, value in zip(product.row, product.col, product.data, strict=True)
        if value >= cosine - 1e-5
    }


@pytest.mark.parametrize("cosine", [0.7, COSINE, 0.99])
def test_every_pair_over_the_cosine_is_found_and_no_other(cosine: float) -> None:
    known = vectors(PATH, TEXTS[:150])
    asked = vectors(PATH, [varied(text, n) for n, text in enumerate(TEXTS)])
    found = Near.of(seen(known), BUCKETS).pairs(asked, cosine)
    expected = plainly(asked, known, cosine)
    assert {(row, text) for row, text, _ in found} == expected.keys()
    assert all(value == pytest.approx(expected[row, text], abs=1e-5) for row, text, value in found)
    assert len(found) >= 50
    assert found == sorted(found, key=lambda each: (each[0], -each[2], -each[1]))


def test_of_very_many_alike_the_nearest_are_found() -> None:
    crowd = [f"every one of these posts says the same but for its number {n}" for n in range(3 * CANDIDATES)]
    index = Near.of(seen(vectors(PATH, crowd)), BUCKETS)
    found = index.pairs(vectors(PATH, crowd[-1:]), COSINE)
    assert found[0][:2] == (0, len(crowd) - 1)
    assert found[0][2] == pytest.approx(1.0, abs=1e-5)
    assert len(found) == CANDIDATES


def test_a_sketch_of_the_same_text_is_the_same_and_has_length_one() -> None:
    one, other = sketches(vectors(PATH, ["a text of some words", "a text of some words"]))
    assert (one == other).all()
    assert float(one @ other) == pytest.approx(1.0, abs=1e-5)


def test_an_empty_text_is_near_nothing() -> None:
    index = Near.of(seen(vectors(PATH, ["", "one text", "another text"])), BUCKETS)
    assert index.pairs(vectors(PATH, ["", "   "]), COSINE) == []
    assert [pair[:2] for pair in index.pairs(vectors(PATH, ["", "one text"]), COSINE)] == [(1, 1)]
