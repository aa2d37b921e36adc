"""Which posts the LLM is asked about, how its word joins the local model's, and when we stop asking. Pure.

Invariant: nobody waits for the LLM in vain. Whatever keeps it from answering, the local score stands and says why.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES, ScoreSource

LOOKED_AT = 2_000
"""Posts whose margins say how wide the band is."""
ENOUGH = 200
"""Margins of a language below which the margins of all languages speak for it."""


class Mode(StrEnum):
    """Who scores."""

    LOCAL = "local"
    LLM = "llm"
    CASCADE = "cascade"


class Fallback(StrEnum):
    """Why the local score stands where the LLM was to be asked."""

    BUDGET = "budget"
    BREAKER = "breaker"
    REFUSED = "refused"
    FAILED = "failed"


def margin(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> float:
    """Return how near the nearest known category is to its threshold; 0 when nothing is known."""
    return min((abs(value - threshold_of(name, thresholds)) for name, value in scores.items()), default=0.0)


def asks_for(text: str) -> bool:
    """Return whether there is anything to score: a letter, a digit or a symbol that somebody can see."""
    return any(each.isalnum() or ord(each) > 0x2000 for each in text)


@dataclass
class Margins:
    """The margins of the posts seen last, by language: they turn a share of posts into a width of the band."""

    looked_at: int = LOOKED_AT
    _seen: dict[str, deque[float]] = field(default_factory=dict)
    _all: deque[float] = field(default_factory=deque)

    def see(self, language: str | None, value: float) -> None:
        """Remember one post's margin."""
        mine = self._seen.setdefault(language or "", deque(maxlen=self.looked_at))
        mine.append(value)
        self._all.append(value)
        while len(self._all) > self.looked_at:
            self._all.popleft()

    def width(self, language: str | None, share: float, widest: float) -> float:
        """Return the band's half width that takes `share` of such posts, `widest` at most and until enough were seen.

        A negative width takes none.
        """
        if share <= 0:
            return -1.0
        mine: Sequence[float] | deque[float] = self._seen.get(language or "", ())
        known = mine if len(mine) >= ENOUGH else self._all
        if len(known) < ENOUGH or share >= 1:
            return widest
        at = min(int(share * len(known)), len(known) - 1)
        return min(widest, next(islice(sorted(known), at, None)))


@dataclass(frozen=True, slots=True)
class Combined:
    """Scores of one post with the side that decided them."""

    scores: dict[str, float]
    source: ScoreSource


def combined(local: Mapping[str, float] | None, llm: Mapping[str, float], error: float) -> Combined:
    """Return one score of two: the local model keeps what it is surer of than the LLM ever is, the LLM fills the rest.

    A calibrated probability p is wrong in min(p, 1 - p) of the cases; the LLM is taken to be wrong in `error` of them.
    Without local scores, or where none of them is that sure, the LLM alone decided.
    """
    kept = {name: value for name, value in (local or {}).items() if name in llm and min(value, 1 - value) < error}
    scores = {name: kept.get(name, llm[name]) for name in CATEGORIES if name in llm}
    return Combined(scores, ScoreSource.BOTH if kept else ScoreSource.LLM)


class State(StrEnum):
    """Where the breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass
class Breaker:
    """Stops calls after some failures in a row and lets one through when the pause is over. Times are seconds.

    Each time a lone call fails the pause doubles, up to `longest_s`.
    """

    failures: int
    pause_s: float
    longest_s: float = 3600.0
    state: State = State.CLOSED
    _in_a_row: int = 0
    _until: float = 0.0
    _pause: float = 0.0

    def allows(self, now: float) -> bool:
        """Return whether a call may be made; once the pause is over exactly one may, until it succeeds or fails."""
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN and now >= self._until:
            self.state = State.HALF_OPEN
            return True
        return False

    def not_used(self) -> None:
        """Take back that a call was allowed: there was nothing to ask."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def succeeded(self) -> bool:
        """Note a call that was answered; return whether that closed the breaker."""
        closed = self.state is not State.CLOSED
        self.state, self._in_a_row, self._pause = State.CLOSED, 0, 0.0
        return closed

    def failed(self, now: float, *, hopeless: bool = False) -> bool:
        """Note a call that was not answered, or was refused for good (`hopeless`); return whether that opened it."""
        self._in_a_row += 1
        if self.state is State.OPEN or (self.state is State.CLOSED and not hopeless and self._in_a_row < self.failures):
            return False
        opened = self.state is State.CLOSED
        self._pause = min(max(self._pause * 2, self.pause_s), self.longest_s)
        self.state, self._until = State.OPEN, now + self._pause
        return opened


def share_for(language: str | None, target: float, shares: Mapping[str, float], affordable: float) -> float:
    """Return which share of a language's posts may be sent: its own or the common target, or what the money allows."""
    base = (language or "").split("-")[0]
    return min(shares.get(base, target), affordable)
