"""The work of a refit, in its worker process: from what people taught to a model that was judged, in named steps.

Invariant: a step is done once what it leaves is stored under its SHA-256; what is judged is what was stored and loaded
again. A step whose output is there already is not repeated, unless what there is to learn from has changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from services.trainer import dataset
from services.trainer.caps import Capped, within
from services.trainer.corrected import CORRECTION, with_corrections
from services.trainer.deciding import decided, figures, frozen_of, learned
from services.trainer.effects import effects
from services.trainer.gate.frozen import Frozen
from services.trainer.hyper import Hyper, hyper_of, params
from services.trainer.labels import Correction, Lesson, lessons, text_of
from services.trainer.recalibration import live_rates, shifted
from services.trainer.recording import recorded, watching
from services.trainer.refitting import from_nothing, refit
from services.trainer.runs import Effect, Job, Result
from services.trainer.sets.fingerprints import ALL, data_hashes
from services.trainer.steps import Progress, Say, StepStatus
from shared import model
from shared.artifacts import ArtifactStore, BadArtifact
from shared.clock import monotonic
from shared.ids import digest
from shared.model.paths import BUCKETS
from shared.model.text import NORMALISER, normalise, tokens

Output = dict[str, Any]
LOOKED_INTO = 200
"""Rows whose tokens are counted for the log."""


@dataclass(frozen=True, slots=True)
class Material:
    """The examples of a run, the lessons among them, corrections that say nothing or may not teach, and how many were
    left out: reason -> number. `hashes` are those of the table.
    """

    table: pd.DataFrame
    taught: tuple[Lesson, ...]
    silent: tuple[str, ...]
    left_out: dict[str, int]
    hashes: dict[str, str]

    def rows(self, split: str) -> pd.DataFrame:
        """Return the rows of one side."""
        return self.table[self.table["split"] == split]


def work(job: Job, say: Say) -> Result:
    """Return the model of a job, judged beside the champion on the same rows that taught neither."""
    kept = Kept(ArtifactStore(Path(job.folder)), job.kept, say)
    artifacts = ArtifactStore(Path(job.artifacts))
    # the table is made again whenever it is needed, so that no text lies about; its hash says whether it is the same
    data, material = _data(job, kept)
    training, frozen = material.rows("train"), frozen_of(material.table)
    kept.step("features", lambda: _features(training))
    hyper, study = _hyper(job, kept, material)
    made = kept.step("training", lambda: _trained(job, artifacts, material, hyper))
    before = kept.known("evaluation")
    if before is not None and before.get("champion") != job.champion:
        kept.forget("evaluation", "another model is champion by now: the two are compared anew")
    judged = kept.step("evaluation", lambda: _judged(job, artifacts, made["artifact"], frozen, material.taught))
    decision = kept.step("gate", lambda: _decided(job, artifacts, made["artifact"], judged, frozen, material))
    facts, left = _recorded(job, artifacts, material, hyper, made, study)
    return Result(
        model=model.NAME,
        artifact=made["artifact"],
        data_hash=made["data_hash"],
        examples=made["examples"],
        corrections=int((training["source"] == CORRECTION).sum()),
        held_out=len(frozen),
        metrics=judged["metrics"],
        champion_metrics=judged["champion_metrics"],
        passed=decision["passed"],
        reasons=tuple(decision["reasons"]),
        taught=tuple(lesson.correction_id for lesson in material.taught),
        looked_at=tuple(data["silent"]),
        effects=tuple(Effect(**each) for each in judged["effects"]),
        checks=tuple(decision["checks"]),
        facts=facts,
        left=left,
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

    def log(self, name: str, line: str) -> None:
        """Add a line to a step's log."""
        self._say(Progress(name, line=line))

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


def _data(job: Job, kept: Kept) -> tuple[Output, Material]:
    before = kept.known("data")
    if before is not None:
        seen = set(before["seen"])
        material = _material(job, tuple(each for each in job.corrections if each.correction_id in seen))
        if material.hashes[ALL] == before["data_hash"]:
            return kept.step("data", dict), material
        kept.forget("data", "what there is to learn from has changed since: the run begins anew")
    made: list[Material] = []

    def make() -> Output:
        made.append(material := _material(job, job.corrections))
        return {
            "data_hash": material.hashes[ALL],
            "rows": len(material.table),
            "lessons": len(material.taught),
            "hashes": material.hashes,
            "left_out": material.left_out,
            "seen": [each.correction_id for each in job.corrections],
            "silent": material.silent,
        }

    return kept.step("data", make, _data_in_words), made[0]


def _data_in_words(output: Output) -> str:
    waiting = "".join(f", {count} left out ({reason})" for reason, count in output["left_out"].items())
    return f"{output['rows']} rows, {output['lessons']} corrections{waiting}; data hash {output['data_hash']}"


def _material(job: Job, corrections: tuple[Correction, ...]) -> Material:
    said, sources = lessons(corrections), job.sources
    held_out = [Path(each) for each in sources.held_out]
    allowed = dataset.allowed(said, held_out)
    capped = Capped(allowed.lessons) if sources.caps is None else within(allowed.lessons, sources.caps)
    base = dataset.base(
        [Path(each) for each in sources.training_sets],
        held_out=held_out,
        cache=Path(sources.tables) if sources.tables else None,
        # a first start shows the model that ships: it is looked at with the sample alone, so that it comes soon
        sentences=bool(capped.lessons or job.champion) or from_nothing(job.recipe, bool(sources.training_sets)),
    )
    table = with_corrections(base, capped.lessons, job.correction_weight)
    names = {lesson.correction_id for lesson in said}
    silent = [each.correction_id for each in corrections if _silent(each, names)]
    left_out = {**capped.counted, **({"held_out": len(allowed.held_out)} if allowed.held_out else {})}
    # what waits for a cap waits for the next refit: no small replay in between may teach it
    silent += [*allowed.held_out, *capped.waiting]
    return Material(table, capped.lessons, tuple(silent), left_out, data_hashes(table))


