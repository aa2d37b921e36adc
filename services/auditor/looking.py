"""What one audit sees: the posts of one moment and the person's side of them, kept while nothing of it changes.

Invariant: everything of one answer is of one view of the corpus; a kept sight is used only where building it again
would give the same.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from services.auditor.audit_corpus import AuditCorpus, View
from services.auditor.audits.columns import Corpus, Judge, system_column
from services.auditor.audits.decisions import Side, side_of
from services.auditor.audits.table import Table
from services.auditor.store import Store
from shared.db import Stored
from shared.errors import Problem
from shared.ids import digest
from shared.judgement import CUT

KEPT = 8
"""Sights kept: some twelve megabytes each at 107,620 posts."""
REMEMBERED = 24
"""Answers of one sight; what a search found is the largest, at most eight bytes a post."""
NARROWEST = 1e-6
"""A threshold of 0 or 1 leaves no room on one side of the cut."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sight:
    """What an audit sees of the posts; `judge` and `side` are None without a model. `made` are answers worked out."""

    view: View
    corpus: Corpus
    judge: Judge | None
    side: Side | None
    cut: float
    made: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> Table:
        """Return what tables and charts read."""
        return Table(self.corpus, self.judge, self.side, self.cut)

    def name_of(self, topic: int | None) -> str | None:
        """Return what a topic is called."""
        found = None if topic is None else self.view.topics.get(topic)
        return None if found is None else found.name

    @property
    def names(self) -> dict[int, str]:
        """Return what topics are called."""
        return {each.id: each.name for each in self.view.topics.values()}

    @property
    def words(self) -> dict[int, tuple[str, ...]]:
        """Return the words of each topic."""
        return {each.id: each.words for each in self.view.topics.values()}

    @property
    def data_hash(self) -> str:
        """Return the SHA-256 of every column that figures follow from."""
        return _hash_of(self)


class Looking:
    """Looks at the corpus as audits do."""

    def __init__(self, store: Store, corpus: AuditCorpus) -> None:
        self._store = store
        self._corpus = corpus
        self._kept: OrderedDict[tuple[Any, ...], Sight] = OrderedDict()
        self._cuts: OrderedDict[tuple[int, float], Corpus] = OrderedDict()

    @property
    def ready(self) -> bool:
        """Return whether the corpus was read."""
        return self._corpus.ready

    def names(self) -> dict[int, str]:
        """Return what topics are called today."""
        return {each.id: each.name for each in self._corpus.view().topics.values()}

    async def at(self, audit: Stored, *, model: bool = True, tuned: bool = True) -> Sight:
        """Return what an audit sees now; without the model only the system's side.

        Raises Problem 503 until the corpus was read, and 409 for a group nothing is known of.
        """
        if not self._corpus.ready:
            raise Problem(503, "corpus_loading", "The posts are being read.", headers={"Retry-After": "2"})
        view = self._corpus.view()
        columns = await self._columns(view, audit.cut)
        if not model:
            return self._keep((view.number, audit.cut), lambda: Sight(view, columns, None, None, audit.cut))
        judge = await self._judge(audit, view, tuned)
        words = hash(judge.label.tobytes())
        whose = (audit.owner, audit.model, audit.group_id, judge.basis.version, judge.basis.unsure, words)
        key = (view.number, audit.cut, tuned, *whose)
        if key in self._kept:
            return self._keep(key, None)
        side = await asyncio.to_thread(side_of, columns, judge, audit.cut)
        return self._keep(key, lambda: Sight(view, columns, judge, side, audit.cut))

    def bare(self, cut: float = CUT) -> Sight:
        """Return the posts as nobody's audit sees them. Raises Problem 503 until the corpus was read."""
        if not self._corpus.ready:
            raise Problem(503, "corpus_loading", "The posts are being read.", headers={"Retry-After": "2"})
        view = self._corpus.view()
        return self._keep((view.number, cut), lambda: Sight(view, view.columns, None, None, cut))

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Sight] | None) -> Sight:
        """Return the sight of this key, made now if there is none; the ones not asked for longest go."""
        known = self._kept.get(key)
        if known is None:
            if make is None:
                raise KeyError(key)
            known = self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return known

    async def _judge(self, audit: Stored, view: View, tuned: bool) -> Judge:
        if audit.kind != "group":
            return await self._corpus.judge(audit.owner, audit.model, cut=audit.cut, tuned=tuned, view=view)
        found = await self._corpus.judge_group(audit.group_id, cut=audit.cut, view=view)
        if found is None:
            raise Problem(409, "group_unknown", "This group was not compared, or too few people are in it.")
        return found

    async def _columns(self, view: View, cut: float) -> Corpus:
        """Return the posts with the system's ratings at a cut: what the system flags is toxic at any."""
        if cut == CUT:
            return view.columns
        key = (view.number, cut)
        if (known := self._cuts.get(key)) is None:
            known = self._cuts[key] = await asyncio.to_thread(_recut, view, cut)
            while len(self._cuts) > KEPT:
                self._cuts.popitem(last=False)
        return known

    async def ratings_of(self, audit: Stored) -> dict[str, int | None]:
        """Return the owner's last word on each post, None for unsure."""
        if audit.kind == "group":
            return {}
        return {row.post_id: row.rating for row in await self._store.ratings_of(audit.owner, audit.model)}

    async def texts_of(self, posts: list[str]) -> dict[str, str]:
        """Return the texts of posts as they are stored now; an erased one has none."""
        return await self._store.texts_of(posts)


def _recut(view: View, cut: float) -> Corpus:
    rows = view.rows
    thresholds = np.clip(rows.thresholds, NARROWEST, 1.0 - NARROWEST)
    system = np.zeros(len(rows), np.float32)
    for each in np.unique(thresholds):
        mine = thresholds == each
        system[mine] = system_column(rows.overall[mine], float(each), cut)
    return replace(view.columns, system=system)


@lru_cache(maxsize=KEPT)
def _hash_of(sight: Sight) -> str:
    corpus, parts = sight.corpus, [repr((sight.cut, sight.corpus.version_names)).encode()]
    parts.append("\n".join(corpus.posts).encode())
    columns = [corpus.system, corpus.scores, corpus.topics, corpus.versions]
    if sight.judge is not None:
        judge = sight.judge
        columns += [judge.prediction, judge.sd, judge.sd_of_one, judge.toxic, judge.label]
    return digest(b"".join([*parts, *(np.ascontiguousarray(each).tobytes() for each in columns)]))


async def once(sight: Sight, work: Callable[..., T], *given: Any) -> T:
    """Return what `work(sight, ...)` gives, worked out once for a sight: away from the event loop, then remembered."""
    key = (work.__qualname__, *given)
    if key not in sight.made:
        found = await asyncio.to_thread(work, sight, *given)
        while len(sight.made) >= REMEMBERED:
            sight.made.pop(next(iter(sight.made)))
        sight.made[key] = found
    made: T = sight.made[key]
    return made


async def computed(work: Callable[..., T], *given: Any, **options: Any) -> T:
    """Return what work on whole columns gives, away from the event loop."""
    return await asyncio.to_thread(lambda: work(*given, **options))


def of_systems(sight: Sight) -> Mapping[str, int]:
    """Return how many posts each version of the system scored."""
    counts = np.bincount(sight.corpus.versions, minlength=len(sight.corpus.version_names))
    return dict(zip(sight.corpus.version_names, counts.tolist(), strict=True))
