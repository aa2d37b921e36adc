"""What a replay takes for 1, 100 and 1,000 corrections, beside scikit-learn on the same vectors in the same run.

Baseline: one pass of `SGDClassifier.partial_fit` per category over what the replay goes over: the corrections that name
the category, each weighed alike, and the same number of older rows. Hashing, guard and packing are shown apart: the
baseline has none of them.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import SGDClassifier

from services.trainer import dataset, standby
from services.trainer.labels import Correction
from services.trainer.own_patterns import SOURCE as OWN
from services.trainer.replaying import REPLAYED, Rows, drawn, joined, replay, said_rows
from services.trainer.runs import ReplayJob, Sources
from shared.artifacts import ArtifactStore
from shared.model import Model, load, shipped
from shared.vocabulary import CATEGORIES, Verdict
from tests.support.servers import TABLES

MANY = (1, 100, 1_000)
ROUNDS = 3
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and of processor time, medians of some rounds."""

    wall: float
    cpu: float


def timed(what: Callable[[], object]) -> Took:
    """Return what a call takes."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        what()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Took(median(walls), median(cpus))


def corrections(tables: Path) -> list[Correction]:
    """Return what somebody could say of sentences that are kept for judging."""
    table = dataset.base(cache=tables)
    rows = table[(table["split"] == "dev") & (table["source"] == OWN)].head(max(MANY))
    found = []
    for number, row in enumerate(rows.to_dict("records")):
        known = {name: row[name] for name in CATEGORIES if row[name] == row[name]}
        found.append(
            Correction(
                f"c{number}",
                Verdict.INCORRECT,
                NOON + timedelta(seconds=number),
                text=row["text"],
                expected=tuple(name for name, label in known.items() if label == 1),
                spoke_about=tuple(known),
            )
        )
    return found


def heads(rows: Rows, model: Model) -> None:
    """Learn rows by scikit-learn's heads."""
    for category in model.categories:
        labels = rows.labels[:, CATEGORIES.index(category)]
        known = np.flatnonzero(~np.isnan(labels))
        if len(known):
            learner = SGDClassifier(loss="log_loss")
            learner.partial_fit(rows.vectors[known], labels[known].astype(int), classes=np.array([0, 1]))


def measure(console: Console) -> None:
    """Print what a replay takes, beside the baseline."""
    with tempfile.TemporaryDirectory() as folder:
        sources = Sources(tables=str(TABLES))
        said, model = corrections(TABLES), load(shipped())
        champion = ArtifactStore(Path(folder)).put(shipped())
        job = ReplayJob(0, 0.01, folder, sources, champion)
        standby.warm(job)
        ready = standby.prepared(sources)
        table = Table("corrections", "whole replay s", "of it learning s", "partial_fit s", "ratio of processor time")
        for many in MANY:
            whole = replace(job, waiting=tuple(said[:many]))
            taught, _ = standby.divided(whole)
            new = said_rows(taught, model.path)
            same = joined([new, drawn(ready.older, REPLAYED * len(new), 0)])
            all_of_it = timed(lambda whole=whole: standby.work(whole, lambda _: None))  # type: ignore[misc]
            ours = timed(lambda new=new: replay(model, new, ready.older, seed=0, facts={}))  # type: ignore[misc]
            theirs = timed(lambda same=same: heads(same, model))  # type: ignore[misc]
            table.add_row(
                f"{many:,}",
                f"{all_of_it.wall:.2f} ({all_of_it.cpu:.2f} processor)",
                f"{ours.wall:.2f} ({ours.cpu:.2f})",
                f"{theirs.wall:.2f} ({theirs.cpu:.2f})",
                f"{ours.cpu / theirs.cpu:.2f}",
            )
        console.print(table)
