"""What a correction changes at once: every known post with its text is said again, with the person's word in it.

Invariant: what is said has an id that follows from the correction and the post, and the moment it was first felt, so
that a repetition says the same and hearers take it for newer than the score before.
"""

from collections.abc import Sequence
from datetime import datetime

from services.classifier.override_store import OverrideStore
from services.classifier.records import post_of
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from shared.bus.erasures import author_subject
from shared.events import Event, Post, PostCorrected, PostScored, said


class Correcting:
    """Lets corrections and their retractions be felt."""

    def __init__(self, store: Store, overrides: OverrideStore, speaking: Speaking) -> None:
        self._store = store
        self._overrides = overrides
        self._speaking = speaking

    async def feel(self, events: Sequence[Event[PostCorrected]], now: datetime) -> dict[str, list[Event[PostScored]]]:
        """Return event id -> the scores that are said because of it; of several in a batch the last one says a post.

        The reviews of these events have to be noted already.
        """
        # 1. keep the words, and give those a key whose post came in meanwhile
        await self._overrides.note([event.data for event in events], now)
        about = {event.id: event.data.retracts or event.data.correction_id for event in events}
        await self._overrides.resolve([event.data.post_id for event in events if event.data.post_id])
        touched = await self._overrides.touched_by(set(about.values()))
        speaker: dict[bytes, Event[PostCorrected]] = {}
        since: dict[bytes, datetime] = {}
        for event in events:
            if about[event.id] in touched:
                key, moment = touched[about[event.id]]
                speaker[key], since[key] = event, max(moment, since.get(key, moment))
        if not speaker:
            return {}
        # 2. the posts with these texts, as they are stored now, but for those that are erased by now
        first = {event.data.post_id for event in events if event.data.post_id}
        rows = {row["post_id"]: row for row in await self._overrides.posts_with(speaker, first)}
        because = {name: row["text_key"] for name, row in rows.items()}
        # and those that were nearly the same as a text whose word is taken back
        taken = {event.data.retracts for event in events if event.data.retracts} & touched.keys()
        for correction, row in await self._overrides.posts_near(taken) if taken else ():
            if row["post_id"] not in rows:
                rows[row["post_id"]], because[row["post_id"]] = row, touched[correction][0]
        scores = await self._overrides.newest_scores(list(rows))
        found = [(because[name], scores[name], post_of(row)) for name, row in rows.items() if name in scores]
        erased = await self._store.erased_among({name for *_, post in found for name in _subjects(post)})
        found = [each for each in found if not erased.keys() & _subjects(each[2])]
        # 3. speak
        payloads = await self._speaking.say(
            [(row, post) for _, row, post in found], {post.post_id: since[key] for key, _, post in found}
        )
        says: dict[str, list[Event[PostScored]]] = {}
        for (key, _, post), payload in zip(found, payloads, strict=True):
            event = speaker[key]
            spoken = said(
                payload,
                by="classifier",
                cause=f"{event.id}|{post.post_id}",
                correlation_id=event.correlationid or event.id,
                traceparent=event.traceparent,
            )
            says.setdefault(event.id, []).append(spoken)
        return says


def _subjects(post: Post) -> set[str]:
    return {post.post_id, *([author_subject(post.platform, post.author)] if post.author else ())}
