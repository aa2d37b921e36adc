"""Measures an artifact for the gate: its size, the held-out check, the two paths side by side, a start from cold.

Invariant: what is measured is the stored bytes. A fresh process gets the artifact on its standard input and answers
with scores; nothing but numbers goes between the two.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from services.trainer.gate.facts import Proof
from services.trainer.gate.frozen import Frozen
from services.trainer.rows import Row
from services.trainer.sets import leaks
from shared.artifacts import BadArtifact
from shared.model import Model, load, shipped
from shared.model.reference import features
from shared.vocabulary import CATEGORIES

COMPARED = 200
"""Texts scored by both paths, and by the fresh process: a tenth of a second each way."""
PATIENCE_S = 120.0
"""Longest time a fresh process may take to load a model and score; it usually takes two seconds."""
SAME = 1e-6
"""What two processes on one machine may differ by."""


def prove(artifact: bytes, frozen: Frozen, training: pd.DataFrame, held_out: Sequence[Path] = ()) -> Proof:
    """Return what was measured of an artifact that learned from `training`. Raises BadArtifact."""
    model = load(artifact)
    texts = list(frozen.sample(COMPARED).texts)[:: max(1, len(frozen) // COMPARED)][:COMPARED]
    # the one that ships is loaded by every process there is
    error = "" if artifact == shipped() else _cold(artifact, texts, model.score(texts))
    return Proof(
        bytes=len(artifact),
        leaks=_leaks(training, held_out) if held_out else None,
        held_out=len(held_out),
        difference=difference(model, texts),
        compared=len(texts),
        loads=not error,
        error=error,
    )


def difference(model: Model, texts: Sequence[str]) -> float:
    """Return the largest difference of a logit between the model's path and scikit-learn's hashing."""
    if not texts:
        return 0.0
    theirs = features().transform(texts) @ np.asarray(model.weights, np.float64) + model.intercepts
    return float(np.abs(theirs - model.logits(texts)).max())


def _leaks(training: pd.DataFrame, held_out: Sequence[Path]) -> int:
    pool = leaks.pool(held_out)
    rows = (Row("training", "", number, text, {}) for number, text in enumerate(training["text"], 1))
    return sum(1 for _ in leaks.hits(rows, pool))


def _cold(artifact: bytes, texts: Sequence[str], expected: NDArray[np.float64]) -> str:
    """Return why a fresh process could not load the artifact and say the same, empty if it could."""
    command = (sys.executable, "-W", "ignore", "-m", "services.trainer.proving")
    asked = orjson.dumps(texts) + b"\n" + artifact
    try:
        run = subprocess.run(command, input=asked, capture_output=True, timeout=PATIENCE_S, check=False)  # noqa: S603
        if run.returncode:
            return f"it ended with code {run.returncode}"
        said = np.array(orjson.loads(run.stdout), float).reshape(len(texts), len(CATEGORIES))
    except (subprocess.TimeoutExpired, orjson.JSONDecodeError, ValueError) as error:
        return f"it gave no scores ({type(error).__name__})"
    return "" if np.allclose(said, expected, atol=SAME, equal_nan=True) else "its scores are others"


def main() -> int:
    """Score the texts on the first line with the artifact that follows; say the scores as JSON."""
    texts = orjson.loads(sys.stdin.buffer.readline())
    try:
        scores = load(sys.stdin.buffer.read()).score(texts)
    except BadArtifact:
        return 1
    sys.stdout.buffer.write(orjson.dumps(scores, option=orjson.OPT_SERIALIZE_NUMPY))
    return 0


if __name__ == "__main__":
    sys.exit(main())
