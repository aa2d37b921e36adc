"""What the classifier does when it hears something."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from prometheus_client import Counter

from services.classifier.asking import Asking
from services.classifier.correcting import Correcting
from services.classifier.felt import Felt
from services.classifier.live_model import LiveModel
from services.classifier.records import REPLAY, post_of, post_row, rescore_row, run_row, score_row
from services.classifier.scoring import newest, scores_of
from services.classifier.settings import ClassifierSettings
from services.classifier.shadow_store import ShadowStore
from services.classifier.speaking import Speaking
from services.classifier.store import Known, Store
from shared.artifacts import BadArtifact
from shared.bus.commit import Again, Dead, Done, Outcome
from shared.bus.erasures import author_subject
from shared.clock import utcnow
from shared.events import Event, ModelPromoted, ModelTrained, Post, PostCorrected, PostDeleted, PostIngested, caused
from shared.thresholds import over
from shared.vocabulary import ModelKind

SCORED = Counter("ombud_classifier_scored_posts", "Posts scored, by whether they were flagged.", ["flagged"])
FLAGGED = Counter("ombud_classifier_flagged_posts", "Posts flagged, by each category that flagged them.", ["category"])


def _subjects(post: Post) -> set[str]:
    author = {author_subject(post.platform, post.author)} if post.author else set()
    return author | {post.post_id}


def _is_erased(post: Post, erased: Mapping[str, datetime]) -> bool:
    """Return whether a post was erased by itself or with its author; what they wrote later is a new post."""
    if not erased:
        return False
    since = erased.get(author_subject(post.platform, post.author)) if post.author else None
    return post.post_id in erased or (since is not None and not post.written_after(since))


def _author_of(deleted: PostDeleted) -> str:
    return author_subject(deleted.platform or "", deleted.author or "") if deleted.post_id is None else ""


def _of_author(event: Event[PostIngested], authors: Mapping[str, str]) -> Event[PostIngested]:
    """Return the event with the author an earlier revision named, so that an erasure of theirs finds every revision."""
    post = event.data.post
    if post.author is not None or post.post_id not in authors:
        return event
    named = post.model_copy(update={"author": authors[post.post_id]})
    return event.model_copy(update={"data": PostIngested(post=named)})


def _fresh(events: Sequence[Event[PostIngested]], known: Known) -> list[Event[PostIngested]]:
    """Return what has to be scored: the newest revision of each post, unless it is stored, outdated or erased."""
    latest = newest([(event.data.post.post_id, event.data.post.revision) for event in events])
    return [
        event
        for at, event in enumerate(events)
        if at in latest
        and event.id not in known.scores
        and event.data.post.revision >= known.revisions.get(event.data.post.post_id, 0)
        and not _is_erased(event.data.post, known.erased)
    ]


class Handlers:
    """Scores posts, forgets deleted ones, notes reviews, swaps models."""

    def __init__(
        self,
        store: Store,
        live: LiveModel,
        speaking: Speaking,
        felt: Felt,
        correcting: Correcting,
        shadows: ShadowStore,
        settings: ClassifierSettings,
        asking: Asking | None = None,
    ) -> None:
        self._store = store
        self._live = live
        self._speaking = speaking
        self._felt = felt
        self._correcting = correcting
        self._shadows = shadows
        self._settings = settings
        self._asking = asking

    async def on_post_ingested(self, events: list[Event[PostIngested]]) -> Sequence[Outcome]:
        """Score what is new, then say every score from its stored row."""
        # 1. what is known already: scores of these very events, newer revisions, tombstones
        subjects = {event.id: _subjects(event.data.post) for event in events}
        known = await self._store.known(
            [event.id for event in events],
            [event.data.post.post_id for event in events],
            set().union(*subjects.values()),
        )
        events = [_of_author(event, known.authors) for event in events]
        subjects = {event.id: _subjects(event.data.post) for event in events}
        fresh = _fresh(events, known)
        # 2. decide with one model, 3. write in one transaction
        rows = await self._score(fresh, known, utcnow()) if fresh else {}
        if self._asking:
            await self._asking.again([event.id for event in events if event.id in known.scores])
        # 4. an erasure that came meanwhile counts, too; what met one is not said and leaves the streams
        gone = await self._erased(events, subjects, known, fresh)
        # 5. speak, also for what a repetition brings; people's words on these texts go in
        spoken: dict[str, tuple[Any, Post]] = {}
        for event in events:
            row: Any = rows.get(event.id) or known.scores.get(event.id)
            if row is not None and row.get("text") is not None and event.id not in gone:
                spoken[event.id] = row, event.data.post if event.id in rows else post_of(row)
        said = dict(zip(spoken, await self._speaking.say(list(spoken.values())), strict=True))
        return [
            Done(
                [caused(event, said[event.id], by="classifier")] if event.id in said else [],
                erase=[event.data.post.post_id] if event.id in gone else (),
            )
            for event in events
        ]

    async def _erased(
        self,
        events: Sequence[Event[PostIngested]],
        subjects: Mapping[str, set[str]],
        known: Known,
        fresh: Sequence[Event[PostIngested]],
    ) -> set[str]:
        """Return the ids of events whose post is erased, and erase what was written or is still there of it."""
        erased = known.erased
        if fresh:
            erased = erased | await self._store.erased_among(set().union(*(subjects[event.id] for event in fresh)))
        gone = {event.id for event in events if _is_erased(event.data.post, erased)}
        if gone:
            await self._store.erase_again([event.data.post.post_id for event in events if event.id in gone])
        return gone

    async def _score(self, events: list[Event[PostIngested]], known: Known, now: datetime) -> dict[str, dict[str, Any]]:
        """Return event id -> local score of the posts that got one; what the LLM is asked about is queued."""
        instead = self._asking.instead(events) if self._asking else []
        waiting = {event.id for event in instead}
        scored_now = [event for event in events if event.id not in waiting]
        rows, besides, run, flags = await self._score_locally(scored_now, now) if scored_now else ({}, [], None, [])
        flagged = sum(map(bool, flags))
        edited = self._felt.compares(known.revisions)
        async with self._store.begin() as at:
            if edited:
                await self._store.touch(at, edited)
            await self._store.save(at, [post_row(event.data.post, now) for event in events], list(rows.values()))
            if run is not None:
                await self._store.count(at, run, len(rows), flagged)
            if self._asking:
                await self._asking.enqueue(at, instead, besides, now)
        SCORED.labels("yes").inc(flagged)
        SCORED.labels("no").inc(len(rows) - flagged)
        for category, count in Tally(chain.from_iterable(flags)).items():
            FLAGGED.labels(category).inc(count)
        return {name: row | {"text": ""} for name, row in rows.items()}

    async def _score_locally(
        self, events: list[Event[PostIngested]], now: datetime
    ) -> tuple[dict[str, dict[str, Any]], list[Event[PostIngested]], dict[str, Any], list[list[str]]]:
        """Return scores, which posts the LLM is asked about besides, the run, and what flagged each post."""
        loaded = self._live.get()
        thresholds = await self._speaking.thresholds(loaded)
        found = scores_of(await loaded.score([event.data.post.text for event in events]), thresholds)
        run = run_row("live", loaded.name, loaded.version, now)
        besides, reasons = self._asking.besides(events, found, thresholds) if self._asking else ([], {})
        rows = {
            event.id: score_row(
                event.data.post,
                score,
                cause=event.id,
                model=loaded.name,
                version=loaded.version,
                thresholds=thresholds,
                run_id=run["id"],
                now=now,
                data_hash=loaded.model.facts.get("data_hash"),
                fallback=reasons.get(event.id),
            )
            for event, score in zip(events, found, strict=True)
        }
        return rows, besides, run, [over(score.scores, thresholds) if score.flagged else [] for score in found]

    async def on_post_deleted(self, events: list[Event[PostDeleted]]) -> Sequence[Outcome]:
        """Erase the text, keep ids and scores."""
        gone = await self._store.erase([event.data for event in events])
        # the streams know a correction by its post, not by the post's author
        return [Done(erase=gone.get(_author_of(event.data), ())) for event in events]

    async def on_post_corrected(self, events: list[Event[PostCorrected]]) -> Sequence[Outcome]:
        """Note a person's verdict beside the score, and say every post with that text again as it counts now."""
        await self._store.review([event.data for event in events])
        said = await self._correcting.feel(events, utcnow())
        gone = await self._store.erased_among({event.data.post_id for event in events if event.data.post_id})
        return [
            Done(said.get(event.id, ()), erase=[event.data.post_id] if event.data.post_id in gone else ())
            for event in events
        ]

    async def on_model_trained(self, events: list[Event[ModelTrained]]) -> Sequence[Outcome]:
        """Let a model that is to be watched score beside the one in force, and end that for one that is refused."""
        for trained in (event.data for event in events):
            if trained.kind is ModelKind.GLOBAL and trained.stage == "shadow" and trained.artifact is not None:
                name, back = trained.model_version, self._settings.shadow_begins_with
                await self._shadows.begin(name, trained.model, trained.artifact, utcnow(), back=back)
            elif trained.kind is ModelKind.GLOBAL and trained.stage in ("refused", "retired"):
                await self._shadows.end(trained.model_version, trained.stage, utcnow())
        return [Done()] * len(events)

    async def on_model_promoted(self, events: list[Event[ModelPromoted]]) -> Sequence[Outcome]:
        """Put the model in force and ask for new scores of older posts."""
        return [await self._promote(event) for event in events]

    async def _promote(self, event: Event[ModelPromoted]) -> Outcome:
        promoted = event.data
        if promoted.kind is not ModelKind.GLOBAL:
            return Done()
        row = {
            "model_version": promoted.model_version,
            "model": promoted.model,
            "artifact": promoted.artifact,
            "promoted_at": promoted.promoted_at,
        }
        try:
            await self._live.check(promoted.artifact)
        except FileNotFoundError:
            return Again("the artifact is not here yet", "FileNotFoundError")
        except BadArtifact as error:
            return Dead(f"the artifact is no model of ours: {error}", "BadArtifact")
        run = rescore_row(promoted, event.id, utcnow(), self._settings.replay_rescores)
        await self._store.promote(row, run, goes_on=promoted.layer == REPLAY)
        if promoted.layer != REPLAY:
            await self._shadows.end(None, promoted.model_version, utcnow())
        live = await self._store.live_model()
        if live is not None:
            await self._live.swap(live.model, live.model_version, live.artifact)
        return Done()
