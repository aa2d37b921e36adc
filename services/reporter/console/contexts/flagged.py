"""What stands on the review list: cards, filters with counts, chips that take them away, the way to the next page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.reporter.console.contexts.bulk import Batch
from services.reporter.console.contexts.overview import Agreement
from services.reporter.console.contexts.reviewing import Card, Handed, Last
from services.reporter.console.contexts.views import View
from services.reporter.queue import ALL, SORTS, Facets, Filters, ReviewStatus
from shared.chance import wilson
from shared.vocabulary import CATEGORIES, ScoreSource

PATH = "/analysis/flagged"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a filter: how many posts it would leave, and whether it is on."""

    value: str
    posts: int
    on: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it; `posts`: how many there are then, where that was counted."""

    name: str
    value: str
    away: str
    posts: int | None


@dataclass(frozen=True, slots=True)
class News:
    """How many posts came into a queue since a page of it was made, and how to ask again. They are not put into it."""

    newer: int
    query: str
    again: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A queue without a post that waits: how often reviewers agreed with the system, and the next view with work."""

    agreement: Agreement | None
    next: View | None


@dataclass(frozen=True, slots=True)
class Flagged:
    """The review list. `done` of `total` posts have a verdict; `wrong` names what is not valid in the address.

    `choices`: post -> the proof with which it is chosen to be decided with others; `batch`: what was decided so last.
    """

    cards: tuple[Card, ...]
    filters: Filters
    query: str
    waiting: int
    done: int
    total: int
    found: int
    news: News
    categories: tuple[Value, ...]
    statuses: tuple[Value, ...]
    languages: tuple[Value, ...]
    sources: tuple[Value, ...]
    sorts: tuple[str, ...]
    chips: tuple[Chip, ...]
    views: tuple[View, ...]
    decided: Decided | None
    wrong: tuple[str, ...]
    next: str | None
    first: str | None
    here: str
    last: Last
    choices: Mapping[str, str]
    batch: Batch | None = None
    handed: tuple[Handed, ...] = ()

    @property
    def seen(self) -> str:
        """Return the address of the same queue, decided or not."""
        return PATH + replace(self.filters, review_status=None).query()


def news(filters: Filters, newer: int, since: str) -> News:
    """Return how many posts came since a moment (ISO 8601), as a page says it and asks again."""
    return News(newer, filters.query(), f"{PATH}/new{filters.query(since=since)}")


def agreement(facets: Facets) -> Agreement | None:
    """Return how often reviewers agreed with the system about the posts of a queue; unsure is nobody's side."""
    right = facets.review_status.get("correct", 0)
    said = right + facets.review_status.get("incorrect", 0)
    return Agreement(right / said, *wilson(right, said), said) if said else None


def values(names: Iterable[str], counts: Mapping[str, int], on: Sequence[str]) -> tuple[Value, ...]:
    """Return the values of a filter that would leave anything, and those that are on."""
    return tuple(Value(each, counts.get(each, 0), each in on) for each in names if counts.get(each) or each in on)


def categories(filters: Filters, facets: Facets) -> tuple[Value, ...]:
    """Return the categories in the order of every list."""
    return tuple(Value(each, facets.category.get(each, 0), each in filters.category) for each in CATEGORIES)


def statuses(filters: Filters, facets: Facets) -> tuple[Value, ...]:
    """Return whether and how posts were decided; all of them last."""
    now = ALL if filters.review_status is None else filters.review_status.value
    counts = {**facets.review_status, ALL: sum(facets.review_status.values())}
    return tuple(Value(each, counts.get(each, 0), each == now) for each in (*ReviewStatus, ALL))


def languages(filters: Filters, facets: Facets) -> tuple[Value, ...]:
    """Return the languages of posts, the most frequent first."""
    names = sorted({*facets.lang, *([filters.lang] if filters.lang else ())}, key=lambda x: (-facets.lang.get(x, 0), x))
    return values(names, facets.lang, [filters.lang or ""])


def sources(filters: Filters, facets: Facets) -> tuple[Value, ...]:
    """Return who raised posts."""
    return values([each.value for each in ScoreSource], facets.source, [filters.source or ""])


def chips(filters: Filters, counts: Mapping[tuple[str, str], int] | None = None) -> tuple[Chip, ...]:
    """Return a chip for each filter that is on; `counts`: how many posts there are without it."""
    known = counts or {}
    return tuple(
        Chip(name, value, PATH + filters.without(name, value).query(), known.get((name, value)))
        for name, value in filters.pairs()
        if name != "sort"
    )


def sorts() -> tuple[str, ...]:
    """Return every order."""
    return SORTS
