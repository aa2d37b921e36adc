"""The table learns what its rows say and nothing of what they leave open, on either path alike."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from services.trainer import learning
from services.trainer.learning import Pace, learn, material, nothing

BUCKETS = 16


def rows(n: int = 200) -> tuple[csr_matrix, np.ndarray]:
    """Return vectors whose first bucket decides label 0 and second label 1, which every other row leaves unknown."""
    random = np.random.default_rng(3)
    dense = (random.random((n, BUCKETS)) < 0.3).astype(np.float32)
    labels = dense[:, :2].astype(float)
    labels[::2, 1] = np.nan
    return csr_matrix(dense), labels


def test_it_learns_the_buckets_that_decide() -> None:
    vectors, labels = rows()
    found = learn(nothing(BUCKETS, 2), material(vectors, labels, np.ones_like(labels)), Pace(epochs=20))
    logits = vectors @ found.table + found.intercepts
    assert ((logits[:, 0] > 0) == (labels[:, 0] == 1)).all()
    assert found.table[:, 0].argmax() == 0
    assert found.table[:, 1].argmax() == 1


def test_an_unknown_label_teaches_nothing() -> None:
    vectors, labels = rows()
    labels[:, 1] = np.nan
    found = learn(nothing(BUCKETS, 2), material(vectors, labels, np.ones_like(labels)), Pace())
    assert (found.table[:, 1] == 0).all()
    assert found.intercepts[1] == 0


def test_a_weight_of_zero_teaches_nothing() -> None:
    vectors, labels = rows()
    found = learn(nothing(BUCKETS, 2), material(vectors, labels, np.zeros_like(labels)), Pace())
    assert (found.table == 0).all()


def test_frozen_intercepts_stay_and_what_was_given_is_not_changed() -> None:
    vectors, labels = rows()
    start = nothing(BUCKETS, 2)
    found = learn(start, material(vectors, labels, np.ones_like(labels)), Pace(intercepts=False))
    assert (found.intercepts == 0).all()
    assert (start.table == 0).all()


@pytest.mark.parametrize("pace", [Pace(), Pace(epochs=2, rate=0.1, l2=1e-3, seed=5), Pace(intercepts=False)], ids=str)
def test_the_compiled_pass_learns_what_numpy_learns(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    vectors, labels = rows()
    some = material(vectors, labels, np.random.default_rng(0).random(labels.shape))
    compiled = learn(nothing(BUCKETS, 2), some, pace)
    monkeypatch.setattr(learning, "find_spec", lambda name: None)
    plain = learn(nothing(BUCKETS, 2), some, pace)
    np.testing.assert_allclose(compiled.table, plain.table, atol=1e-4)
    np.testing.assert_allclose(compiled.intercepts, plain.intercepts, atol=1e-4)
