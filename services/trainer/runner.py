"""Works in processes of their own, so that fitting never holds up an event.

Parent and child speak lines of JSON over pipes: a job in, how far it is and in the end a result out. The job's pipe
stays open while the parent lives: when it closes, for whatever reason, the child ends, so no worker outlives its
service. Nothing is pickled. What a worker is, is services.trainer.worker.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.trainer.jobs import WORK
from services.trainer.runs import RunKind
from services.trainer.steps import Progress
from services.trainer.worker import Answer, Order

ORDER: TypeAdapter[Order] = TypeAdapter(Order)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line of a worker: an answer names every correction it learned."""

Heard = Callable[[Progress], Awaitable[None]]


class RunFailed(Exception):
    """A run ended without a result; the message says why in words and quotes no text."""


class Runner:
    """Starts workers: one per job, at most `workers` at a time, and one that stands by for urgent kinds."""

    def __init__(self, timeout_s: float, workers: int = 1, *, standby: bool = False) -> None:
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(workers)
        self._standby = _Standby() if standby else None

    def busy(self, kind: RunKind) -> bool:
        """Return whether a job of this kind would have to wait for a worker."""
        if self._stands_by(kind) and self._standby is not None:
            return self._standby.lock.locked()
        return self._free.locked()

    async def run(self, kind: RunKind, job: Any, heard: Heard | None = None, *, extra_s: float = 0.0) -> Any:
        """Return what a worker made of the job; on cancellation and at the time limit the worker is killed.

        `heard` is told how far it is, `extra_s` is added to the limit. Raises RunFailed with the reason.
        """
        # a job may carry all texts of a corpus: writing it down would hold up events for a second
        order, limit = await asyncio.to_thread(_order, kind, job), self._timeout_s + extra_s
        try:
            async with asyncio.timeout(limit):
                if self._stands_by(kind) and self._standby is not None:
                    return _result(kind, await self._standby.ask(order, heard))
                async with self._free:
                    return _result(kind, await _once(order, heard))
        except TimeoutError as error:
            raise RunFailed(f"the worker was ended after {limit:g} s") from error

    async def warm(self, kind: RunKind, job: Any) -> None:
        """Let the worker that stands by get ready for a kind; without one nothing happens. Raises RunFailed."""
        if self._stands_by(kind) and self._standby is not None:
            await self._standby.ask(_order(kind, job, warm=True), None)

    async def stop(self) -> None:
        """End the worker that stands by."""
        if self._standby is not None:
            await self._standby.end()

    def _stands_by(self, kind: RunKind) -> bool:
        return self._standby is not None and WORK[kind].warm is not None


class _Standby:
    """One worker that stays for the next job; a new one is started when it is gone."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._worker: asyncio.subprocess.Process | None = None

    async def ask(self, order: bytes, heard: Heard | None) -> Answer:
        async with self.lock:
            if self._worker is None or self._worker.returncode is not None:
                self._worker = await _started("--stay")
            try:
                return await _talk(self._worker, order, heard)
            except BaseException:  # half an answer may be on its way: this worker is no use any more
                await self.end()
                raise

    async def end(self) -> None:
        if self._worker is not None:
            await _ended(self._worker)
            self._worker = None


async def _once(order: bytes, heard: Heard | None) -> Answer:
    worker = await _started()
    try:
        return await _talk(worker, order, heard)
    finally:
        await _ended(worker)


async def _started(*options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-W", "ignore", "-m", "services.trainer.worker", *options)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, env=environment(), limit=LONGEST_LINE
    )


async def _ended(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is None:
        with suppress(ProcessLookupError):
            worker.kill()
    await worker.wait()


async def _talk(worker: asyncio.subprocess.Process, order: bytes, heard: Heard | None) -> Answer:
    """Hand over an order and return the answer; the worker's standard input stays open."""
    if worker.stdin is None or worker.stdout is None:
        raise RunFailed("the worker has no pipes")
    with suppress(ConnectionError):  # it died at once; its exit code says more
        worker.stdin.write(order + b"\n")
        await worker.stdin.drain()
    while line := await worker.stdout.readline():
        try:
            answer = ANSWER.validate_json(line)
        except ValidationError:
            break
        if answer.progress is None:
            return answer
        if heard is not None:
            await heard(answer.progress)
    code = await worker.wait() if worker.returncode is None and not line else worker.returncode
    raise RunFailed(f"the worker ended with code {code} and no answer")


def _order(kind: RunKind, job: Any, *, warm: bool = False) -> bytes:
    plain = TypeAdapter(WORK[kind].job).dump_python(job, mode="json")
    return ORDER.dump_json(Order(kind, plain, warm))


def _result(kind: RunKind, answer: Answer) -> Any:
    if answer.result is None:
        raise RunFailed(answer.error or "the worker gave no reason")
    return TypeAdapter(WORK[kind].result).validate_python(answer.result)


def environment() -> dict[str, str]:
    """Return all a worker needs to know: where our code is, and that it has one thread. No secret is passed on."""
    return {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
