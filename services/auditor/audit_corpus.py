"""The corpus in memory: every process of the auditor keeps its own, read from the store and followed change by change.

Invariant: never authoritative. It can be thrown away at any moment and comes back equal; texts that are shown are
asked of the store, so what was erased a moment ago is not shown.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from services.auditor.audits.columns import Basis, Corpus, Judge
from services.auditor.corpus.ground import (
    Ground,
    Said,
    Seen,
    judged,
    outlook_of,
    posterior_of,
    refitted,
    seen,
    tuned_rows,
    view_of_group,
)
from services.auditor.corpus.rows import Looks, Rows, in_sight, joined, look, no_rows, rows_of
from services.auditor.corpus.searching import found
from services.auditor.store import Store
from shared.artifacts import ArtifactStore, BadArtifact
from shared.clock import monotonic
from shared.errors import describe
from shared.events import Posterior as Told
from shared.judgement import CUT
from shared.personal import artifact as population_file
from shared.personal import group_view as group_file
from shared.personal.accuracy import Status
from shared.personal.posterior import Outlook, posterior
from shared.topics import model as topic_file
from shared.topics.model import Topic, TopicModel

log = structlog.get_logger("ombud.auditor")

PAGE = 2_000
"""Posts of one read."""
AT_ONCE = 20_000
"""Posts put in order at once: the columns are written anew each time."""
REST = 10
"""The pause after the columns were made is this many times as long as making them took: posts keep coming."""
SLACK = 1.05
"""The corpus is cut back to its limit when it is so much larger."""
KEPT = 16
"""People's predictions kept: a megabyte and a half each at 107,620 posts."""

T = TypeVar("T")
Parts = tuple[Rows, Ground, TopicModel | None]
"""What a view is made of."""
Answer = tuple[Outlook, NDArray[np.bool_]]
"""What a model says of all posts, and on which of them a topic's offset is in it."""


@dataclass(frozen=True, eq=False)
class View:
    """The corpus as it stood at one moment. `topics` are those of the newest topic model by number."""

    number: int
    seen: Seen
    rows: Rows = field(repr=False)
    topics: dict[int, Topic] = field(default_factory=dict)

    @property
    def columns(self) -> Corpus:
        """Return the posts as columns."""
        return self.seen.columns

    def search(self, words: str, *, whole: bool = False) -> NDArray[np.int64]:
        """Return the rows whose texts hold these words literally, ascending; with `whole` not within longer words."""
        return found(self.rows.folded, words, whole=whole)


