"""Trains in a process of its own, so that fitting never holds up an event.

Parent and child speak JSON over pipes. The job's pipe stays open while the parent lives: when it closes, for
whatever reason, the child ends, so no worker outlives its service. Nothing is pickled.
"""

import asyncio
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.trainer.labels import lessons
from services.trainer.runs import Answer, Job, Result
from shared.artifacts import ArtifactStore, BadArtifact
from shared.errors import describe
from shared.sample import rows

JOB: TypeAdapter[Job] = TypeAdapter(Job)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)

NICE = 10
"""A worker gives way to the services beside it."""
ORPHANED = 3
"""Exit code of a worker whose parent is gone."""


class RunFailed(Exception):
    """A run ended without a model; the message says why in words and quotes no text."""


class Runner:
    """Starts workers, one per job."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    async def run(self, job: Job) -> Result:
        """Return what a worker made of the job; on cancellation and at the time limit the worker is killed.

        Raises RunFailed with the reason.
        """
        command = (sys.executable, "-W", "ignore", "-m", "services.trainer.runner")
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=_environment())
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await _talk(worker, job)
        except TimeoutError as error:
            raise RunFailed(f"the worker was ended after {self._timeout_s:g} s") from error
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        return _result(said, worker.returncode)


async def _talk(worker: asyncio.subprocess.Process, job: Job) -> bytes:
    """Hand over the job and return all the worker says; its standard input stays open."""
    if worker.stdin is None or worker.stdout is None:
        raise RunFailed("the worker has no pipes")
    with suppress(ConnectionError):  # it died at once; its exit code says more
        worker.stdin.write(JOB.dump_json(job) + b"\n")
        await worker.stdin.drain()
    said = await worker.stdout.read()
    await worker.wait()
    return said


def _result(said: bytes, code: int | None) -> Result:
    try:
        answer = ANSWER.validate_json(said)
    except ValidationError as error:
        raise RunFailed(f"the worker ended with code {code} and no answer") from error
    if answer.result is None:
        raise RunFailed(answer.error or "the worker gave no reason")
    return answer.result


def _environment() -> dict[str, str]:
    """Return all a worker needs to know: where our code is, and that it has one thread. No secret is passed on."""
    return {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def train(job: Job) -> Result:
    """Return the model of a job, judged beside the champion on the same held-out rows.

    What is judged is what was stored and loaded again: an artifact that cannot be loaded is never offered.
    """
    # only workers load these: a trainer that waits for corrections needs no scikit-learn
    from services.trainer import dataset, evaluation, recipes
    from shared import model
    from shared.vocabulary import CATEGORIES

    artifacts = ArtifactStore(Path(job.artifacts))
    taught = lessons(job.corrections)
    table = dataset.examples(rows("train"), taught, correction_weight=job.correction_weight)
    training, held_out = table[table["split"] == dataset.TRAIN], table[table["split"] == dataset.HELD_OUT]

    def judge(judged: model.Model) -> evaluation.Metrics:
        scores = judged.score(held_out["text"].tolist())
        return evaluation.evaluate(scores, held_out[list(CATEGORIES)].to_numpy(float))

    shipped = model.load(model.shipped())
    start = shipped
    notes: tuple[str, ...] = ()
    champion = None
    if job.champion is not None:
        try:
            start = model.load(artifacts.get(job.champion))
            champion = judge(start)
        except (FileNotFoundError, BadArtifact):
            notes = ("the champion's artifact cannot be loaded any more: learning goes on from the shipped model",)
    if taught:
        fingerprint = dataset.data_hash(table)
        facts = {"data_hash": fingerprint, "parent_data_hash": start.facts["data_hash"], "examples": len(training)}
        made = recipes.replay(start, training, seed=job.seed, facts=facts)
    else:
        made, fingerprint = shipped, str(shipped.facts["data_hash"])
    artifact = artifacts.put(model.dump(made))
    candidate = judge(model.load(artifacts.get(artifact)))
    decision = evaluation.decide(candidate, champion, job.gate_tolerance)
    return Result(
        model=model.NAME,
        artifact=artifact,
        data_hash=fingerprint,
        examples=int(made.facts["examples"]),
        corrections=int((training["source"] == dataset.CORRECTION).sum()),
        held_out=len(held_out),
        metrics=asdict(candidate),
        champion_metrics=None if champion is None else asdict(champion),
        passed=decision.passed,
        reasons=(*notes, *decision.reasons),
        taught=tuple(lesson.correction_id for lesson in taught),
    )


def main() -> None:
    """Do the job on standard input and say the answer on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library writes to standard output goes with the errors
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICE)
    try:
        answer = Answer(result=train(JOB.validate_json(line)))
    except Exception as error:
        reason = str(error) if type(error).__name__ == "TooLittleData" else describe(error)
        answer = Answer(error=reason)
    with answers:
        answers.write(ANSWER.dump_json(answer))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
