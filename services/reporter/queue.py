"""Which posts somebody reviews and in which order: filters, sorts, the place of a page, as an address says them. Pure.

Invariant: an address has one form. What is the default is left out, the rest has one order, and whatever is not valid
is named and left out, so that the valid part still counts.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from shared.vocabulary import CATEGORIES, ScoreSource, Verdict

PAGE = 25
LONGEST = 200
"""Characters of a search or an account in an address."""
ALL = "all"


class ReviewStatus(StrEnum):
    """Whether a reviewer's word on a post stands, and which."""

    UNREVIEWED = "unreviewed"
    CORRECT = Verdict.CORRECT
    INCORRECT = Verdict.INCORRECT
    UNSURE = Verdict.UNSURE


SORTS = ("overall", *CATEGORIES, "uncertainty", "newest", "oldest")
NAMES = ("category", "account", "from", "to", "review_status", "lang", "source", "min", "q", "sort")
"""Parameters in the order in which an address has them; `cursor` comes last."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which posts, and in which order. `review_status` None: decided or not; `min`: the overall score at least."""

    category: tuple[str, ...] = ()
    account: str | None = None
    since: date | None = None
    until: date | None = None
    review_status: ReviewStatus | None = ReviewStatus.UNREVIEWED
    lang: str | None = None
    source: ScoreSource | None = None
    min: float | None = None
    q: str | None = None
    sort: str = "overall"

    @property
    def active(self) -> bool:
        """Return whether anything but the order is not the default."""
        return replace(self, sort="overall") != Filters()

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of the one address that says this."""
        status = ALL if self.review_status is None else self.review_status.value
        said: dict[str, Sequence[str]] = {
            "category": self.category,
            "account": [self.account] if self.account else [],
            "from": [self.since.isoformat()] if self.since else [],
            "to": [self.until.isoformat()] if self.until else [],
            "review_status": [] if self.review_status is ReviewStatus.UNREVIEWED else [status],
            "lang": [self.lang] if self.lang else [],
            "source": [self.source.value] if self.source else [],
            "min": [f"{self.min:g}"] if self.min is not None else [],
            "q": [self.q] if self.q else [],
            "sort": [] if self.sort == "overall" else [self.sort],
        }
        return [(name, value) for name in NAMES for value in said[name]]

    def query(self, **more: str) -> str:
        """Return the query of the one address that says this, with a question mark if it says anything."""
        pairs = [*self.pairs(), *more.items()]
        return f"?{urlencode(pairs)}" if pairs else ""

    def without(self, name: str, value: str | None = None) -> "Filters":
        """Return the same with one filter taken away; of several categories only `value`."""
        if name == "category" and value is not None:
            return replace(self, category=tuple(each for each in self.category if each != value))
        fields = {"from": "since", "to": "until"}
        default = Filters()
        return replace(self, **{fields.get(name, name): getattr(default, fields.get(name, name))})


def falling(sort: str) -> bool:
    """Return whether an order begins with the highest."""
    return sort not in ("oldest", "uncertainty")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for, the names of what is not valid in it, and whether it is in its one form."""

    filters: Filters
    wrong: tuple[str, ...]
    canonical: bool


def asked(given: Iterable[tuple[str, str]], known: Iterable[str] = ()) -> Asked:
    """Return what the parameters of an address ask for; `known` are names that mean something else."""
    given = [(name, value) for name, value in given if name not in set(known)]
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in given:
        if not value:
            continue
        try:
            _take(found, name, value.strip())
        except (ValueError, KeyError):
            wrong.append(name[:40])
    if found.get("category"):
        found["category"] = tuple(each for each in CATEGORIES if each in found["category"])
    filters = Filters(**found)
    if filters.since and filters.until and filters.since > filters.until:
        wrong.append("to")
        filters = replace(filters, until=None)
    return Asked(filters, tuple(dict.fromkeys(wrong)), [*given] == filters.pairs())


def filters_in(query: str) -> Filters:
    """Return the filters of an address somebody came from; what is no filter in it is left out."""
    return asked(parse_qsl(query.removeprefix("?"))).filters


def _take(found: dict[str, Any], name: str, value: str) -> None:
    if name == "category":
        _one_of(value, CATEGORIES)
        found["category"] = (*found.get("category", ()), value)
    elif name in ("from", "to"):
        found["since" if name == "from" else "until"] = date.fromisoformat(value)
    elif name == "review_status":
        found[name] = None if value == ALL else ReviewStatus(value)
    elif name == "source":
        found[name] = ScoreSource(value)
    elif name == "sort":
        found[name] = _one_of(value, SORTS)
    elif name == "min":
        found[name] = _share(value)
    elif name in ("account", "lang", "q"):
        if len(value) > LONGEST or "\x00" in value:
            raise ValueError
        found[name] = value
    else:
        raise KeyError(name)


def _one_of(value: str, names: Sequence[str]) -> str:
    if value not in names:
        raise ValueError
    return value


def _share(value: str) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError
    return round(number, 3)


@dataclass(frozen=True, slots=True)
class Place:
    """The last post of a page: what it was sorted by, and its id."""

    value: float | datetime
    post_id: str


def to_cursor(place: Place, sort: str, secret: str) -> str:
    """Return a place as an address has it, signed so that nobody asks for one that is none."""
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    body = orjson.dumps([sort, value, place.post_id])
    return urlsafe_b64encode(_mac(secret, body) + body).decode().rstrip("=")


def from_cursor(cursor: str, sort: str, secret: str) -> Place | None:
    """Return the place that a cursor of this order says, None if it is not one of ours."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return None
    mac, body = raw[:16], raw[16:]
    if not hmac.compare_digest(mac, _mac(secret, body)):
        return None
    of, value, post_id = orjson.loads(body)
    if of != sort:
        return None
    return Place(datetime.fromisoformat(value) if isinstance(value, str) else float(value), post_id)


def _mac(secret: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), body, sha256)[:16]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many posts each value of a filter would leave, with the other filters on."""

    category: Mapping[str, int]
    review_status: Mapping[str, int]
    lang: Mapping[str, int]
    source: Mapping[str, int]
