"""Which scores wait in a round, how a round's flips are judged, and what becomes of a round. Pure.

A full training makes a model of another lineage than the one in force; replays on top of it belong to it. Where such a
model scores a post again that another lineage scored before, the score waits in the round of that training.

Invariant: whether a score waits depends on who scored the post before and what put the model in force, never on when it
came; a subset is judged over everything its round ever counted, so that a round in parts passes no sooner than a whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.auditor.status.churn import Check, Flips, judged
from services.auditor.status.live import Policy, PostRecord
from services.auditor.status.policy import CHECKED_ABOVE, NATIVE, Limits
from services.auditor.status.posts import Judgement, decide, with_judgement
from shared.vocabulary import Status

REPLAY, REFIT = "replay", "refit"
"""Layers of `models.promoted` that count here; whatever else put a model in force was somebody's decision."""
ALL = "all"
EXAMPLES = 10
"""Posts named per subset and side."""


@dataclass(frozen=True, slots=True)
class System:
    """A model that was put in force: the full training it goes on from, and whether its scores pass the gate first."""

    version: str
    root: str
    gated: bool
    promoted_at: datetime


class State(StrEnum):
    """How far a round is."""

    GATHERING = "gathering"
    HELD = "held"
    APPLYING = "applying"
    APPLIED = "applied"
    DISCARDED = "discarded"


class Decision(StrEnum):
    """What ended a round: the gate let it pass, a person confirmed it or rolled it back, or another model took over."""

    PASSED = "passed"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Round:
    """Scores of one lineage that wait, and what was counted of those that do not wait any more."""

    round_id: str
    version: str
    number: int
    state: State
    decision: Decision | None
    last_heard_at: datetime
    decided_at: datetime | None = None
    rows: int = 0
    flips: tuple[Flips, ...] = ()


class Place(StrEnum):
    """What becomes of a score that is a round's business."""

    STAGE = "stage"
    OPEN = "open"
    PASS = "pass"  # noqa: S105 - no password
    DROP = "drop"


class Fate(StrEnum):
    """What is to be done with a round now."""

    JUDGE = "judge"
    APPLY = "apply"
    JOIN = "join"
    DISCARD = "discard"


def lineage_of(
    version: str, layer: str | None, replaces: str | None, own: System | None, parent: System | None
) -> tuple[str, bool]:
    """Return the root of a model and whether it is gated, by what put it in force and what it replaces.

    `own` is what was known of it before, `parent` what is known of the replaced one.
    """
    if layer == REPLAY:
        return (parent.root, parent.gated) if parent is not None else (replaces or version, False)
    if layer == REFIT:
        return version, True
    return (own.root if own is not None else version), False


def waits_in(version: str, before: str | None, systems: Mapping[str, System]) -> str | None:
    """Return in whose round a score by `version` waits of a post that `before` scored, None if it does not wait.

    A version nobody spoke of yet waits in a round of its own until somebody does.
    """
    mine = systems.get(version)
    root = mine.root if mine is not None else version
    if before is None or before == version or root == (systems[before].root if before in systems else before):
        return None
    return root if mine is None or mine.gated else None


def place_in(latest: Round | None, root: System | None) -> Place:
    """Return what becomes of a score, by the latest round of its training."""
    if latest is None:
        return Place.OPEN
    if latest.decision in (None, Decision.PASSED) and latest.state is not State.APPLIED:
        return Place.STAGE
    if root is not None and latest.decided_at is not None and root.promoted_at > latest.decided_at:
        return Place.OPEN  # it was put in force once more
    if latest.decision is Decision.PASSED:
        return Place.STAGE
    return Place.PASS if latest.decision is Decision.CONFIRMED else Place.DROP


def fate_of(waiting: Round, systems: Mapping[str, System], in_force: System | None) -> Fate:
    """Return what is to be done with a round that gathers or is held."""
    mine = systems.get(waiting.version)
    if mine is None:
        return Fate.JUDGE
    if not mine.gated:
        return Fate.APPLY
    if mine.root != waiting.version:
        return Fate.JOIN
    if in_force is not None and in_force.root != mine.root and in_force.promoted_at > mine.promoted_at:
        return Fate.DISCARD
    return Fate.JUDGE


@dataclass(frozen=True, slots=True)
class Terms:
    """Up to which share flips pass, and from more than how many posts they are looked at; an operator decides."""

    gained: float = 0.2
    lost: float = 0.2
    above: int = CHECKED_ABOVE


def subsets_of(platform: str, language: str | None, scores: Mapping[str, float | None]) -> tuple[str, ...]:
    """Return the subsets a score belongs to: all, its platform, its language, its highest category."""
    known = {name: value for name, value in scores.items() if value is not None}
    highest = (f"category:{max(known, key=known.__getitem__)}",) if known else ()
    return ALL, f"platform:{platform}", f"language:{language or 'unknown'}", *highest


class Tally:
    """Counts flips of a round by subset, going on from what was counted before."""

    def __init__(self, counted: Iterable[Flips] = (), rows: int = 0) -> None:
        self.rows = rows
        self.examples: dict[str, dict[str, list[str]]] = {}
        self._counts = {each.name: [each.before, each.after, each.before - each.lost] for each in counted}

    def count(self, record: PostRecord, said: Sequence[Judgement], subsets: Iterable[str], policy: Policy) -> None:
        """Count one post: its record as it stands, and what its round says of it.

        Flags are counted as opinions decide them: one that waits in a hold is one. A locked post flips nothing.
        """
        self.rows += 1
        held = record.held
        for each in said:
            held = with_judgement(held, each)
        if record.marks.locked:
            return
        was, will = (decide(each, raters=policy.raters, share=policy.share)[0] for each in (record.held, held))
        before, after = was is Status.FLAGGED, will is Status.FLAGGED
        if not (before or after):
            return
        for name in subsets:
            counts = self._counts.setdefault(name, [0, 0, 0])
            counts[0] += before
            counts[1] += after
            counts[2] += before and after
            if before != after:
                named = self.examples.setdefault(name, {}).setdefault("gained" if after else "lost", [])
                if len(named) < EXAMPLES:
                    named.append(record.post_id)

    def judge(self, terms: Terms) -> list[Flips]:
        """Return what the flip checks say of every subset, all posts first."""
        rules = replace(NATIVE, churn_checked_above=terms.above)
        limits = Limits(terms.gained, terms.lost)
        names = sorted(self._counts.keys() | {ALL}, key=lambda name: (name != ALL, name))
        found = []
        for name in names:
            before, after, both = self._counts.get(name, (0, 0, 0))
            found.append(judged(Check(name, name, None, limits), before, after, both, self.rows, rules))
        return found
