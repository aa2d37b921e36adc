"""What runs in a worker process: orders on standard input, how far they are and what came of them on standard output.

Invariant: a worker never outlives its parent: when its standard input closes it ends, whatever it is doing.
"""

import os
import queue
import sys
import threading
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from services.trainer.jobs import WORK
from services.trainer.runs import RunKind
from services.trainer.steps import Progress
from shared.errors import describe

NICE = 10
"""A worker gives way to the services beside it; not the one that stands by: somebody waits for what it does."""
ORPHANED = 3
"""Exit code of a worker whose parent is gone."""


@dataclass(frozen=True)
class Order:
    """A job of a kind; with `warm` only what makes the worker ready for one."""

    kind: RunKind
    job: dict[str, Any]
    warm: bool = False


@dataclass(frozen=True)
class Answer:
    """A line of a worker: how far it is, or at last the result, or why there is none."""

    result: Any = None
    error: str | None = None
    progress: Progress | None = None


ORDER: TypeAdapter[Order] = TypeAdapter(Order)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def answer_to(line: bytes, answers: BinaryIO) -> Answer:
    """Return what came of an order; how far it is goes to `answers` meanwhile."""

    def say(progress: Progress) -> None:
        _write(answers, Answer(progress=progress))

    try:
        order = ORDER.validate_json(line)
        work = WORK[order.kind]
        job = TypeAdapter(work.job).validate_python(order.job)
        if order.warm:
            _function(work.warm or work.function)(job)
            return Answer(result={})
        result = _function(work.function)(job, say)
        return Answer(result=TypeAdapter(work.result).dump_python(result, mode="json"))
    except Exception as error:
        return Answer(error=str(error) if type(error).__name__ == "TooLittleData" else describe(error))


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _write(answers: BinaryIO, answer: Answer) -> None:
    answers.write(ANSWER.dump_json(answer) + b"\n")
    answers.flush()


def main(stays: bool) -> None:
    """Do the order on standard input and say what came of it on standard output; `stays` for one after the other."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library writes to standard output goes with the errors
    orders: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    if not stays:
        os.nice(NICE)
    with answers:
        while True:
            _write(answers, answer_to(orders.get(), answers))
            if not stays:
                os._exit(0)  # the listener sits in a read that would hold up an orderly end


def _listen(orders: "queue.Queue[bytes]") -> None:
    while line := sys.stdin.buffer.readline():
        orders.put(line)
    os._exit(ORPHANED)


if __name__ == "__main__":
    main("--stay" in sys.argv[1:])
