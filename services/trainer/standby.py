"""The work of a replay, in the worker that stands by: what it needs is in memory before a correction comes.

Invariant: what is judged is judged on rows that taught nothing, beside the last full training, so that many small steps
cannot go further than one may; what costs too much goes a half, a quarter or an eighth of the way, or is left to the
next full training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from services.trainer import dataset, replaying
from services.trainer.caps import within
from services.trainer.effects import effects
from services.trainer.gate.areas import area
from services.trainer.gate.decision import LIMITS, guard
from services.trainer.gate.frozen import FAST, Frozen, freeze
from services.trainer.gate.metrics import CategoryMetrics, Judged, Metrics, judge
from services.trainer.labels import Lesson, lessons
from services.trainer.own_rows import probes
from services.trainer.replaying import Rows
from services.trainer.runs import ReplayJob, Result, Sources
from services.trainer.steps import Progress, Say, StepStatus
from shared import model
from shared.artifacts import ArtifactStore
from shared.ids import digest
from shared.model import QUICK, Model
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

LEARNING, GUARD = "learning", "guard"
POOL = 20_000
"""Older rows kept in memory, from which each replay draws: four times what the largest one takes."""

PARTS = ("half", "a quarter", "an eighth")
"""What is tried in turn where the whole step costs too much: the model in force passed, so a small step mostly does."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Older rows to go over again, the rows the guard judges on, and what the shipped model says of these."""

    older: Rows
    frozen: Frozen
    anchor: Judged


def warm(job: ReplayJob) -> None:
    """Get ready for a replay: read and hash the older rows, compile what learns, load the model in force."""
    ready = prepared(job.sources)
    start = _loaded(job.artifacts, job.champion)
    few = ready.older.only(np.arange(min(len(ready.older), 2)))
    replaying.replay(start, few, few, seed=job.seed, facts={})


def work(job: ReplayJob, say: Say) -> Result:
    """Return the champion after learning what waits, if that costs little enough elsewhere."""
    ready = prepared(job.sources)
    artifacts = ArtifactStore(Path(job.artifacts))
    start = _loaded(job.artifacts, job.champion)
    root = _loaded(job.artifacts, job.root or job.champion)
    # 1. learn, beside older rows and what was corrected before
    say(Progress(LEARNING, StepStatus.RUNNING))
    taught, before = divided(job)
    parent = str(start.facts["data_hash"])
    facts = {"data_hash": _hash(parent, taught), "parent_data_hash": parent, "examples": len(taught)}
    made = _learned(start, taught, before, ready.older, seed_of(facts["data_hash"], job.seed), facts)
    say(Progress(LEARNING, StepStatus.DONE, f"{len(taught)} corrections, {len(before)} learned before"))
    # 2. what it costs elsewhere; where that is too much, a part of the way
    say(Progress(GUARD, StepStatus.RUNNING))
    corrected = {key_of(lesson.text) for lesson in (*taught, *before)}
    places = np.flatnonzero([key not in corrected for key in ready.frozen.keys])
    frozen = ready.frozen if len(places) == len(ready.frozen) else ready.frozen.only(places)
    limits = replace(LIMITS, guard_macro=job.tolerance)
    was, anchor = (_of(each, frozen, places) for each in (judge(root, ready.frozen), ready.anchor))
    now, notes = judge(made, frozen), list[str]()
    decision = guard(was, now, limits, anchor=anchor)
    for part in PARTS:
        if decision.passed:
            break
        notes += [f"{part} of the step, because of the one before: {reason}" for reason in decision.reasons]
        made = replaying.half_step(start, made)
        now = judge(made, frozen)
        decision = guard(was, now, limits, anchor=anchor)
    # 3. store it, and see that it can be loaded again: only then it is offered
    name = artifacts.put(model.dump(made, QUICK))
    stored = _loaded(job.artifacts, name)
    for line in (*notes, *decision.reasons):
        say(Progress(GUARD, line=line))
    say(Progress(GUARD, StepStatus.DONE))
    known = {lesson.correction_id for lesson in taught}
    silent = sorted({each.correction_id for each in job.waiting} - known)
    return Result(
        model=model.NAME,
        artifact=name,
        data_hash=str(facts["data_hash"]),
        examples=len(taught),
        corrections=len(taught),
        held_out=len(frozen),
        metrics=asdict(figures(now)),
        champion_metrics=asdict(figures(was)),
        passed=decision.passed,
        reasons=(*notes, *decision.reasons),
        taught=tuple(sorted(known)),
        looked_at=tuple(silent),
        effects=tuple(effects(start, stored, taught)),
        checks=tuple(asdict(check) for check in decision.checks),
    )


