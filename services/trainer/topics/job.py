"""What a worker gets to look for topics, and what it gives back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicsJob:
    """Texts with a number for each author (None: unknown); `before` is the artifact of the topics so far."""

    texts: tuple[str, ...]
    authors: tuple[int | None, ...]
    seed: int
    artifacts: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is listed."""

    topic: int
    name: str
    n: int
    share: float
    large: bool


@dataclass(frozen=True, slots=True)
class TopicsResult:
    """A durable artifact, what it was made of, its topics, and the names of those that are gone."""

    artifact: str
    data_hash: str
    posts: int
    outliers: int
    topics: tuple[Found, ...]
    vanished: tuple[str, ...]