def _silent(correction: Correction, names: set[str]) -> bool:
    """Return whether a correction whose text is known says nothing (new); without its text it still may."""
    return correction.correction_id not in names and correction.retracts is None and text_of(correction) is not None


def _features(training: pd.DataFrame) -> Output:
    """Say what rows look like to a model. The vectors are made where they are learned from: as a file they would be
    two hundred megabytes of what people wrote, hardly disguised.
    """
    some = training["text"].iloc[:: max(1, len(training) // LOOKED_INTO)].tolist()
    per_text = round(sum(len(tokens(normalise(text))) for text in some) / max(1, len(some)), 1)
    return {"rows": len(training), "buckets": BUCKETS, "normaliser": NORMALISER, "tokens per text": per_text}


def _hyper(job: Job, kept: Kept, material: Material) -> tuple[Hyper, Output | None]:
    """Return what to train with, and the report of the study that found it, if there was one."""
    default = hyper_of({}, job.seed)
    if not job.options.get("tune"):
        kept.skip("tuning", "not asked for")
        return default, None
    found = kept.step("tuning", lambda: _tuned(job, kept, material, default))
    return hyper_of(found["hyper"], job.seed), found.get("report")


def _tuned(job: Job, kept: Kept, material: Material, default: Hyper) -> Output:
    from services.trainer.recipes import TooLittleData
    from services.trainer.tuning.objective import NothingToJudge
    from services.trainer.tuning.study import Budget, tune
    from services.trainer.tuning.study import Progress as Trial

    def told(trial: Trial) -> None:
        worth = "-" if trial.score is None else f"{trial.score:.4f}"
        kept.log("tuning", f"trial {trial.trial} {trial.state}: {worth}")

    budget = Budget(minutes=float(job.options.get("minutes", 1)))
    hashes, folder = material.hashes[ALL], Path(job.studies)
    try:
        found = tune(material.table, job.recipe, folder, data_hash=hashes, seed=job.seed, budget=budget, told=told)
    except (NothingToJudge, TooLittleData) as error:
        return {"hyper": params(job.recipe, default), "why": str(error)}
    return {"hyper": params(job.recipe, found.hyper), "report": found.report}


def _trained(job: Job, artifacts: ArtifactStore, material: Material, hyper: Hyper) -> Output:
    """Store the model that learned every correction that may teach; see services.trainer.refitting for how."""
    shipped = model.load(model.shipped())
    training = material.rows("train")
    facts = {
        "data_hash": material.hashes[ALL],
        "parent_data_hash": shipped.facts["data_hash"],
        "examples": len(training),
    }
    sets = bool(job.sources.training_sets)
    watch, epochs = watching(material.table) if from_nothing(job.recipe, sets) else (None, [])
    begun = monotonic()
    made = refit(
        job.recipe,
        material.table,
        shipped=shipped,
        training_sets=sets,
        hyper=hyper,
        facts=facts,
        watch=watch,
    )
    made = shifted(made, live_rates(material.taught))
    return {
        "train_s": round(monotonic() - begun, 3),
        "artifact": artifacts.put(model.dump(made)),
        "data_hash": str(made.facts["data_hash"]),
        "examples": int(made.facts["examples"]),
        "epochs": epochs,
    }


def _recorded(
    job: Job, artifacts: ArtifactStore, material: Material, hyper: Hyper, made: Output, study: Output | None
) -> tuple[Output, dict[str, str]]:
    """Return what is logged of the model and what it leaves beside itself; the shipped one has its own card."""
    if made["artifact"] == digest(model.shipped()):
        return {}, {}
    return recorded(
        artifacts,
        made["artifact"],
        model.load(artifacts.get(made["artifact"])),
        job.recipe,
        hyper,
        material.table,
        material.hashes,
        train_s=made["train_s"],
        params={"correction_weight": job.correction_weight, "training_sets": len(job.sources.training_sets)},
        epochs=made["epochs"],
        tuning=study,
    )


def _judged(job: Job, artifacts: ArtifactStore, artifact: str, frozen: Frozen, taught: tuple[Lesson, ...]) -> Output:
    candidate, champion = model.load(artifacts.get(artifact)), _stored(job.champion, artifacts)
    gone = job.champion is not None and champion is None
    return {
        "champion": job.champion,
        "metrics": figures(candidate, frozen),
        "champion_metrics": None if champion is None else figures(champion, frozen),
        "notes": ["the champion's artifact cannot be loaded any more: the shipped model stands in"] if gone else [],
        "effects": [asdict(each) for each in effects(champion, candidate, taught)],
    }


def _stored(name: str | None, artifacts: ArtifactStore) -> model.Model | None:
    if name is None:
        return None
    try:
        return model.load(artifacts.get(name))
    except (FileNotFoundError, BadArtifact):
        return None


def _decided(
    job: Job, artifacts: ArtifactStore, artifact: str, judged: Output, frozen: Frozen, material: Material
) -> Output:
    candidate = artifacts.get(artifact)
    decision = decided(
        candidate,
        _stored(job.champion, artifacts),
        model.load(model.shipped()),
        frozen,
        material.rows("train"),
        tolerance=job.gate_tolerance,
        held_out=[Path(each) for each in job.sources.held_out],
        taught=learned(material.taught, model.load(candidate), (each["correction_id"] for each in judged["effects"])),
        root=_stored(job.root, artifacts),
    )
    return {**decision, "reasons": [*judged["notes"], *decision["reasons"]]}
