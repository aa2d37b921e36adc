"""What the trainer does when it hears something: keep what can be learned from, forget what was taken away.

Invariant: once a deletion was handled no text of that post or author is left, whatever copies come later.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.trainer.personalising import Personalising
from services.trainer.store import Store
from shared.bus.commit import Dead, Done, Outcome
from shared.bus.erasures import author_subject
from shared.events import Event, PostCorrected, PostDeleted, PostRated, PostScored
from shared.heard import deletions, erased_since, newest_scores
from shared.vocabulary import ScoreSource


class Handlers:
    """One method per event; only ratings say something at once, because runs speak through the models table."""

    def __init__(self, store: Store, personal: Personalising, corrected: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._personal = personal
        self._corrected = corrected

    async def on_post_scored(self, events: list[Event[PostScored]]) -> Sequence[Outcome]:
        """Keep the newest revision of each post with its scores."""
        # 1. one row per post, the newest of the batch
        newest = [score for _, score in newest_scores(event.data for event in events).values()]
        subjects = {subject for scored in newest for subject in subjects_of(scored)}
        # 2. meet the tombstones, then write
        async with self._store.begin() as connection:
            erased = await self._store.erased_among(connection, subjects)
            await self._store.save_posts(connection, [post_row(scored, erased) for scored in newest])
        # 3. a post of an erased author gets a tombstone of its own; a deletion that came meanwhile counts too
        erased = await self._store.erased_now(subjects)
        await self._forget({each.post.post_id: at for each in newest if (at := erased_since(each, erased))})
        # 4. what met a tombstone has to leave the streams
        return [Done(erase=[event.data.post.post_id] if erased_since(event.data, erased) else ()) for event in events]

    async def on_post_corrected(self, events: list[Event[PostCorrected]]) -> Sequence[Outcome]:
        """Keep every correction, whether its post is known yet or not."""
        # 1. one row per correction
        heard = {event.data.correction_id: event.data for event in events}
        about = {each.post_id for each in heard.values() if each.post_id}
        # 2. meet the tombstones, then write
        async with self._store.begin() as connection:
            erased = await self._store.erased_among(connection, about)
            await self._store.save_corrections(connection, [correction_row(each, erased) for each in heard.values()])
        # 3. a deletion that came meanwhile counts too
        now = await self._store.erased_now(about)
        await self._forget({name: at for name, at in now.items() if name not in erased})
        self._corrected()
        return [Done()] * len(events)

    async def on_post_rated(self, events: list[Event[PostRated]]) -> Sequence[Outcome]:
        """Keep what people said of posts, forget what they take back, and say their next model."""
        return await self._personal.heard(events)

    async def on_post_deleted(self, events: list[Event[PostDeleted]]) -> Sequence[Outcome]:
        """Erase text and author of deleted posts, and of everything an erased author wrote."""
        # 1. tombstones first and on their own, so that whoever writes a copy right now meets them afterwards
        posts, authors = deletions(event.data for event in events)
        async with self._store.begin() as connection:
            await self._store.bury(connection, {**posts, **{author_subject(*who): at for who, at in authors.items()}})
        # 2. erase, also the posts known of an erased author
        theirs = await self._store.posts_of(authors)
        await self._forget({**{row.post_id: authors[row.platform, row.author] for row in theirs}, **posts})
        # 3. who is only hidden keeps everything
        return [Done() if is_clear(event.data) else Dead("names no post and no author") for event in events]

    async def _forget(self, deleted: Mapping[str, datetime]) -> None:
        """Erase posts: their tombstones are committed before the text goes, so that no writer slips in between."""
        if deleted:
            async with self._store.begin() as connection:
                await self._store.bury(connection, deleted)
            async with self._store.begin() as connection:
                await self._store.erase_posts(connection, deleted)
            await self._personal.forget(deleted)


def subjects_of(scored: PostScored) -> list[str]:
    """Return under which names a post may have been erased."""
    post = scored.post
    return [post.post_id, *([author_subject(post.platform, post.author)] if post.author else [])]


def subject_of(deleted: PostDeleted) -> str | None:
    """Return what a deletion is about, None if it names nothing."""
    if deleted.post_id:
        return deleted.post_id
    return author_subject(deleted.platform, deleted.author) if deleted.platform and deleted.author else None


def is_clear(deleted: PostDeleted) -> bool:
    """Return whether an event says whom it is about."""
    return deleted.visibility is not None or subject_of(deleted) is not None


def post_row(scored: PostScored, erased: Mapping[str, datetime]) -> dict[str, Any]:
    """Return a post as it is kept; without text and author if it is erased."""
    post = scored.post
    since = erased_since(scored, erased)
    return {
        "post_id": post.post_id,
        "platform": post.platform,
        "author": None if since else post.author,
        "text": None if since else post.text,
        "language": post.language,
        "revision": post.revision,
        "overall": scored.overall,
        "scores": scored.scores,
        "flagged": scored.flagged,
        "model_version": scored.model_version,
        "scored_at": scored.scored_at,
        "llm_flagged": None if scored.source is ScoreSource.LOCAL or scored.corrected else scored.flagged,
        "deleted_at": since,
        "topics_version": None,  # the text may be another one: its topic is looked for again
    }


def correction_row(corrected: PostCorrected, erased: Mapping[str, datetime]) -> dict[str, Any]:
    """Return a correction as it is kept; without text if its post is erased."""
    return {
        "correction_id": corrected.correction_id,
        "post_id": corrected.post_id,
        "text": None if corrected.post_id in erased else corrected.text,
        "language": corrected.language,
        "verdict": corrected.verdict.value,
        "feedback_type": corrected.feedback_type.value,
        "expected": list(corrected.expected_categories),
        "actual": list(corrected.actual_categories),
        "spoke_about": list(corrected.spoke_about),
        "reviewer": corrected.reviewer,
        "standing": corrected.standing.value,
        "retracts": corrected.retracts,
        "weak": corrected.weak,
        "sampled": corrected.sampled,
        "batch_id": corrected.batch_id,
        "version": corrected.version,
        "hold_until": corrected.hold_until,
        "corrected_at": corrected.corrected_at,
    }
