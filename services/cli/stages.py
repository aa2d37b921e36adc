"""How long posts took from stage to stage, what was lost, what came twice, and whether that is good enough. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STAGES: Mapping[str, str] = {
    "door": "sent -> answered, by our clock",
    "scored": "ingested -> scored, by event times",
    "status": "scored -> status, by event times",
    "visible": "answered -> seen at the reporter with its status, by our clock, of some",
}
SHARES = (0.5, 0.95, 0.99)
KEEPS_STREAMS = ("posts.ingested", "posts.scored", "posts.status_changed")
"""What has to be heard of."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of values in any order; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run has to keep: milliseconds by (stage, p50/p95/p99), posts a second, how many may go wrong."""

    within_ms: Mapping[tuple[str, float], float] = field(default_factory=dict)
    per_second: float = 0.0
    lost: int = 0
    twice: int = 0
    refused: int = 0


@dataclass
class Seen:
    """What was sent and what was heard of it, by post id; `let_in` counts how often a revision was new to the door."""

    accepted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    let_in: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    ingested_at: dict[str, datetime] = field(default_factory=dict)
    scored_at: dict[str, datetime] = field(default_factory=dict)
    status: set[str] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)

    def hear(self, stream: str, event: Mapping[str, Any]) -> None:
        """Take an event of the feed in; one of a post that is not ours, or heard before, tells nothing new."""
        data = event["data"]
        post = data.get("post", data).get("post_id")
        if post not in self.accepted or stream not in KEEPS_STREAMS:
            return
        self.heard[event["id"]] += 1
        said = datetime.fromisoformat(event["time"])
        if stream == "posts.ingested":
            self.ingested_at.setdefault(post, said)
        elif stream == "posts.scored" and post not in self.scored_at and post in self.ingested_at:
            self.scored_at[post] = said
            self._took("scored", self.ingested_at[post], said)
        elif stream == "posts.status_changed" and post not in self.status:
            self.status.add(post)
            if post in self.scored_at:  # else a person was faster than the model
                self._took("status", self.scored_at[post], said)

    def _took(self, stage: str, since: datetime, until: datetime) -> None:
        self.took_ms[stage].append((until - since).total_seconds() * 1000)

    @property
    def lost(self) -> set[str]:
        """Return posts that were accepted, not deleted, and have no status that we heard of."""
        return self.accepted - self.deleted - self.status

    @property
    def twice(self) -> int:
        """Return how many events came more than once, and how many repetitions were let in as new."""
        return sum(max(0, count - 1) for count in (*self.heard.values(), *self.let_in.values()))

    def missed(self, wanted: Wanted, per_second: float) -> list[str]:
        """Return in words what was not kept."""
        found = [
            f"{stage} p{share * 100:g} {value:,.0f} ms is over {limit:,.0f} ms"
            for (stage, share), limit in sorted(wanted.within_ms.items())
            if not (value := quantile(self.took_ms[stage], share)) <= limit
        ]
        if per_second < wanted.per_second:
            found.append(f"{per_second:,.1f} posts a second are under {wanted.per_second:,.1f}")
        for name, count, most in (
            ("posts without a status", len(self.lost), wanted.lost),
            ("events or posts twice", self.twice, wanted.twice),
            ("requests refused", sum(self.refused.values()), wanted.refused),
        ):
            if count > most:
                found.append(f"{count:,} {name}, {most:,} allowed")
        return found
