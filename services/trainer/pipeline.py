"""The work of a refit, in its worker process: from what people taught to a model that was judged, in named steps.

Invariant: a step is done once what it leaves is stored under its SHA-256; what is judged is what was stored and loaded
again. A step whose output is there already is not repeated, unless what there is to learn from has changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from services.trainer import dataset, evaluation, recipes
from services.trainer.caps import Capped, within
from services.trainer.corrected import CORRECTION, with_corrections
from services.trainer.labels import Correction, Lesson, lessons, text_of
from services.trainer.runs import Effect, Job, Result
from services.trainer.sets.fingerprints import ALL, data_hashes
from services.trainer.steps import Progress, Say, StepStatus
from shared import model
from shared.artifacts import ArtifactStore, BadArtifact
from shared.vocabulary import CATEGORIES

Output = dict[str, Any]


def work(job: Job, say: Say) -> Result:
    """Return the model of a job, judged beside the champion on the same held-out rows."""
    kept = Kept(ArtifactStore(Path(job.folder)), job.kept, say)
    artifacts = ArtifactStore(Path(job.artifacts))
    # 1. data: made again whenever it is asked for, so that no text lies about; its hash says whether it is the same
    data, table, taught = _data(job, kept)
    training, held_out = table[table["split"] == "train"], table[table["split"] == "dev"]
    # 2. features
    start = model.load(model.shipped())
    kept.step("features", lambda: {"rows": len(training), "normaliser": str(start.facts.get("normaliser", ""))})
    # 3. tuning
    kept.skip("tuning", "not asked for")
    # 4. training
    made = kept.step("training", lambda: _trained(job, artifacts, start, training, data))
    # 5. evaluation
    judged = kept.step("evaluation", lambda: _judged(job, artifacts, made["artifact"], held_out, taught))
    # 6. the gate
    decision = kept.step("gate", lambda: _decided(job, judged))
    return Result(
        model=model.NAME,
        artifact=made["artifact"],
        data_hash=made["data_hash"],
        examples=made["examples"],
        corrections=int((training["source"] == CORRECTION).sum()),
        held_out=len(held_out),
        metrics=judged["metrics"],
        champion_metrics=judged["champion_metrics"],
        passed=decision["passed"],
        reasons=tuple(decision["reasons"]),
        taught=tuple(lesson.correction_id for lesson in taught),
        looked_at=tuple(data["looked_at"]),
        effects=tuple(Effect(**each) for each in judged["effects"]),
        checks=tuple(decision["checks"]),
    )


class Kept:
    """What the steps of a run left in its folder, and how far they are."""

    def __init__(self, folder: ArtifactStore, kept: Mapping[str, Mapping[str, str]], say: Say) -> None:
        self._folder = folder
        self._kept = dict(kept)
        self._say = say

    def step(self, name: str, make: Callable[[], Output], lines: Callable[[Output], str] | None = None) -> Output:
        """Return what a step leaves: as it was kept, or made and stored now."""
        known = self.known(name)
        if known is not None:
            self._say(Progress(name, line="done before"))
            return known
        self._kept = {}  # what came after rests on what is made now
        self._say(Progress(name, StepStatus.RUNNING))
        made = make()
        self._say(Progress(name, line=said(made) if lines is None else lines(made)))
        output = self._folder.put(orjson.dumps(made, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY))
        left = {"output": output, **({"model": made["artifact"]} if "artifact" in made else {})}
        self._say(Progress(name, StepStatus.DONE, artifacts=left))
        return made

    def skip(self, name: str, why: str) -> None:
        """Say that a step is not done this time."""
        self._say(Progress(name, StepStatus.SKIPPED, why))

    def known(self, name: str) -> Output | None:
        """Return what a step left before, if it can still be read."""
        try:
            found: Output = orjson.loads(self._folder.get(self._kept[name]["output"]))
        except (KeyError, FileNotFoundError, BadArtifact, orjson.JSONDecodeError):
            return None
        return found

    def forget(self, name: str, why: str) -> None:
        """Make a step anew, and what follows from it."""
        self._say(Progress(name, line=why))
        self._kept = {}


def said(output: Output) -> str:
    """Return the plain facts of an output as one line."""
    return ", ".join(f"{name} {value}" for name, value in output.items() if isinstance(value, (int, float, str, bool)))


def _data(job: Job, kept: Kept) -> tuple[Output, pd.DataFrame, tuple[Lesson, ...]]:
    before = kept.known("data")
    if before is not None:
        seen = set(before["seen"])
        found = _learned_from(job, tuple(each for each in job.corrections if each.correction_id in seen))
        if data_hashes(found.table) == before["data_hashes"]:
            return kept.step("data", dict), found.table, found.taught
        kept.forget("data", "what there is to learn from has changed since: the run begins anew")
    made: list[LearnedFrom] = []

    def make() -> Output:
        found = _learned_from(job, job.corrections)
        made.append(found)
        names = {lesson.correction_id for lesson in found.taught}
        hashes = data_hashes(found.table)
        return {
            "data_hash": hashes[ALL],
            "data_hashes": hashes,
            "rows": len(found.table),
            "lessons": len(names),
            "left_out": found.left_out,
            "seen": [each.correction_id for each in job.corrections],
            "looked_at": [each.correction_id for each in job.corrections if _silent(each, names)],
        }

    return kept.step("data", make, _data_in_words), made[0].table, made[0].taught


def _data_in_words(output: Output) -> str:
    waiting = "".join(f", {count} left out ({reason})" for reason, count in output["left_out"].items())
    return f"{output['rows']} rows, {output['lessons']} corrections{waiting}; data hash {output['data_hash']}"


def _silent(correction: Correction, names: set[str]) -> bool:
    """Return whether a correction whose text is known says nothing (new); without its text it still may."""
    return correction.correction_id not in names and correction.retracts is None and text_of(correction) is not None


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """The examples of a run, the lessons among them, and how many were left out: reason -> number."""

    table: pd.DataFrame
    taught: tuple[Lesson, ...]
    left_out: dict[str, int]


def _learned_from(job: Job, corrections: tuple[Correction, ...]) -> LearnedFrom:
    sources = job.sources
    held_out = [Path(each) for each in sources.held_out]
    fit = dataset.allowed(lessons(corrections), held_out)
    capped = Capped(fit.lessons) if sources.caps is None else within(fit.lessons, sources.caps)
    base = dataset.base(
        [Path(each) for each in sources.training_sets],
        held_out=held_out,
        cache=Path(sources.tables) if sources.tables else None,
        sentences=bool(capped.lessons or sources.training_sets or job.champion),
    )
    left_out = {**capped.counted, **({"held_out": len(fit.held_out)} if fit.held_out else {})}
    return LearnedFrom(with_corrections(base, capped.lessons, job.correction_weight), capped.lessons, left_out)


def _trained(job: Job, artifacts: ArtifactStore, start: model.Model, training: pd.DataFrame, data: Output) -> Output:
    """Store a model that learned every correction that stands; it goes on from the shipped one, never the champion.

    So what was taken back is gone, and a thousand small replays leave no trace.
    """
    made = start
    if data["lessons"]:
        parent = start.facts["data_hash"]
        facts = {"data_hash": data["data_hash"], "parent_data_hash": parent, "examples": len(training)}
        made = recipes.replay(start, training, seed=job.seed, facts=facts)
    return {
        "artifact": artifacts.put(model.dump(made)),
        "data_hash": str(made.facts["data_hash"]),
        "examples": int(made.facts["examples"]),
    }


def _judged(
    job: Job, artifacts: ArtifactStore, artifact: str, held_out: pd.DataFrame, taught: Sequence[Lesson]
) -> Output:
    candidate = model.load(artifacts.get(artifact))
    notes: tuple[str, ...] = ()
    champion = None
    if job.champion is not None:
        try:
            champion = model.load(artifacts.get(job.champion))
        except (FileNotFoundError, BadArtifact):
            notes = ("the champion's artifact cannot be loaded any more: the candidate is judged alone",)

    def figures(judged: model.Model | None) -> dict[str, Any] | None:
        if judged is None:
            return None
        scores = judged.score(held_out["text"].tolist())
        return asdict(evaluation.evaluate(scores, held_out[list(CATEGORIES)].to_numpy(float)))

    return {
        "metrics": figures(candidate),
        "champion_metrics": figures(champion),
        "notes": notes,
        "effects": [asdict(each) for each in effects(champion, candidate, taught)],
    }


def effects(before: model.Model | None, after: model.Model, taught: Sequence[Lesson]) -> list[Effect]:
    """Return the scores of corrected texts with the model of before (if there is one) and of now."""
    texts = [lesson.text for lesson in taught]
    if not texts:
        return []
    earlier = before.score(texts) if before is not None else np.full((len(texts), len(CATEGORIES)), np.nan)
    later = after.score(texts)
    return [
        Effect(lesson.correction_id, _spoken(lesson, old), _spoken(lesson, new))
        for lesson, old, new in zip(taught, earlier, later, strict=True)
    ]


def _spoken(lesson: Lesson, scores: Any) -> dict[str, float]:
    """Return the known scores of the categories a person spoke about, to four places."""
    columns = {name: float(scores[CATEGORIES.index(name)]) for name in sorted(lesson.labels)}
    return {name: round(value, 4) for name, value in columns.items() if not np.isnan(value)}


def _decided(job: Job, judged: Output) -> Output:
    candidate, champion = (_metrics(judged[each]) for each in ("metrics", "champion_metrics"))
    if candidate is None:
        raise ValueError("there is no candidate to judge")
    decision = evaluation.decide(candidate, champion, job.gate_tolerance)
    return {"passed": decision.passed, "reasons": [*judged["notes"], *decision.reasons], "checks": []}


def _metrics(plain: dict[str, Any] | None) -> evaluation.Metrics | None:
    if plain is None:
        return None
    categories = {name: evaluation.CategoryMetrics(**row) for name, row in plain["categories"].items()}
    return evaluation.Metrics(evaluation.CategoryMetrics(**plain["macro"]), categories)
