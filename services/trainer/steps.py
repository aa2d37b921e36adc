"""The named steps of a run: how far each is, what it left, and where a run goes on. Pure.

Invariant: a step that is done has its output stored already; one that runs when its process dies is waiting again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

REFIT = ("data", "features", "tuning", "training", "evaluation", "gate", "promotion")
"""What a full training does, in this order."""
TOPICS = ("corpus", "topics")
"""What a search for topics does."""
REPLAY = ("learning", "guard", "promotion")
"""What the fast path does."""
LINES = 200
"""Log lines of a step that are kept: the newest."""
LONGEST = 300
"""Characters of a log line that are kept."""


class StepStatus(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


OVER = frozenset({StepStatus.DONE, StepStatus.SKIPPED})
"""What needs no second time."""


@dataclass(frozen=True)
class Progress:
    """What a worker says about a step while it works: a new status, a line for its log, or both.

    `artifacts` is what the step left: name -> SHA-256. A line quotes no text of a post.
    """

    step: str
    status: StepStatus | None = None
    line: str | None = None
    artifacts: dict[str, str] = field(default_factory=dict)


Say = Callable[[Progress], None]
"""How the function that does a run's work says how far it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a step's log."""

    at: datetime
    line: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run."""

    position: int
    name: str
    status: StepStatus = StepStatus.WAITING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    log: tuple[Line, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)


def planned(names: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps of a run that has not begun."""
    return tuple(Step(position, name) for position, name in enumerate(names))


def after(step: Step, said: Progress, now: datetime) -> Step:
    """Return a step after what its worker said of it."""
    changed = step
    if said.line is not None:
        changed = replace(changed, log=(*changed.log, Line(now, said.line[:LONGEST]))[-LINES:])
    if said.artifacts:
        changed = replace(changed, artifacts={**changed.artifacts, **said.artifacts})
    if said.status is StepStatus.RUNNING:
        changed = replace(changed, status=said.status, started_at=now, finished_at=None)
    elif said.status is not None:
        changed = replace(changed, status=said.status, finished_at=now)
    return changed


def heard(steps: Sequence[Step], said: Progress, now: datetime) -> tuple[Step, ...]:
    """Return the steps that change by what a worker said.

    A step that begins anew takes with it whatever was done after it: that rests on an output that is gone.
    """
    (mine,) = [step for step in steps if step.name == said.step]
    later: tuple[Step, ...] = ()
    if said.status is StepStatus.RUNNING:
        later = tuple(
            emptied(step) for step in steps if step.position > mine.position and step.status is not StepStatus.WAITING
        )
    return (after(mine, said, now), *later)


def emptied(step: Step) -> Step:
    """Return a step that waits again; its log stays."""
    return Step(step.position, step.name, log=step.log)


def taken_up(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps as the next attempt begins with: from the first that is not over on, all wait."""
    first = next((step.position for step in steps if step.status not in OVER), len(steps))
    return tuple(step if step.position < first else emptied(step) for step in steps)


def again_from(steps: Sequence[Step], name: str) -> tuple[Step, ...]:
    """Return the steps for a retry from `name`. Raises ValueError if there is no such step, or if one before it
    is not over.
    """
    found = [step for step in steps if step.name == name]
    if not found:
        raise ValueError(f"no step is called {name}")
    missing = [step.name for step in steps if step.position < found[0].position and step.status not in OVER]
    if missing:
        raise ValueError(f"the step {missing[0]} is not done")
    return tuple(step if step.position < found[0].position else emptied(step) for step in steps)


def kept(steps: Iterable[Step]) -> dict[str, dict[str, str]]:
    """Return what the steps that are done left: name of the step -> name -> SHA-256."""
    return {step.name: dict(step.artifacts) for step in steps if step.status is StepStatus.DONE}


def stopped(steps: Iterable[Step], now: datetime) -> tuple[Step, ...]:
    """Return the running steps as they are left when a run fails."""
    running = [step for step in steps if step.status is StepStatus.RUNNING]
    return tuple(replace(step, status=StepStatus.FAILED, finished_at=now) for step in running)
