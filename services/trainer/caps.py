"""How much one person, one community and one day may teach a run; what is over it waits. Pure.

Invariant: nothing is lost: what is left out is named with the reason, and the next refit is offered it again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from math import ceil

from services.trainer.labels import Lesson

PERSON_DAY, COMMUNITY_DAY, SHARE = "person_day", "community_day", "share"
"""Why a lesson waits."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of one run. `share` of a batch may come from one person, who always has `free` lessons."""

    person_day: int
    community_day: int
    share: float
    free: int


@dataclass(frozen=True, slots=True)
class Capped:
    """Lessons that teach now, in the order given, and which wait: correction id -> reason."""

    lessons: tuple[Lesson, ...]
    waiting: dict[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> dict[str, int]:
        """Return how many wait for each reason."""
        return dict(sorted(Counter(self.waiting.values()).items()))


def within(taught: Sequence[Lesson], caps: Caps) -> Capped:
    """Return what lessons, oldest first, teach within the caps: of too many the oldest count.

    The share rule needs as many people as would fill a batch with their shares (five at 20 %): fewer cannot keep it.
    """
    waiting: dict[str, str] = {}
    by_person: Counter[tuple[str | None, str]] = Counter()
    by_community: Counter[tuple[str | None, str]] = Counter()
    left: list[Lesson] = []
    for lesson in taught:
        day = "" if lesson.said_at is None else lesson.said_at.astimezone(UTC).date().isoformat()
        person, community = (lesson.person, day), (lesson.community, day)
        if by_person[person] >= caps.person_day:
            waiting[lesson.correction_id] = PERSON_DAY
        elif by_community[community] >= caps.community_day:
            waiting[lesson.correction_id] = COMMUNITY_DAY
        else:
            by_person[person] += 1
            by_community[community] += 1
            left.append(lesson)
    most = fair(Counter(lesson.person for lesson in left), caps.share, caps.free)
    taken: Counter[str | None] = Counter()
    kept: list[Lesson] = []
    for lesson in left:
        taken[lesson.person] += 1
        if taken[lesson.person] <= most:
            kept.append(lesson)
        else:
            waiting[lesson.correction_id] = SHARE
    return Capped(tuple(kept), waiting)


def fair(counts: Counter[str | None], share: float, free: int) -> int:
    """Return how many lessons each person may bring, so that nobody's part of the batch is over `share`.

    It is never less than `free`, and no limit where there are too few people for the rule.
    """
    largest = max(counts.values(), default=0)
    if len(counts) < ceil(1 / share) or largest <= free:
        return max(largest, free)
    low, high = 1, largest
    while low < high:
        middle = (low + high + 1) // 2
        batch = sum(min(count, middle) for count in counts.values())
        low, high = (middle, high) if middle <= share * batch + 1e-9 else (low, middle - 1)
    return max(low, free)
