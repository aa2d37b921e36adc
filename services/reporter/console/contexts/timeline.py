"""How a post came to stand where it stands: one line of time from score, verdicts, retractions and locks.

What was said is ours; which status followed, and by which rule, the auditor says. Without it the rest is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.reporter.console.contexts.notes import Note
from services.reporter.console.contexts.post import Word

LEAST = 0.05
"""Share of the band that the shortest time gets, so that it is seen."""


@dataclass(frozen=True, slots=True)
class Event:
    """A moment of a post.

    `kind`: received, scored, rescored, reviewed, retracted, locked, unlocked, leased, noted, changed.
    `who` is a person's name, `rule` whose opinion decided; `before` and `after` are statuses, the same if none changed.
    `marks`: first (decided), latest (change), current, flipped (back to what it was). `cause`: id of the event.
    `text`: what was noted.
    """

    kind: str
    at: datetime
    who: str = ""
    rule: str = ""
    verdict: str = ""
    model: str = ""
    before: str | None = None
    after: str | None = None
    cause: str = ""
    marks: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in one status: where it begins on the band and how long it is, of 100."""

    status: str
    begin: float
    length: float
    since: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """The page of a post's history. `missing`: the auditor did not answer. `more`: older entries are not shown."""

    post_id: str
    query: str
    events: tuple[Event, ...]
    band: tuple[Stretch, ...] = ()
    missing: bool = False
    more: bool = False
    held: Any = field(default=None)


def events(
    received: datetime | None,
    words: Sequence[Word],
    log: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    notes: Sequence[Note] = (),
) -> tuple[Event, ...]:
    """Return the moments of a post, oldest first. `log`: entries as the auditor answers them; `names`: by person."""
    found = [Event("received", received)] if received else []
    spoken = {each.at: each for each in words}
    back = {each.retracted_at: each for each in words if each.retracted_at is not None}
    scored, used = False, set()
    for entry in log:
        one = _changed(entry, names)
        if one.rule == "reviewer" and one.at in back:
            one = replace(one, kind="retracted", who=back[one.at].retracted_by or "", verdict=back[one.at].verdict)
        elif one.rule == "reviewer" and one.at in spoken:
            one = replace(one, kind="reviewed", who=spoken[one.at].by, verdict=spoken[one.at].verdict)
        elif one.rule == "model" and one.kind == "changed":
            one, scored = replace(one, kind="rescored" if scored else "scored"), True
        used.add((one.kind, one.at))
        found.append(one)
    for at, word in spoken.items():
        if ("reviewed", at) not in used:
            found.append(Event("reviewed", at, word.by, "reviewer", word.verdict, cause=word.id))
    for at, word in back.items():
        if at is not None and ("retracted", at) not in used:
            found.append(Event("retracted", at, word.retracted_by or "", "reviewer", word.verdict, cause=word.id))
    found += [Event("noted", each.at, each.by, text=each.text) for each in notes]
    return _marked(sorted(found, key=lambda each: each.at))


def band(moments: Sequence[Event], now: datetime) -> tuple[Stretch, ...]:
    """Return the times a post spent in each status, from its first status until now."""
    steps = [each for each in moments if each.after is not None and each.before != each.after]
    if not steps:
        return ()
    ends = [*(each.at for each in steps[1:]), now]
    times = [max(0.0, (end - each.at).total_seconds()) for each, end in zip(steps, ends, strict=True)]
    whole = sum(times) or 1.0
    shares = [max(LEAST, each / whole) for each in times]
    lengths = [100 * each / sum(shares) for each in shares]
    begins = [sum(lengths[:n]) for n in range(len(lengths))]
    return tuple(
        Stretch(each.after or "", begin, length, each.at)
        for each, begin, length in zip(steps, begins, lengths, strict=True)
    )


def _changed(entry: Mapping[str, Any], names: Mapping[str, str]) -> Event:
    kinds = {each["kind"] for each in entry["changes"]}
    kind = "unlocked" if "unlocked" in kinds else "locked" if "locked" in kinds else "changed"
    return Event(
        kind,
        datetime.fromisoformat(entry["judged_at"]),
        who=names.get((entry["actor"] or "").removeprefix("user:"), ""),
        rule=entry["rule"],
        model=entry["model_version"] or "",
        before=entry["previous"],
        after=entry["status"],
        cause=entry["cause_id"],
        marks=("first",) if "first_decided" in kinds else (),
    )


def _marked(found: Sequence[Event]) -> tuple[Event, ...]:
    """Return the moments with what is special about them."""
    moves = [n for n, each in enumerate(found) if each.after is not None and each.before != each.after]
    seen: set[str | None] = set()
    out = list(found)
    for n in moves:
        one = found[n]
        marks = one.marks
        if one.after in seen:
            marks += ("flipped",)
        if n == moves[-1]:
            marks += ("latest", "current") if one.before is not None else ("current",)
        seen |= {one.before, one.after} - {None}
        out[n] = replace(one, marks=marks)
    return tuple(out)
