"""What stands on the pages of pipelines: how far groups are, dead letters, training runs with their steps.

Invariant: no word of a post is in it; the words of a dead letter's event are counted and left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from services.reporter.console.contexts.runs import Run
from shared.streams import FLOW

KINDS = ("refit", "replay", "population", "topics")
WORDS = ("text", "token")
"""Fields of events that hold words of a post, at any depth."""
ACTIVE = ("queued", "running")
OVER = ("done", "skipped")
JUDGING = ("evaluation", "gate", "promotion")
"""Steps that may be repeated for a model that was refused; the trainer has the last word."""
QUICK_S, SLOW_S = 5, 30


@dataclass(frozen=True, slots=True)
class Hearer:
    """A group of a stream: what it has not read, read and not settled, tries again later, gave up on."""

    group: str
    lag: int
    pending: int
    delayed: int
    dead: int
    oldest_s: float
    missing: bool

    @property
    def behind(self) -> bool:
        """Return whether anything is before it."""
        return self.lag + self.pending + self.delayed > 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: who says it, how many entries it holds, who hears it."""

    name: str
    said_by: str
    length: int
    hearers: tuple[Hearer, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `event_type` and `subject` are of its event, empty where that cannot be read."""

    stream: str
    group: str
    entry: str
    reason: str
    error: str
    at: datetime
    event_type: str
    post_id: str

    @property
    def path(self) -> str:
        """Return the address of its page."""
        return f"/pipelines/letters/{self.stream}/{self.group}/{self.entry}"


@dataclass(frozen=True, slots=True)
class WholeLetter:
    """A dead letter with its event as JSON without a post's words; `hidden` counts the fields left out."""

    letter: Letter
    event: str
    hidden: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a training run; `may_retry`: the run can go on from here."""

    name: str
    status: str
    seconds: float | None
    lines: tuple[str, ...]
    may_retry: bool


@dataclass(frozen=True, slots=True)
class Training:
    """A training run. `steps` only where one run is shown."""

    id: str
    kind: str
    trigger: str
    recipe: str
    state: str
    attempt: int
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    examples: int | None
    corrections: int | None
    version: str | None
    reasons: tuple[str, ...]
    error: str | None
    steps: tuple[Step, ...] = ()

    @property
    def short(self) -> str:
        """Return the beginning of its id, which tells runs apart."""
        return self.id[:8]

    @property
    def active(self) -> bool:
        """Return whether it waits or goes on."""
        return self.state in ACTIVE

    @property
    def seconds(self) -> float | None:
        """Return how long it took."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def done(self) -> int:
        """Return how many steps are over."""
        return sum(each.status in OVER for each in self.steps)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The page. `trainings` and `scorings` are None where their service does not answer."""

    streams: tuple[Stream, ...]
    letters: tuple[Letter, ...]
    trainings: tuple[Training, ...] | None
    scorings: tuple[Run, ...] | None
    said: str
    acts: bool

    @property
    def dead(self) -> int:
        """Return how many dead letters there are, listed or not."""
        return sum(each.dead for stream in self.streams for each in stream.hearers)

    @property
    def busy(self) -> bool:
        """Return whether something goes on that is worth looking at again soon."""
        behind = any(each.behind for stream in self.streams for each in stream.hearers)
        return behind or any(each.active for each in self.trainings or ())

    @property
    def every_s(self) -> int:
        """Return after how many seconds the page looks again."""
        return QUICK_S if self.busy else SLOW_S

    @property
    def active_kinds(self) -> frozenset[str]:
        """Return what is being made already."""
        return frozenset(each.kind for each in self.trainings or () if each.active)


@dataclass(frozen=True, slots=True)
class OneTraining:
    """One training run, and whether whoever looks may act on it."""

    run: Training
    said: str
    acts: bool


def streams_of(states: Iterable[Any]) -> tuple[Stream, ...]:
    """Return streams in the order of the flow with their hearers; `states` are those of `shared.bus.metrics`."""
    hearers: dict[str, list[Hearer]] = {}
    lengths: dict[str, int] = {}
    for each in states:
        lengths[each.stream] = each.length
        hearers.setdefault(each.stream, []).append(
            Hearer(each.group, each.lag, each.pending, each.delayed, each.dead, each.oldest_s, each.missing)
        )
    return tuple(
        Stream(name, flow.said_by, lengths[name], tuple(hearers[name]))
        for name, flow in FLOW.items()
        if name in hearers
    )


def letter_of(stream: str, group: str, entry: str, content: Mapping[str, Any]) -> Letter:
    """Return a dead letter as it is listed. Its entry id says when the group gave up."""
    event = _dict(content["event"])
    data = _dict(event.get("data"))
    post = _dict(data.get("post")) or data
    at = datetime.fromtimestamp(int(entry.partition("-")[0]) / 1000, tz=UTC)
    name, post_id = event.get("type"), post.get("post_id")
    return Letter(stream, group, entry, content["reason"], content["error"], at, str(name or ""), str(post_id or ""))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def whole_letter(letter: Letter, event: Any) -> WholeLetter:
    """Return a dead letter with its event; one that is no JSON is not shown, because nobody knows what it says."""
    if not isinstance(event, dict):
        return WholeLetter(letter, "", 1)
    hidden: list[str] = []
    shown = without_words(event, hidden)
    return WholeLetter(letter, orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode(), len(hidden))


def without_words(value: Any, hidden: list[str]) -> Any:
    """Return JSON without words of posts: in place of each stands how many there are; `hidden` gets the fields."""
    if isinstance(value, dict):
        return {name: _field(name, each, hidden) for name, each in value.items()}
    if isinstance(value, list):
        return [without_words(each, hidden) for each in value]
    return value


def _field(name: str, value: Any, hidden: list[str]) -> Any:
    if name in WORDS and isinstance(value, str):
        hidden.append(name)
        return f"[{len(value.split())}]"
    return without_words(value, hidden)


def training_of(said: Mapping[str, Any], log: Sequence[Mapping[str, Any]] = (), *, refused: bool = False) -> Training:
    """Return a run as the trainer tells it; `refused`: its model was, so that it may be judged once more."""
    lines: dict[str, list[str]] = {}
    for each in log:
        lines.setdefault(each["step"], []).append(each["line"])
    steps = said.get("steps", ())
    over = said["state"] not in ACTIVE
    open_ = [n for n, each in enumerate(steps) if each["status"] not in OVER]
    last = open_[0] if open_ else len(steps)
    return Training(
        id=said["run_id"],
        kind=said["kind"],
        trigger=said["trigger"],
        recipe=said["recipe"],
        state=said["state"],
        attempt=said["attempt"],
        requested_at=datetime.fromisoformat(said["requested_at"]),
        started_at=_moment(said["started_at"]),
        finished_at=_moment(said["finished_at"]),
        examples=said["examples"],
        corrections=said["corrections"],
        version=said["model_version"],
        reasons=tuple(said["reasons"] or ()),
        error=said["error"],
        steps=tuple(
            Step(
                each["name"],
                each["status"],
                each["seconds"],
                tuple(lines.get(each["name"], ())),
                over and n <= last and (said["model_version"] is None or (refused and each["name"] in JUDGING)),
            )
            for n, each in enumerate(steps)
        ),
    )


def _moment(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)
