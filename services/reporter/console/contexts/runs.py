"""What stands on the pages of scoring runs: the classifier's runs, each with the auditor's round of its model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.charts import Chart
from services.reporter.console.run_charts import run_churn, run_costs

SMOOTHING = 100
"""Posts that a share of flips is counted on besides those flagged before; so does the auditor."""
DRAWN = 20
KINDS = ("live", "rescore", "llm", "analyze", "batch")
STATES = ("running", "finished", "paused", "failed", "superseded")


@dataclass(frozen=True, slots=True)
class Churn:
    """What a new model would flip: flagged before, gained, lost; up to how many of each pass, and what was decided."""

    state: str
    decision: str | None
    before: int
    gained: int
    lost: int
    gained_limit: float
    lost_limit: float
    failed: tuple[str, ...]
    opened_at: datetime
    decided_at: datetime | None

    @property
    def passed(self) -> bool:
        """Return whether the check let it pass by itself; who is held waits for a person."""
        return not self.failed

    @property
    def changes(self) -> int:
        """Return how many statuses change if it is applied."""
        return self.gained + self.lost

    @property
    def may_gain(self) -> float:
        """Return how many may be flagged anew."""
        return self.gained_limit * (self.before + SMOOTHING)

    @property
    def may_lose(self) -> float:
        """Return how many may be flagged no longer."""
        return self.lost_limit * (self.before + SMOOTHING)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a run: what was sent, what of it came from the cache, what came back."""

    sent: int
    cached: int
    answered: int


@dataclass(frozen=True, slots=True)
class Run:
    """One scoring run. `seconds`: how long it took, None while it goes on; `limit`: posts it takes at most."""

    id: str
    kind: str
    state: str
    model: str
    version: str
    started_at: datetime
    finished_at: datetime | None
    posts: int
    scored: int
    flagged: int
    errors: int
    retried: int
    cost: float
    tokens: Tokens | None
    limit: int | None
    error: str | None
    churn: Churn | None

    @property
    def short(self) -> str:
        """Return the beginning of its id, which tells runs apart."""
        return self.id[:8]

    @property
    def seconds(self) -> float | None:
        """Return how long it took."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def share(self) -> float:
        """Return which share of what it scored is flagged."""
        return self.flagged / self.scored if self.scored else 0.0

    @property
    def going(self) -> bool:
        """Return whether it goes on and has an end in sight."""
        return self.state == "running" and self.kind in ("rescore", "analyze", "batch")


@dataclass(frozen=True, slots=True)
class Runs:
    """The list. `reached`: the classifier answered; `judged`: the auditor did."""

    runs: tuple[Run, ...]
    reached: bool
    judged: bool
    charts: Mapping[str, Chart]
    drawn: Mapping[str, str]
    charts_on: bool


def runs_of(said: Iterable[Mapping[str, Any]], rounds: Iterable[Mapping[str, Any]]) -> tuple[Run, ...]:
    """Return runs as the classifier tells them, the newest first, each new model's with the round it began."""
    newest: dict[str, Mapping[str, Any]] = {}
    for each in rounds:
        newest.setdefault(each["model_version"], each)
    return tuple(_run(each, newest.get(each["model_version"]) if each["kind"] == "rescore" else None) for each in said)


def _run(said: Mapping[str, Any], its: Mapping[str, Any] | None) -> Run:
    tokens = None
    if said["input_tokens"] is not None:
        tokens = Tokens(said["input_tokens"], said["cached_tokens"] or 0, said["output_tokens"] or 0)
    return Run(
        id=said["id"],
        kind=said["kind"],
        state=said["state"],
        model=said["model_answered"] or said["model"],
        version=said["model_version"],
        started_at=datetime.fromisoformat(said["started_at"]),
        finished_at=_moment(said["finished_at"]),
        posts=said["posts_total"],
        scored=said["scored"],
        flagged=said["flagged"],
        errors=said["failed"] or 0,
        retried=said["retried"] or 0,
        cost=said["cost_usd"],
        tokens=tokens,
        limit=said["limit"],
        error=said["error"],
        churn=churn_of(its) if its is not None else None,
    )


def churn_of(said: Mapping[str, Any]) -> Churn | None:
    """Return what a round would flip; None before that was counted."""
    if said["gained"] is None:
        return None
    return Churn(
        state=said["state"],
        decision=said["decision"],
        before=said["flagged_before"],
        gained=said["gained"],
        lost=said["lost"],
        gained_limit=said["gained_limit"],
        lost_limit=said["lost_limit"],
        failed=tuple(said["failed"]),
        opened_at=datetime.fromisoformat(said["opened_at"]),
        decided_at=_moment(said["decided_at"]),
    )


def _moment(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


def charts_of_runs(runs: Sequence[Run]) -> dict[str, Chart]:
    """Return the charts there is something to draw of, by their keys, the newest runs at the right."""
    costs = [(r.short, r.scored, r.errors, round(r.cost, 6), r.seconds) for r in runs[:DRAWN] if r.cost or r.seconds]
    churns = [(r.version, r.churn) for r in runs if r.churn is not None][:DRAWN]
    made = {}
    if costs:
        made["run-costs"] = run_costs(costs[::-1])
    if churns:
        rows = [(v, c.before, c.gained, c.lost, round(c.may_gain, 1), round(c.may_lose, 1)) for v, c in churns]
        made["run-churn"] = run_churn(rows[::-1])
    return made
