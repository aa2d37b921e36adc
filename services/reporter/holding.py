"""What of a held verdict must not leave yet: the word itself, and everything that was said because of it. Pure.

Invariant: what a hold keeps back either leaves when the hold is over, in its place, or not at all if its word was taken
back in time; then nothing that the taking back led to leaves either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.reporter.feed import Position
from shared.events import Event, PostCorrected, PostScored, PostStatusChanged
from shared.ids import stable_id

STREAM = "posts.corrected"
"""Where holds begin and end; it is read for every webhook, whatever that asked for."""
SCORED, STATUS = PostScored.event_type(), PostStatusChanged.event_type()

Found = tuple[Position, str, bytes, Event[Any]]


class HoldState(StrEnum):
    """How far the wait after a verdict is: still on, over, or ended by taking the verdict back."""

    HELD = "held"
    OVER = "over"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Hold:
    """One word of a reviewer, or (`back`) the taking back of one, whose consequences a webhook gets later or never.

    `cause_id` is the id of its event. `posts` were said meanwhile with the held word in their score though not because
    of it: what the taking back says of these is news.
    """

    cause_id: str
    correction_id: str
    correlation: str
    until: datetime
    state: HoldState = HoldState.HELD
    back: bool = False
    posts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """Events of one look in order, each with the hold that keeps it back or None, and the holds that became others."""

    kept: list[tuple[Found, str | None]]
    changed: list[Hold]

    @property
    def undone(self) -> list[str]:
        """Return the causes of which nothing that waits may leave any more."""
        return [each.cause_id for each in self.changed if each.state is HoldState.UNDONE]


def about(found: Iterable[Found]) -> tuple[set[str], set[str]]:
    """Return by which correlations, and by the ids of which corrections, holds of these events are found."""
    correlations, words = set[str](), set[str]()
    for *_, event in found:
        correlations.add(_correlation(event))
        words |= _words(event.data)
    return correlations, words


def sort_out(found: Sequence[Found], known: Iterable[Hold]) -> Sorted:
    """Return what of these events waits and what leaves at once, without what was undone. `known` are earlier holds."""
    before = {each.cause_id: each for each in known}
    holds, placed = dict(before), list[tuple[Found, str | None]]()
    for *_, event in found:  # first of all: within a millisecond a consequence may stand before its cause
        if isinstance(event.data, PostCorrected):
            holds |= _begun(event, event.data, holds)
    for each in found:
        event, post = each[-1], _post(each[-1])
        hold = next((one for one in holds.values() if _follows(event, one)), None)
        if hold is None and isinstance(event.data, PostScored):
            carried = _carried(event.data, holds)
            holds |= {one.cause_id: replace(one, posts=tuple(sorted({*one.posts, str(post)}))) for one in carried}
            hold = next((one for one in carried if not one.back), None)
        if hold is None or hold.state is HoldState.OVER or (hold.back and post in hold.posts):
            placed.append((each, None))
        elif hold.state is HoldState.HELD:
            placed.append((each, hold.cause_id))
    undone = {name for name, one in holds.items() if one.state is HoldState.UNDONE}
    changed = [one for name, one in holds.items() if before.get(name) != one]
    return Sorted([each for each in placed if each[1] not in undone], changed)


def _begun(event: Event[Any], data: PostCorrected, holds: Mapping[str, Hold]) -> dict[str, Hold]:
    """Return the holds that a word begins or ends; a repetition of it does neither."""
    if event.id in holds:
        return {}
    for each in holds.values() if data.retracts else ():
        if each.correction_id == data.retracts and each.state is HoldState.HELD:
            undone = replace(each, state=HoldState.UNDONE)
            back = replace(undone, cause_id=event.id, correlation=_correlation(event), back=True)
            return {each.cause_id: undone, event.id: back}
    if data.hold_until is None:
        return {}
    return {event.id: Hold(event.id, data.correction_id, _correlation(event), data.hold_until)}


def _follows(event: Event[Any], hold: Hold) -> bool:
    """Return whether an event is a hold's word or was said because of it: ids follow from causes, so they tell."""
    if event.id == hold.cause_id:
        return True
    if _correlation(event) != hold.correlation:  # requests may share one: that alone tells nothing, but it spares work
        return False
    scored = stable_id(f"{hold.cause_id}|{_post(event)}", SCORED, 0)
    return event.id in (scored, stable_id(hold.cause_id, STATUS, 0), stable_id(scored, STATUS, 0))


def _carried(data: PostScored, holds: Mapping[str, Hold]) -> list[Hold]:
    """Return the holds whose word a score carries that was said for another reason."""
    words = _words(data)
    return [each for each in holds.values() if each.correction_id in words and each.state is not HoldState.OVER]


def _words(data: Any) -> set[str]:
    """Return the ids of the corrections that an event is, takes back or carries."""
    if isinstance(data, PostCorrected):
        return {data.correction_id, *([data.retracts] if data.retracts else ())}
    if isinstance(data, PostScored):
        return {each.correction_id for each in (data.corrected or {}).values()}
    return set()


def _post(event: Event[Any]) -> str | None:
    data = event.data
    found = data.post.post_id if isinstance(data, PostScored) else getattr(data, "post_id", None)
    return str(found) if found else None


def _correlation(event: Event[Any]) -> str:
    return event.correlationid or event.id
