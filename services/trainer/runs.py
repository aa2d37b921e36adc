"""What a run is: when one is due, what its worker gets and gives back, what its model is called. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from services.trainer.caps import Caps
from services.trainer.labels import Correction

RecipeName = Literal["hashed", "sgd", "logistic"]

MOST_ATTEMPTS = 3
OWNER_GONE_S = 30.0
"""A running run without a heartbeat for this long belongs to nobody."""


class RunKind(StrEnum):
    """What a run makes: a model from all there is, a model that goes on from the champion, or something else."""

    REFIT = "refit"
    REPLAY = "replay"
    POPULATION = "population"
    TOPICS = "topics"


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
    SCHEDULE = "schedule"
    COMMAND = "command"
    DRIFT = "drift"
    RATINGS = "ratings"


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that is queued or running; of each kind and recipe there is one at most."""

    run_id: str
    state: RunState
    attempt: int
    heartbeat_at: datetime | None
    kind: RunKind = RunKind.REFIT


@dataclass(frozen=True, slots=True)
class Outlook:
    """What decides whether to queue a refit: what is active, how many models there are, new corrections.

    `news` is how many corrections and retractions no refit has seen, `last_refit_at` when one was asked for last.
    """

    active: tuple[ActiveRun, ...]
    models: int
    waiting: int
    news: int = 0
    last_refit_at: datetime | None = None

    def of(self, kind: RunKind) -> ActiveRun | None:
        """Return the active run of a kind."""
        return next((run for run in self.active if run.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Due:
    """A run that has to be queued."""

    kind: RunKind
    trigger: Trigger
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in our hands. Whoever writes about it proves with owner and attempt that it still is."""

    run_id: str
    recipe: RecipeName
    attempt: int
    owner: str
    kind: RunKind = RunKind.REFIT
    options: Mapping[str, Any] = field(default_factory=dict)
    trigger: Trigger = Trigger.COMMAND


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that scores now; `root` is the refit its lineage began with."""

    version: str
    artifact: str
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What a run learns from beside corrections (paths), what must teach it nothing, and how much anybody may teach.

    `tables` is the folder where the table of all that is kept; without `caps` everybody teaches as they please.
    """

    training_sets: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    tables: str | None = None
    caps: Caps | None = None


@dataclass(frozen=True)
class Job:
    """Everything the worker of a refit needs; it travels as JSON over its standard input.

    `folder` keeps what steps leave, `kept` names what earlier attempts left there: step -> name -> SHA-256; in
    `studies` those of hyper-parameters are kept. `root` is the artifact of the full training that the champion goes on
    from, None where the champion is one.
    """

    recipe: RecipeName
    seed: int
    correction_weight: float
    gate_tolerance: float
    artifacts: str
    champion: str | None
    corrections: tuple[Correction, ...]
    folder: str = ""
    kept: dict[str, dict[str, str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    sources: Sources = Sources()
    studies: str = ""
    root: str | None = None


@dataclass(frozen=True)
class ReplayJob:
    """Everything a replay needs that the worker does not keep in memory.

    `champion` and `root` are artifacts: the model in force, and the last full training it goes on from. `waiting` is
    what it shall learn, `learned` what it learned since that training.
    """

    seed: int
    tolerance: float
    artifacts: str
    sources: Sources
    champion: str
    root: str | None = None
    waiting: tuple[Correction, ...] = ()
    learned: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What learning one correction did to the score of its text: category spoken about -> probability."""

    correction_id: str
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class Result:
    """What the worker made: a durable artifact, its figures, what the gate said, and who taught it.

    `examples` and `corrections` count rows that trained, `taught` names the corrections behind them, `looked_at` those
    that said nothing new, `effects` what became of their scores. `checks` are the gate's, as they are shown. `facts`
    is what is logged of the model and `left` what else it left in the artifact store: `card`, `plot_*`.
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
    looked_at: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    checks: tuple[dict[str, Any], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def slot_of(kind: RunKind, recipe: str) -> str:
    """Return what at most one active run may hold."""
    return f"{kind.value}:{recipe}"


def due(
    outlook: Outlook, *, corrections_per_run: int, start_rests: bool, scheduled_at: datetime | None = None
) -> Trigger | None:
    """Return why a refit has to be queued now, if one has to.

    Without any model one is made; after a start that failed the next one waits (`start_rests`). `scheduled_at` is the
    last moment the schedule named: it counts once, and only if there is something new to learn.
    """
    if outlook.of(RunKind.REFIT) is not None:
        return None
    if outlook.models == 0 and not start_rests:
        return Trigger.START
    if outlook.waiting >= corrections_per_run:
        return Trigger.CORRECTIONS
    last = outlook.last_refit_at
    if scheduled_at is not None and outlook.news and last is not None and last < scheduled_at:
        return Trigger.SCHEDULE
    return None


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