@lru_cache(maxsize=1)
def prepared(sources: Sources) -> Prepared:
    """Return what a replay needs, read once by a worker."""
    table = dataset.base(
        [Path(each) for each in sources.training_sets],
        held_out=_held_out(sources),
        cache=Path(sources.tables) if sources.tables else None,
    )
    frozen = freeze(table, probes()).sample(FAST)
    anchor = model.load(model.shipped())
    train = _first(table[table["split"] == "train"], POOL)
    return Prepared(replaying.rows_of(train, anchor.path), frozen, judge(anchor, frozen))


def divided(job: ReplayJob) -> tuple[list[Lesson], list[Lesson]]:
    """Return what waits to be learned, and what was learned before and still counts, oldest first.

    The later word counts: of an earlier one about the same text only what it alone said is left. What equals a
    held-out text teaches nothing, and what is over the caps waits for the next full training.
    """
    new = {each.correction_id for each in job.waiting}
    allowed = dataset.allowed(lessons((*job.learned, *job.waiting)), _held_out(job.sources)).lessons
    if job.sources.caps is not None:
        allowed = within(allowed, job.sources.caps).lessons
    last: dict[tuple[str, str], str] = {}
    for lesson in allowed:
        last |= {(key_of(lesson.text), category): lesson.correction_id for category in lesson.labels}
    counting = [
        replace(lesson, labels={name: label for name, label in lesson.labels.items() if last[key, name] == mine})
        for lesson in allowed
        for key, mine in [(key_of(lesson.text), lesson.correction_id)]
    ]
    return (
        [lesson for lesson in counting if lesson.labels and lesson.correction_id in new],
        [lesson for lesson in counting if lesson.labels and lesson.correction_id not in new],
    )


def seed_of(data_hash: object, seed: int) -> int:
    """Return what a replay draws with: another one each time, so that not the same few older rows go over again."""
    return seed ^ int(str(data_hash)[:8], 16)


def figures(judged: Judged) -> Metrics:
    """Return the areas under the curve of a model: all there is time for."""
    found = {}
    for at, category in enumerate(CATEGORIES):
        known = judged.frozen.known[:, at]
        truth = judged.frozen.labels[known, at] == 1
        found[category] = CategoryMetrics(len(truth), int(truth.sum()), area(judged.chances[known, at], truth))
    areas = [each.auc for each in found.values() if each.auc is not None]
    mean = float(np.mean(areas)) if areas else None
    return Metrics(CategoryMetrics(len(judged.frozen), sum(each.positives for each in found.values()), mean), found)


def _learned(
    start: Model, taught: Sequence[Lesson], before: Sequence[Lesson], older: Rows, seed: int, facts: Mapping[str, Any]
) -> Model:
    if not taught:
        return start
    said, earlier = (replaying.said_rows(some, start.path) for some in (taught, before))
    return replaying.replay(start, said, older, seed=seed, facts=facts, earlier=earlier)


def _of(judged: Judged, frozen: Frozen, places: NDArray[np.int64]) -> Judged:
    """Return what was said of some of the rows."""
    return judged if frozen is judged.frozen else Judged(frozen, judged.scores[places], judged.thresholds)


def _held_out(sources: Sources) -> list[Path]:
    return [Path(each) for each in sources.held_out]


@lru_cache(maxsize=4)
def _loaded(artifacts: str, name: str) -> Model:
    return model.load(ArtifactStore(Path(artifacts)).get(name))


def _first(table: pd.DataFrame, many: int) -> pd.DataFrame:
    """Return so many rows, always the same ones: those whose keys have the smallest digests."""
    order = np.argsort([digest(key.encode("utf-8", "replace")) for key in table["key"]], kind="stable")[:many]
    return table.iloc[np.sort(order)]


def _hash(parent: str, taught: Sequence[Lesson]) -> str:
    facts = sorted(orjson.dumps([key_of(each.text), sorted(each.labels.items()), each.weak]) for each in taught)
    return digest(parent.encode() + b"\n".join(facts))
