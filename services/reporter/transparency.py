"""What a platform can publish about its moderation: counts, how often people reversed it, how long they took. Pure.

Invariant: every share says of how many, and with which interval; nothing in here is about one post or one person.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from statistics import median
from typing import Literal

from shared.chance import wilson
from shared.vocabulary import Verdict

Kind = Literal["all", "category", "language"]
UNKNOWN_LANGUAGE = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """How many posts of one language were judged for the first time, and in which categories they are flagged."""

    language: str | None
    categories: tuple[str, ...]
    posts: int


@dataclass(frozen=True, slots=True)
class Review:
    """A person's standing word on a post: `expected` are their categories, `actual` those of the score."""

    post_id: str
    verdict: Verdict
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    at: datetime
    seen_at: datetime | None
    language: str | None

    @property
    def decided(self) -> bool:
        """Return whether the person was sure."""
        return self.verdict is not Verdict.UNSURE

    @property
    def over(self) -> frozenset[str]:
        """Return the categories the score had and the person has not."""
        return frozenset(self.actual) - frozenset(self.expected) if self.verdict is Verdict.INCORRECT else frozenset()

    @property
    def missed(self) -> frozenset[str]:
        """Return the categories the person has and the score had not."""
        return frozenset(self.expected) - frozenset(self.actual) if self.verdict is Verdict.INCORRECT else frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page: of all posts, of one category, or of one language.

    `reviewed` posts have a sure word of a person; `reversed` of them contradict the score: `over` flagged what they
    would not, `missed` did not flag what they would. The rate is reversed / reviewed with a 95 % interval (Wilson),
    null without reviews. Hours are from the first judgement to the word that stands.
    """

    kind: Kind
    name: str
    posts: int
    flagged: int
    reviewed: int
    reversed: int
    over: int
    missed: int
    reversal_rate: float | None
    reversal_low: float | None
    reversal_high: float | None
    median_hours_to_review: float | None


def latest(reviews: Iterable[Review]) -> list[Review]:
    """Return the newest sure word on each post."""
    newest: dict[str, Review] = {}
    for each in sorted(reviews, key=lambda each: each.at):
        if each.decided:
            newest[each.post_id] = each
    return list(newest.values())


def lines(seen: Sequence[Seen], reviews: Iterable[Review], categories: Sequence[str]) -> list[Line]:
    """Return the lines of a period: all, each category, each language, in this order."""
    words = latest(reviews)
    total = sum(each.posts for each in seen)
    flagged = sum(each.posts for each in seen if each.categories)
    found = [_line("all", "all", total, flagged, words, [bool(each.over) for each in words], _missed(words))]
    by_category = Counter[str]()
    for each in seen:
        by_category.update(dict.fromkeys(each.categories, each.posts))
    for name in categories:
        about = [each for each in words if name in each.expected or name in each.actual]
        over, missed = [name in each.over for each in about], [name in each.missed for each in about]
        found.append(_line("category", name, total, by_category[name], about, over, missed))
    languages = Counter[str](), Counter[str]()
    for each in seen:
        for counter, counts in zip(languages, (True, bool(each.categories)), strict=True):
            counter[each.language or UNKNOWN_LANGUAGE] += each.posts * counts
    for name in sorted(languages[0].keys() | {each.language or UNKNOWN_LANGUAGE for each in words}):
        about = [each for each in words if (each.language or UNKNOWN_LANGUAGE) == name]
        over = [bool(each.over) for each in about]
        found.append(_line("language", name, languages[0][name], languages[1][name], about, over, _missed(about)))
    return found


def _missed(words: Iterable[Review]) -> list[bool]:
    return [bool(each.missed) for each in words]


def _line(
    kind: Kind,
    name: str,
    posts: int,
    flagged: int,
    words: Sequence[Review],
    over: Sequence[bool],
    missed: Sequence[bool],
) -> Line:
    turned = sum(a or b for a, b in zip(over, missed, strict=True))
    low, high = wilson(turned, len(words)) if words else (None, None)
    hours = [(each.at - each.seen_at).total_seconds() / 3600 for each in words if each.seen_at is not None]
    return Line(
        kind,
        name,
        posts,
        flagged,
        len(words),
        turned,
        sum(over),
        sum(missed),
        _rounded(turned / len(words) if words else None),
        _rounded(low),
        _rounded(high),
        _rounded(median(max(0.0, each) for each in hours) if hours else None),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def to_csv(rows: Sequence[Line], about: Mapping[str, str]) -> str:
    """Return lines as CSV (RFC 4180); every line repeats what it is about, a period for example."""
    made = io.StringIO()
    names = [each.name for each in fields(Line)]
    writer = csv.DictWriter(made, [*about, *names], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({**about, **asdict(row)} for row in rows)
    return made.getvalue()
