"""What a run is: when one is due, what its worker gets and gives back, what its model is called. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from services.trainer.labels import Correction

RecipeName = Literal["hashed", "sgd", "logistic"]

MOST_ATTEMPTS = 3
OWNER_GONE_S = 30.0
"""A running run without a heartbeat for this long belongs to nobody."""


class RunState(StrEnum):
    """How far a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Trigger(StrEnum):
    """Why a run was queued."""

    START = "start"
    CORRECTIONS = "corrections"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """The one run that is queued or running."""

    run_id: str
    state: RunState
    attempt: int
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What decides whether to queue a run: the active one, how many models there are, new corrections."""

    active: ActiveRun | None
    models: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in our hands. Whoever writes about it proves with owner and attempt that it still is."""

    run_id: str
    recipe: RecipeName
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that scores now."""

    version: str
    artifact: str


@dataclass(frozen=True)
class Job:
    """Everything the worker process needs; it travels as JSON over its standard input."""

    recipe: RecipeName
    seed: int
    correction_weight: float
    gate_tolerance: float
    artifacts: str
    champion: str | None
    corrections: tuple[Correction, ...]


@dataclass(frozen=True)
class Result:
    """What the worker made: a durable artifact, its figures, what the gate said, and who taught it.

    `examples` and `corrections` count rows that trained, `taught` names the corrections behind them.
    """

    model: str
    artifact: str
    data_hash: str
    examples: int
    corrections: int
    held_out: int
    metrics: dict[str, Any]
    champion_metrics: dict[str, Any] | None
    passed: bool
    reasons: tuple[str, ...]
    taught: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The one line a worker says: a result, or why there is none."""

    result: Result | None = None
    error: str | None = field(default=None)


def due(outlook: Outlook, *, corrections_per_run: int, start_rests: bool) -> Trigger | None:
    """Return why a run has to be queued now, if one has to.

    Without any model one is made; after a start that failed the next one waits (`start_rests`).
    """
    if outlook.active is not None:
        return None
    if outlook.models == 0 and not start_rests:
        return Trigger.START
    return Trigger.CORRECTIONS if outlook.waiting >= corrections_per_run else None


def is_lost(run: ActiveRun, now: datetime) -> bool:
    """Return whether a running run's owner is gone."""
    if run.state is not RunState.RUNNING or run.heartbeat_at is None:
        return False
    return now - run.heartbeat_at > timedelta(seconds=OWNER_GONE_S)


def version_of(sequence: int, artifact: str) -> str:
    """Return a model's version: its number and the start of its digest, `m-0007-1a2b3c4d`."""
    return f"m-{sequence:04d}-{artifact[:8]}"


def flat(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as an event carries them: `auc` is the macro average, `auc.insult` one category's."""
    named = {"": metrics["macro"], **{f".{name}": row for name, row in metrics["categories"].items()}}
    return {
        f"{figure}{suffix}": float(value)
        for suffix, row in named.items()
        for figure, value in row.items()
        if value is not None
    }
