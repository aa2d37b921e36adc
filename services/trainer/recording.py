"""What a run leaves of its model beside the model: facts to log, its card, the plots of its study.

Invariant: nothing of it decides anything; a model without it is as good.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from services.trainer.card import trained_card
from services.trainer.describing import described
from services.trainer.hyper import Hyper
from services.trainer.provenance import made_by
from services.trainer.runs import RecipeName
from services.trainer.sets.fingerprints import data_hashes
from services.trainer.tuning.charts import drawn
from shared.artifacts import ArtifactStore
from shared.clock import monotonic
from shared.model import Model

TIMED = 500
"""Texts that are scored to say how many a second are."""


def recorded(
    artifacts: ArtifactStore,
    artifact: str,
    model: Model,
    recipe: RecipeName,
    hyper: Hyper,
    table: pd.DataFrame,
    *,
    train_s: float,
    params: Mapping[str, Any],
    epochs: Sequence[Mapping[str, float]] = (),
    tuning: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the facts of a model and the digests of what was stored: `card`, and `plot_<name>` of a study."""
    texts = table["text"].head(TIMED).tolist()
    model.score(texts)
    begun = monotonic()
    model.score(texts)
    made = {
        **made_by(),
        "artifact": artifact,
        "artifact_bytes": artifacts.path(artifact).stat().st_size,
        "train_s": train_s,
        "texts_per_s": len(texts) / max(monotonic() - begun, 1e-6),
        "params": dict(params),
    }
    facts = described(model, recipe, hyper, table, data_hashes(table), made=made, epochs=epochs, tuning=tuning)
    left = {"card": artifacts.put(trained_card(facts).encode())}
    for name, svg in (drawn(tuning) if tuning else {}).items():
        left[f"plot_{name}"] = artifacts.put(svg.encode())
    return facts, left
