"""What a collector brings from a platform: posts, and what is gone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

RawPost = Mapping[str, Any]
"""A post in the shape of POST /v1/posts without `platform`; the door checks it like any other."""


@dataclass(frozen=True, slots=True)
class PostGone:
    """The platform no longer has this post."""

    external_id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuthorGone:
    """The platform no longer has this author: everything of theirs goes. `at` makes a replay say the same."""

    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuthorSeen:
    """The platform hides an author's posts for a while, or shows them again; nothing goes. `at` as above."""

    author: str
    at: datetime
    hidden: bool


Change = RawPost | PostGone | AuthorGone | AuthorSeen


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in the order in which they happened, and where to go on once they are durable."""

    changes: Sequence[Change]
    cursor: Mapping[str, Any] = field(default_factory=dict)


class Pause(Exception):
    """The platform asks for patience: nothing is wrong, go on after `seconds`."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason
