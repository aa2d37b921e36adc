"""What stands on the overview."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """A category, how many posts are flagged with it, and their share of the flagged."""

    category: str
    posts: int
    share: float
    length: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Totals of all posts that are still there, and what is flagged by category."""

    scored: int
    flagged: int
    share: float
    waiting: int
    cleared: int
    corrected: int
    bars: tuple[Bar, ...]


def bars(by_category: dict[str, int], flagged: int) -> tuple[Bar, ...]:
    """Return a bar per category, the longest first and 100 long."""
    longest = max(by_category.values(), default=0) or 1
    rows = sorted(by_category.items(), key=lambda each: -each[1])
    return tuple(Bar(name, posts, posts / flagged if flagged else 0.0, 100 * posts / longest) for name, posts in rows)
