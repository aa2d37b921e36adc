"""Looks at the posts that came in, beside the stream: gives each a topic and counts it for drift.

Invariant: nothing here holds up an event; a post is looked at once per topic model and counted once, whoever looks.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from prometheus_client import Gauge

from services.trainer import drift, own_rows
from services.trainer.drift import Level, Look, Review, Signal, Words
from services.trainer.runs import Due, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from services.trainer.store.drift import CountedElsewhere
from shared import model
from shared.artifacts import ArtifactStore, BadArtifact
from shared.clock import monotonic, utcnow
from shared.db import Stored
from shared.thresholds import over
from shared.topics import model as topic_model
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

log = structlog.get_logger("ombud.trainer")

VALUE = Gauge("ombud_trainer_drift_value", "How far posts are from what the model knew.", ["signal", "part"])
ACTING = Gauge("ombud_trainer_drift_acting_signals", "Signals of drift past the limit that asks for a full training.")

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 1000
SLICE = 50
"""Texts a thread looks at in one go: while it computes, each step of whatever is heard waits for the interpreter."""
ROUND_S = 5.0
"""Longest time one round takes when there is much to look at."""
JUDGED_EVERY_S = 60.0
REVIEWS = 20_000


@dataclass(frozen=True)
class Drifted:
    """All signals at one moment; `reference` is the full training they are against, None until there is one."""

    reference: str | None
    posts: int
    days: int
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class _Root:
    """The full training in force, as the ruler of drift: its model scores reference and days alike."""

    version: str
    model: model.Model
    metrics: Mapping[str, Any]


class Looking:
    """Topics and drift of the posts of this installation."""

    def __init__(self, store: Store, settings: TrainerSettings, artifacts: ArtifactStore) -> None:
        self._store = store
        self._settings = settings
        self._artifacts = artifacts
        self._topics: tuple[str, topic_model.TopicModel] | None = None
        self._root: _Root | None = None
        self._judged_at = float("-inf")
        self._due: list[Due] = []
        self._groups = drift.finder({group.key: group.words.values() for group in own_rows.groups()})

    async def __call__(self) -> None:
        """Go round once: topics for new posts, counts for new posts, and now and then what they say."""
        until = monotonic() + ROUND_S
        while await self._assign() and monotonic() < until:
            pass
        while await self._count() and monotonic() < until:
            pass
        if monotonic() - self._judged_at >= JUDGED_EVERY_S:
            self._judged_at = monotonic()
            await self._judge()

    async def ask(self) -> Sequence[Due]:
        """Return the full training that drift asks for, once."""
        due, self._due = self._due, []
        return due

    async def drifted(self) -> Drifted:
        """Return all signals as they stand."""
        root = await self._store.drift_root()
        reference = await self._store.drift_reference(root.version) if root is not None else None
        found: list[Signal] = []
        days = 0
        if root is not None and reference is not None:
            known, now, days = await self._store.drift_counts(root.version, utcnow().date())
            found = drift.signals(known, now) + await self._agreement(root, reference)
            found += await self._disagreement(root, reference)
        spread = await self._topic_spread()
        found += [spread] if spread is not None else []
        version = reference.reference if reference is not None else None
        return Drifted(version, reference.posts if reference is not None else 0, days, tuple(found))

    async def _assign(self) -> bool:
        """Give topics to some posts; return whether there may be more."""
        newest = await self._store.topic_model()
        if newest is None:
            return False
        rows = await self._store.without_topic(newest.version, AT_ONCE)
        if not rows:
            return False
        if self._topics is None or self._topics[0] != newest.version:
            try:
                loaded = await asyncio.to_thread(lambda: topic_model.load(self._artifacts.get(newest.artifact)))
            except (FileNotFoundError, BadArtifact) as error:
                log.warning("topics cannot be loaded", version=newest.version, reason=type(error).__name__)
                return False
            self._topics = newest.version, loaded
        found = await _gently(partial(_assigned, self._topics[1]), [row.text for row in rows])
        await self._store.assign_topics(
            newest.version,
            [
                {
                    "post_id": row.post_id,
                    "revision": row.revision,
                    "topic": topic,
                    "score": round(score, 6),
                    "scored_at": row.scored_at,
                }
                for row, (topic, score) in zip(rows, found, strict=True)
            ],
        )
        return len(rows) == AT_ONCE

    async def _count(self) -> bool:
        """Count some posts, against the reference of the full training in force; return whether there may be more."""
        row = await self._store.drift_root()
        if row is None:
            return False
        enough = self._settings.drift_reference_posts
        reference = await self._store.drift_reference(row.version)
        if reference is None and await self._store.count_posts(enough) < enough:
            return False
        root = await self._ruler(row)
        if root is None:
            return False
        if reference is None:
            return await self._refer(root, await self._store.newest_texts(enough))
        rows = await self._store.uncounted(AT_ONCE)
        if not rows:
            return False
        words = Words(reference.words)
        days: dict[str, Counter[drift.Key]] = {}
        whole = [each for each in rows if each.text is not None]
        looks = await _gently(partial(_looks, root.model), whole)

        def count() -> None:
            for each, look in zip(whole, looks, strict=True):
                counts = drift.counted([look], reference.thresholds, words)
                days.setdefault(each.scored_at.date().isoformat(), Counter()).update(counts)

        await asyncio.to_thread(count)
        try:
            await self._store.count_posts_of_days(root.version, [each.post_id for each in rows], days, utcnow())
        except CountedElsewhere:
            return False
        return len(rows) == AT_ONCE

    async def _refer(self, root: _Root, rows: Sequence[Stored]) -> bool:
        """Make the reference of a full training of the newest posts; return whether there may be more to count.

        Their older half teaches which words are known, the newer half says how many are not.
        """
        thresholds = root.model.thresholds
        looks = await _gently(partial(_looks, root.model), rows)
        words, counts = await asyncio.to_thread(_referred, looks, thresholds)
        await self._store.save_reference(root.version, counts, thresholds, bytes(words.bits), utcnow())
        log.info("drift has a reference", model_version=root.version, posts=len(looks))
        return True

    async def _ruler(self, row: Stored) -> _Root | None:
        if self._root is None or self._root.version != row.version:
            try:
                loaded = await asyncio.to_thread(lambda: model.load(self._artifacts.get(row.artifact)))
            except (FileNotFoundError, BadArtifact) as error:
                log.warning("drift has no model to look with", version=row.version, reason=type(error).__name__)
                return None
            self._root = _Root(row.version, loaded, row.metrics)
        return self._root

    async def _agreement(self, row: Stored, reference: Stored) -> list[Signal]:
        """Return how the full training in force agrees with what reviewers said since it was made."""
        root = await self._ruler(row)
        if root is None:
            return []
        said = [
            (each, right)
            for each in await self._store.reviews(reference.made_at, REVIEWS)
            if (right := verdict_of(each)) is not None
        ]
        looks = await _gently(partial(_looks, root.model), [each for each, _ in said])
        reviews = [
            Review(
                flagged=each.flagged if each.verdict == Verdict.CORRECT.value else not right,
                right=right,
                score=max(look.scores.values(), default=None),
                sampled=bool(each.sampled),
                groups=self._groups(each.text),
            )
            for (each, right), look in zip(said, looks, strict=True)
        ]
        expected = (root.metrics.get("macro") or {}).get("balanced_accuracy")
        return drift.agreement(reviews, expected)

    async def _disagreement(self, row: Stored, reference: Stored) -> list[Signal]:
        """Return how the full training in force agrees with what an LLM said, before its reference and since."""
        root = await self._ruler(row)
        now = await self._store.llm_scored(reference.made_at, REVIEWS, since=True)
        if root is None or not now:
            return []
        before = await self._store.llm_scored(reference.made_at, REVIEWS, since=False)
        apart = []
        for rows in (before, now):
            looks = await _gently(partial(_looks, root.model), rows)
            flags = [bool(over(look.scores, reference.thresholds)) for look in looks]
            apart.append([flag is not bool(each.llm_flagged) for flag, each in zip(flags, rows, strict=True)])
        return [drift.disagreement(*apart)]

    async def _topic_spread(self) -> Signal | None:
        newest, listed, _ = await self._store.topic_list()
        if newest is None:
            return None
        recent = await self._store.recent_topics(newest.version, newest.fitted_at)
        fitted = {topic_model.OUTLIER: newest.outliers, **{each.topic: each.n for each in listed}}
        return drift.topic_spread(fitted, recent)

    async def _judge(self) -> None:
        """Show the signals, and ask for a full training if one of them says so."""
        found = (await self.drifted()).signals
        told = [each for each in found if each.level is not Level.TOO_FEW and not each.biased]
        VALUE.clear()
        for each in told:
            if each.name != "words" or each.part in own_rows.LANGUAGES:  # a label is no place for what a platform sends
                VALUE.labels(each.name, each.part).set(each.value or 0.0)
        ACTING.set(sum(each.level is Level.ACT for each in told))
        about_posts = [each for each in found if each.name != "topics"]
        reasons = drift.wanted(about_posts, await self._store.last_drift_run(), utcnow())
        if reasons and self._settings.drift_trains:
            self._due = [Due(RunKind.REFIT, Trigger.DRIFT, {"drift": list(reasons)})]


def verdict_of(row: Stored) -> bool | None:
    """Return whether a reviewed post is toxic, None if the review leaves that open."""
    if row.verdict == Verdict.CORRECT.value:
        return bool(row.flagged)
    known = {FeedbackType.FALSE_POSITIVE.value: False, FeedbackType.FALSE_NEGATIVE.value: True}
    return known.get(row.feedback_type)


def _referred(looks: Sequence[Look], thresholds: Mapping[str, float]) -> tuple[Words, Counter[drift.Key]]:
    """Return the words of the older half of some posts, newest first, and the counts of both."""
    newer, older = looks[: len(looks) // 2], looks[len(looks) // 2 :]
    words = Words()
    for look in older:
        words.learn(drift.language_of(look), drift.words_of(look))
    return words, drift.counted(older, thresholds, None) + drift.counted(newer, thresholds, words)


async def _gently(look: Callable[[Sequence[R]], list[T]], rows: Sequence[R]) -> list[T]:
    """Return what `look` makes of rows, a few at a time in a thread; between them events have as long to themselves."""
    found: list[T] = []
    for start in range(0, len(rows), SLICE):
        begun = monotonic()
        found += await asyncio.to_thread(look, rows[start : start + SLICE])
        await asyncio.sleep(monotonic() - begun)
    return found


def _assigned(topics: topic_model.TopicModel, texts: Sequence[str]) -> list[tuple[int, float]]:
    """Return topic and nearness of texts."""
    found, nearness = topics.assign(texts)
    return list(zip(found.tolist(), nearness.tolist(), strict=True))


def _looks(ruler: model.Model, rows: Sequence[Stored]) -> list[Look]:
    """Return what drift looks at of posts with a text, scored by one model."""
    scores = ruler.score([row.text for row in rows])
    names = [CATEGORIES[column] for column in ruler.columns]
    known = scores[:, ruler.columns].tolist() if rows else []
    return [
        Look(row.text, row.language, dict(zip(names, values, strict=True)))
        for row, values in zip(rows, known, strict=True)
    ]
