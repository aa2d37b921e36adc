"""The days and the language a page is about, read from its address: the valid part applies, the rest is named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

USUAL, LONGEST = 30, 366
KNOWN = ("from", "to", "lang")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day (both in it), a language or none, and names of parameters that were not understood.

    `model`: only posts whose present score is by this version.
    """

    first: date
    last: date
    language: str | None
    usual: bool
    ignored: tuple[str, ...] = ()
    model: str | None = None

    @property
    def days(self) -> int:
        """Return how many days it has."""
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        """Return when it begins, in UTC."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """Return the moment after it, in UTC."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    @property
    def query(self) -> str:
        """Return it as it stands in an address: in one order, without what is usual."""
        dates = [] if self.usual else [("from", self.first.isoformat()), ("to", self.last.isoformat())]
        more = [("lang", self.language), ("model", self.model)]
        return urlencode([*dates, *((name, value) for name, value in more if value)])


def read_period(asked: Mapping[str, str], today: date, days: int = USUAL, *, models: bool = False) -> Period:
    """Return the period that an address asks for, else that of the last `days`; `models`: it may name one, too."""
    known = (*KNOWN, "model") if models else KNOWN
    ignored = [name for name in asked if name not in known]
    first, last = _day(asked, "from", ignored), _day(asked, "to", ignored)
    language = asked.get("lang") or None
    if language is not None and not (len(language) <= 35 and language.replace("-", "").isalnum()):
        ignored.append("lang")
        language = None
    model = (asked.get("model") or None) if models else None
    if model is not None and not MODEL.fullmatch(model):
        ignored.append("model")
        model = None
    usual = first is None and last is None
    last = last or today
    first = first or last - timedelta(days=days - 1)
    if first > last or (last - first).days >= LONGEST:
        ignored += [name for name in ("from", "to") if name in asked]
        first, last, usual = today - timedelta(days=days - 1), today, True
    return Period(first, last, language, usual, tuple(ignored), model)


def _day(asked: Mapping[str, str], name: str, ignored: list[str]) -> date | None:
    given = asked.get(name, "")
    if not given:
        return None
    try:
        found = date.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2999:
        ignored.append(name)
        return None
    return found