class AuditCorpus:
    """What audits look at; call it now and then to follow the store."""

    def __init__(self, store: Store, artifacts: ArtifactStore, limit: int) -> None:
        self._store = store
        self._artifacts = artifacts
        self._limit = limit
        self._rows = no_rows()
        self._place = (0, "")
        self._horizon = 0
        self._topics: tuple[str, TopicModel | None] = ("", None)
        self._ground = Ground()
        self._view = View(0, seen(self._rows, self._ground), self._rows)
        self._shown: Parts | None = None
        self._rests_until = float("-inf")
        self._groups: dict[tuple[Any, ...], Judge] = {}
        self._outlooks: OrderedDict[tuple[Any, ...], Answer] = OrderedDict()

    @property
    def ready(self) -> bool:
        """Return whether the store was read once as a whole since the start."""
        return self._shown is not None

    def view(self) -> View:
        """Return the corpus as it stands; everything of one answer has to come from one view."""
        return self._view

    # -- people ---------------------------------------------------------------------------------------------

    async def judge(
        self, rater: str, model: str = "", *, cut: float = CUT, tuned: bool = True, view: View | None = None
    ) -> Judge:
        """Return what one person's model says of all posts of a view (the present one), and their own ratings.

        Without a model it is the population's view, and its status says so. `tuned` adds the offsets of topics.
        """
        view = view or self._view
        row = await self._store.model_of(rater, model)
        said = last_words(await self._store.ratings_of(rater, model), view.seen.ground)
        told = None if row is None else Told.model_validate(row.posterior)
        version = 0 if told is None else told.version
        key = (rater, model, version, "" if told is None else told.population, view.number, cut, tuned)
        known = self._outlooks.get(key)
        if known is None:
            known = await asyncio.to_thread(_outlook, view.seen, told, said, cut, tuned)
            self._outlooks[key] = known
            while len(self._outlooks) > KEPT:
                self._outlooks.popitem(last=False)
        else:
            self._outlooks.move_to_end(key)
        return judged(view.seen, *known, said, _basis(model, told, said))

    async def judge_group(self, group_id: str, *, cut: float = CUT, view: View | None = None) -> Judge | None:
        """Return a group's view: the crowd's, moved by the group's difference if one can be told; None if unknown."""
        view = view or self._view
        row = await self._store.group(group_id)
        if row is None:
            return None
        key = ("group", group_id, row.version, row.artifact, view.number, cut)
        if (known := self._groups.get(key)) is None:
            model = None if row.artifact is None else await self._loaded(row.artifact, group_file.load)
            known = await asyncio.to_thread(view_of_group, view.seen, group_id, model, row.metrics, row.ratings, cut)
            self._groups = {key: known}  # one: who looks at a group looks at it for a while
        return known

    # -- following the store --------------------------------------------------------------------------------

    async def __call__(self) -> None:
        """Follow the store: what models stand on, what changed, what is too old; and show it."""
        await self._follow()
        whole = await self._catch_up()
        await self._trim()
        if whole or self.ready:
            await self._show()

    async def _follow(self) -> None:
        """Take over a new population or new topics, and look at every text again with them."""
        newest = await self._store.newest_foundations()
        topics, ground = self._topics, self._ground
        if (row := newest.get("topics")) is not None and row.artifact != topics[0]:
            loaded = await self._loaded(row.artifact, topic_file.load)
            topics = (row.artifact, loaded) if loaded is not None else topics
        if (row := newest.get("population")) is not None and row.artifact != ground.artifact:
            population = await self._loaded(row.artifact, population_file.load)
            ground = ground if population is None else Ground(population, row.artifact, row.trained_at)
        if topics[0] == self._topics[0] and ground is self._ground:
            return
        rows = self._rows
        if len(rows):
            looks = await self._looked_at_all(topics[1], ground)
            rows = await asyncio.to_thread(rows.looked_at, looks)
        # all together and last: whatever fails before is done again in the next round
        self._topics, self._ground, self._rows = topics, ground, rows

    async def _loaded(self, artifact: str, load: Callable[[bytes], T]) -> T | None:
        try:
            return await asyncio.to_thread(lambda: load(self._artifacts.get(artifact)))
        except (FileNotFoundError, BadArtifact) as error:
            log.warning("what models stand on cannot be read, the one before stays", error=describe(error))
            return None

    async def _looked_at_all(self, topics: TopicModel | None, ground: Ground) -> Looks:
        pieces: list[Looks] = []
        after = ""
        while page := await self._store.page_of_texts(after, PAGE):
            after = page[-1].post_id
            ids, texts = [row.post_id for row in page], [row.text for row in page]
            pieces.append(await asyncio.to_thread(look, ids, texts, topics, ground.population))
        return joined(pieces)

    async def _catch_up(self) -> bool:
        """Take over what changed, so much at once; return whether that was all."""
        changed: dict[str, Any] = {}
        full, place, horizon = True, self._place, self._horizon
        while full and len(changed) < AT_ONCE:
            page, horizon = await self._store.changed_posts(place, PAGE)
            changed |= {row.post_id: row for row in page}
            full = len(page) == PAGE
            if page:
                place = (page[-1].sequence, page[-1].post_id)
        if not changed and horizon == self._horizon:
            return not full
        gone = [row.post_id for row in changed.values() if not in_sight(row)]
        pieces = list(changed.values())
        self._rows = await asyncio.to_thread(self._merged, pieces, gone, horizon)
        self._place, self._horizon = place, horizon
        return not full

    def _merged(self, changed: Sequence[Any], gone: Sequence[str], horizon: int) -> Rows:
        return self._rows.merged(rows_of(changed, self._topics[1], self._ground.population), gone, horizon)

    async def _trim(self) -> None:
        """Let the oldest posts leave where there are too many."""
        count = len(self._rows)
        if count > SLACK * self._limit:
            first = int(np.partition(self._rows.sequences, count - self._limit)[count - self._limit])
            await self._store.prune(first - 1)

    async def _show(self) -> None:
        """Make a view of the rows if they are others now, and the last one is long enough ago."""
        now, wanted = monotonic(), (self._rows, self._ground, self._topics[1])
        if now < self._rests_until or (
            self._shown is not None and all(a is b for a, b in zip(wanted, self._shown, strict=True))
        ):
            return
        rows, ground, topics = wanted
        made = await asyncio.to_thread(_whole, rows, ground)
        named = {} if topics is None else {topic.id: topic for topic in topics.topics}
        self._view = View(self._view.number + 1, made, rows, named)
        self._shown = wanted
        self._outlooks.clear()
        self._rests_until = monotonic() + REST * (monotonic() - now)

    def _shows(self, wanted: Parts) -> bool:
        return self._shown is not None and all(a is b for a, b in zip(wanted, self._shown, strict=True))


def last_words(log: Sequence[Any], ground: Ground) -> list[Said]:
    """Return a person's last word on every post, from their log, oldest first."""
    until = ground.made_at
    words = {row.post_id: Said(row.post_id, row.rating, until is not None and row.said_at <= until) for row in log}
    return [words[post] for post in sorted(words)]


def _whole(rows: Rows, ground: Ground) -> Seen:
    """Return the corpus with what everybody will ask of it, so that no request waits for that."""
    made = seen(rows, ground)
    _ = made.columns.places, made.features.columns
    return made


def _outlook(corpus: Seen, told: Told | None, said: Sequence[Said], cut: float, tuned: bool) -> Answer:
    if told is None:
        model = posterior(corpus.features, [], variant=corpus.ground.variant, cut=cut)
    else:
        # made on another population: until the trainer has said it on this one, what their ratings make of it
        model = posterior_of(told, corpus.ground) or refitted(corpus, said, cut=cut)
    said_of_all = outlook_of(corpus, model, cut=cut, tuned=tuned)
    return said_of_all, tuned_rows(corpus, model) if tuned else np.zeros(len(corpus.columns), bool)


def _basis(model: str, told: Told | None, said: Sequence[Said]) -> Basis:
    unsure = sum(each.rating is None for each in said)
    if told is None:
        return Basis(model, 0, Status.POPULATION_VIEW.value, 0, unsure)
    return Basis(model, told.version, told.status, told.labels, told.unsure, told.errors, told.baselines)
