"""What a run leaves of its model beside the model: facts to log, its card, the plots of its study.

Invariant: nothing of it decides anything; a model without it is as good.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from services.trainer.card import trained_card
from services.trainer.describing import described
from services.trainer.hyper import Hyper
from services.trainer.learning import Learned, Watch
from services.trainer.provenance import made_by
from services.trainer.runs import RecipeName
from services.trainer.tuning.charts import drawn
from services.trainer.tuning.objective import NothingToJudge, epoch_figures, ground, logits
from shared.artifacts import ArtifactStore
from shared.clock import monotonic
from shared.model import Model

TIMED = 500
"""Texts that are scored to say how many a second are."""


def watching(table: pd.DataFrame) -> tuple[Watch | None, list[dict[str, float]]]:
    """Return what sees the epochs of a training on this table, and the list it writes AP and loss to.

    Where nothing can be compared on nobody watches.
    """
    on, epochs = ground(table), list[dict[str, float]]()
    try:
        _ = on.judged
    except NothingToJudge:
        return None, epochs

    def watch(epoch: int, now: Learned) -> None:
        if now.table.shape[1] == len(on.known):
            epochs.append(epoch_figures(on, logits(on, now)))

    return watch, epochs


def recorded(
    artifacts: ArtifactStore,
    artifact: str,
    model: Model,
    recipe: RecipeName,
    hyper: Hyper,
    table: pd.DataFrame,
    hashes: Mapping[str, str],
    *,
    train_s: float,
    params: Mapping[str, Any],
    epochs: Sequence[Mapping[str, float]] = (),
    tuning: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the facts of a model and the digests of what was stored: `card`, and `plot_<name>` of a study.

    `hashes` are sets.fingerprints.data_hashes of the table, which has the shape of sets.mix.
    """
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
    facts = described(model, recipe, hyper, table, hashes, made=made, epochs=epochs, tuning=tuning)
    left = {"card": artifacts.put(trained_card(facts).encode())}
    for name, svg in (drawn(tuning) if tuning else {}).items():
        left[f"plot_{name}"] = artifacts.put(svg.encode())
    return facts, left
