"""What all people say, in sums that tell nobody apart: ratings of posts, and how far the system is from people.

Invariant: never authoritative, and never about one person; it is read from the store anew after things changed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.auditor.audit_store import AuditStore
from services.auditor.audits.columns import Corpus, Judge
from services.auditor.store import Store
from shared.clock import monotonic
from shared.judgement import HIGHEST, is_toxic
from shared.personal.accuracy import FEWEST

PAGE = 2_000
"""Posts of one read."""
REST = 20
"""The pause after reading is this many times as long as reading took."""
RATINGS = int(HIGHEST) + 1
DISTANCE = "system_mae"
"""The figure that people's models carry of the system on their own ratings."""

Calls = dict[int, tuple[int, int]]
"""By topic: how many ratings mean toxic, and how many do not."""


@dataclass(frozen=True, eq=False)
class Counted:
    """How often each post was rated 0 to 4, by post; and everybody's distance to the system, by rater."""

    ratings: dict[str, tuple[int, ...]]
    distances: dict[str, float]


class People:
    """Keeps the sums; call it now and then."""

    def __init__(self, store: Store, audits: AuditStore) -> None:
        self._store = store
        self._audits = audits
        self._counted = Counted({}, {})
        self._mark: tuple[int, int] | None = None
        self._rests_until = float("-inf")
        self._columns: tuple[int, NDArray[np.int64]] | None = None

    async def __call__(self) -> None:
        """Read everything again if ratings changed and the last time is long enough ago."""
        now = monotonic()
        if now < self._rests_until or (mark := await self._audits.mark_of_ratings()) == self._mark:
            return
        ratings: dict[str, tuple[int, ...]] = {}
        after = ""
        while page := await self._audits.page_of_calls(after, PAGE):
            after = page[-1].post_id
            ratings |= {row.post_id: tuple(map(int, row[1:])) for row in page}
        people = await self._store.figures_of_everybody()
        distances = {
            row.rater: float(row.baselines[DISTANCE])
            for row in people
            if row.labels >= FEWEST and DISTANCE in row.baselines
        }
        self._counted, self._mark, self._columns = Counted(ratings, distances), mark, None
        self._rests_until = monotonic() + REST * (monotonic() - now)

    def distances(self, but: str) -> list[float]:
        """Return everybody else's mean distance to the system, on their own ratings, of those who rated enough."""
        return [value for rater, value in self._counted.distances.items() if rater != but]

    def calls(self, corpus: Corpus, number: int, cut: float, own: Judge | None) -> Calls:
        """Return by topic what others call toxic and not, `own` ratings taken out; `number` is that of the view."""
        counts = self._of(corpus, number)
        toxic = is_toxic(np.arange(RATINGS, dtype=np.float64), cut)
        yes, no = counts[:, toxic].sum(axis=1), counts[:, ~toxic].sum(axis=1)
        if own is not None:
            rated = ~np.isnan(own.label)
            mine = is_toxic(own.label, cut)
            yes, no = np.maximum(yes - (rated & mine), 0), np.maximum(no - (rated & ~mine), 0)
        grouped = corpus.by_topic
        if not len(grouped.topics):
            return {}
        sums = [np.add.reduceat(each[grouped.order], grouped.starts).tolist() for each in (yes, no)]
        return dict(zip(grouped.topics.tolist(), zip(*sums, strict=True), strict=True))

    def _of(self, corpus: Corpus, number: int) -> NDArray[np.int64]:
        if self._columns is None or self._columns[0] != number:
            found = np.zeros((len(corpus), RATINGS), np.int64)
            for post, counts in self._counted.ratings.items():
                if (row := corpus.places.get(post)) is not None:
                    found[row] = counts
            self._columns = number, found
        return self._columns[1]
