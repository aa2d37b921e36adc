"""What the auditor does when it hears of a score, a correction, a rating, a model or a deletion.

Invariant: a step of a history is said because of the event that caused it, from what is stored, however often that
event is delivered; once a deletion was handled no text of that post or author is left, whatever copies come later.
"""

from collections import Counter as Counts
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

from prometheus_client import Counter

from services.auditor.corpus import heard
from services.auditor.rating import disowned, of_rating, stands, withdrawal
from services.auditor.speaking import said_of
from services.auditor.staging import Staging
from services.auditor.status.live import Policy, PostRecord, Step, hear_all
from services.auditor.status.posts import MODEL, REVIEWER, Judgement, is_late, status_of_correction
from services.auditor.store import Connection, Correction, Store
from shared.bus.commit import Done, Outcome
from shared.bus.erasures import author_subject
from shared.events import (
    Event,
    ModelTrained,
    PostCorrected,
    PostDeleted,
    PostRated,
    PostScored,
    caused,
)
from shared.heard import deletions, erased_since, hidings, newest_scores
from shared.thresholds import over
from shared.vocabulary import FeedbackType

REFUSED = "refused"
"""The LLM declined to judge the post: whatever the local model says, a person shall look."""

STEPS = Counter("ombud_auditor_status_changes_events", "Steps of status histories.", ["status", "rule"])
LATE = Counter(
    "ombud_auditor_late_judgements",
    "Judgements that were heard after a newer one of the same source: kept, without effect.",
    ["source"],
)
CHANGES = Counter("ombud_auditor_history_changes", "Changes that status histories record, by kind.", ["kind"])


class Handlers:
    """What is done about each stream the auditor hears; each batch is one transaction with a constant effort."""

    def __init__(self, store: Store, policy: Policy, staging: Staging | None = None) -> None:
        self._store = store
        self._policy = policy
        self._staging = staging

    async def on_post_scored(self, events: list[Event[PostScored]]) -> Sequence[Outcome]:
        """Let the model's opinion of each post advance its record."""
        judgements = [_of_score(event, self._policy) for event in events]
        async with self._store.begin() as connection:
            # 1. where the posts stand; until the end of the transaction nobody else moves them
            records = await self._store.lock_records(connection, {each.post_id for each in judgements})
            # 2. what a newly promoted model says of older posts waits for the rest of its round
            back = await self._staging.keep_back(connection, events, judgements, records) if self._staging else ()
            now = [each for each in judgements if each.cause_id not in back]
            # 3. decide and write
            steps = await self._apply(connection, events, records, now)
            # 4. what audits look at
            erased = await self._keep_posts(connection, [event.data for event in events])
        return _outcomes(events, steps, erased)

    async def _keep_posts(self, connection: Connection, scores: Sequence[PostScored]) -> set[str]:
        """Keep posts as scored; return which of them are erased: those have to leave the streams."""
        newest = newest_scores(scores)
        # from here on nobody erases until we are done
        change = await self._store.next_change(connection)
        subjects = heard.subjects(score for _, score in newest.values())
        erased, hidden = await self._store.out_of_sight(connection, subjects)
        rows = [heard.post_row(rank, score, erased, hidden, change) for rank, score in newest.values()]
        await self._store.put_posts(connection, rows)
        # a post of an erased author gets a tombstone of its own: its next copy may not name the author
        if not erased:
            return set()
        met = {score.post.post_id: at for score in scores if (at := erased_since(score, erased)) is not None}
        await self._store.bury(connection, met)
        # nor had it when it was rated, or when an older revision came without a name
        await self._store.erase_posts(connection, met, change)
        return set(met)

    async def on_post_corrected(self, events: list[Event[PostCorrected]]) -> Sequence[Outcome]:
        """Let people's opinions, and the taking back of them, advance the records of the posts they are about.

        A correction of a bare text is about no post, so it says no status.
        """
        about = [event for event in events if event.data.post_id or event.data.retracts]
        if not about:
            return [Done() for _ in events]
        async with self._store.begin() as connection:
            # 1. the corrections as known, then with what is said now; a retraction may come before what it takes back
            known = await self._store.lock_corrections(connection, (_spoken_of(event.data) for event in about))
            retracted = [each.correction_id for each in known.values() if each.retracted]
            for event in about:
                _note(known[_spoken_of(event.data)], event.data)
            judgements = [each for event in about if (each := _of_correction(event, known, retracted)) is not None]
            # 2. where the posts stood before, and what was said of them
            posts = {each.post_id for each in judgements}
            records = await self._store.lock_records(connection, posts)
            depth = 1 + sum(each.retracts for each in judgements)
            records = await self._store.with_corrections(connection, records, posts, retracted, depth)
            # 3. decide and write
            await self._store.save_corrections(connection, known.values())
            steps = await self._apply(connection, about, records, judgements)
        return _outcomes(events, steps)

    async def on_post_deleted(self, events: list[Event[PostDeleted]]) -> Sequence[Outcome]:
        """Keep when a post was taken away, and erase what audits know of it; its status and history stay.

        Of an erased author everything is erased that is known to be theirs; who is only hidden keeps everything.
        """
        said = [event.data for event in events]
        posts, authors = deletions(said)
        async with self._store.begin() as connection:
            # 1. the status says so
            deleted = [(each.post_id, each.deleted_at) for each in said if each.post_id]
            await self._store.mark_deleted(connection, deleted)
            # 2. whoever keeps a copy from now on meets the tombstones, also those of what the authors wrote
            change = await self._store.next_change(connection)
            theirs = await self._store.posts_of(connection, authors)
            gone = {**{row.post_id: authors[row.platform, row.author] for row in theirs}, **posts}
            erased = {author_subject(*who): at for who, at in authors.items()}
            await self._store.bury(connection, {**gone, **erased})
            # 3. text, author and ratings
            await self._store.erase_posts(connection, gone, change)
            await self._store.hide(connection, hidings(said), change)
        return [Done() for _ in events]

    async def on_post_rated(self, events: list[Event[PostRated]]) -> Sequence[Outcome]:
        """Keep what people said of posts: enough of one mind decide; forget what they take back."""
        raters = {event.data.rater for event in events}
        back = heard.withdrawals(events)
        async with self._store.begin() as connection:
            # 1. where the posts stand, also those whose raters take something back: records are locked first
            theirs = [
                each for who, at in sorted(back.items()) for each in await self._store.rated(connection, *who, at)
            ]
            about = {event.data.post_id for event in events} | {post for post, _, _ in theirs}
            records = await self._store.lock_records(connection, about)
            change = await self._store.next_change(connection)
            # 2. what is taken back, and what was made of it
            await self._store.withdraw(connection, back)
            # 3. late copies meet deletions and withdrawals
            withdrawn = await self._store.withdrawn(connection, raters)
            erased, _ = await self._store.out_of_sight(connection, {event.data.post_id for event in events})
            await self._store.put_ratings(connection, heard.rating_rows(events, erased, withdrawn, change))
            # 4. the statuses
            judgements = [withdrawal(*each) for each in theirs]
            judgements += [of_rating(event) for event in events if stands(event, withdrawn)]
            steps = await self._apply(connection, events, records, judgements)
            await self._store.disown(connection, disowned(theirs))
        return _outcomes(events, steps)

    async def on_model_trained(self, events: list[Event[ModelTrained]]) -> Sequence[Outcome]:
        """Keep people's models and what those stand on; models that score are no business of an audit."""
        said = [event.data for event in events]
        async with self._store.begin() as connection:
            await self._store.next_change(connection)  # nobody takes ratings back meanwhile
            withdrawn = await self._store.withdrawn(connection, heard.raters(said))
            await self._store.put_models(connection, *heard.model_rows(said, withdrawn))
            await self._store.put_groups(connection, heard.group_rows(said))
            await self._store.put_foundations(connection, heard.foundation_rows(said))
        return [Done() for _ in events]

    async def _apply(
        self,
        connection: Connection,
        events: Sequence[Event[Any]],
        records: Mapping[str, PostRecord],
        judgements: Sequence[Judgement],
    ) -> dict[str, Step]:
        """Keep judgements and what they lead to; return every step these events caused, now or before."""
        names = [event.id for event in events]
        told = await self._store.steps_caused_by(connection, names)
        known = await self._store.heard(connection, [each.cause_id for each in judgements])
        fresh = {each.cause_id: each for each in reversed(judgements) if each.cause_id not in known}
        received = list(fresh.values())[::-1]
        for source, number in Counts(each.rule for each in received if _late(records, each)).items():
            LATE.labels(source).inc(number)
        after, steps = hear_all(records, received, self._policy)
        await self._store.save(connection, received, after, steps, self._policy, said_with=set(names))
        count(steps)
        # what a round brought is the announcer's to say
        told = {name: step for name, step in told.items() if step.round_id is None}
        return told | {step.cause_id: step for step in steps}


def _late(records: Mapping[str, PostRecord], said: Judgement) -> bool:
    return said.post_id in records and is_late(records[said.post_id].held, said)


def count(steps: Sequence[Step]) -> None:
    """Count steps by what they lead to, and what they record: conflicts with a lock, for example."""
    for (status, rule), number in Counts((step.status.value, step.rule) for step in steps).items():
        STEPS.labels(status, rule).inc(number)
    for kind, number in Counts(change.kind for step in steps for change in step.changes).items():
        CHANGES.labels(kind.value).inc(number)


def _model_says(score: PostScored) -> tuple[float, bool]:
    """Return overall and flagged without the words of people who spoke about this very post.

    They are heard as corrections, so the status is theirs and its history says so; here they would come twice, and as
    the model's. A person's word on another post with this text is news, and counts.
    """
    own = {
        name: word.instead_of
        for name, word in (score.corrected or {}).items()
        if word.post_id == score.post.post_id and word.layer == "same"
    }
    if not own:
        return score.overall, score.flagged
    scores = {name: own.get(name, value) for name, value in score.scores.items()}
    known = {name: value for name, value in scores.items() if value is not None}
    return max(known.values(), default=0.0), bool(over(known, score.thresholds))


def _of_score(event: Event[PostScored], policy: Policy) -> Judgement:
    score, post = event.data, event.data.post
    overall, flagged = _model_says(score)
    return Judgement(
        post.post_id,
        MODEL,
        event.id,
        score.scored_at,
        event.id,
        policy.status_of(overall, flagged, score.fallback == REFUSED),
        revision=post.revision,
        edited_at=post.edited_at,
        model_version=score.model_version,
    )


def _of_correction(
    event: Event[PostCorrected], known: Mapping[str, Correction], retracted: Container[str]
) -> Judgement | None:
    """Return the judgement as its correction was first heard, or None for a retraction of something unheard.

    `retracted` are corrections that were taken back before this batch.
    """
    subject = known[_spoken_of(event.data)]
    if subject.post_id is None or subject.corrected_at is None:
        return None
    name, said_at = subject.correction_id, event.data.corrected_at
    if event.data.retracts:
        if name in retracted:  # it takes nothing back any more: it was heard, or came before its correction
            return None
        return Judgement(subject.post_id, REVIEWER, name, said_at, event.id, retracts=True)
    void = name in retracted
    return Judgement(subject.post_id, REVIEWER, name, subject.corrected_at, event.id, subject.status, void=void)


def _spoken_of(said: PostCorrected) -> str:
    return said.retracts or said.correction_id


def _note(kept: Correction, said: PostCorrected) -> None:
    """Keep what is said of a correction; the first event that brings it is believed, a second of the same id is not."""
    if said.retracts:
        kept.retracted = True
    elif kept.corrected_at is None:
        kept.post_id, kept.corrected_at = said.post_id, said.corrected_at
        kept.status = status_of_correction(
            said.verdict,
            said.expected_categories,
            said.actual_categories,
            missed=said.feedback_type is FeedbackType.FALSE_NEGATIVE,
            standing=said.standing,
        )


def _outcomes(events: Sequence[Event[Any]], steps: Mapping[str, Step], erased: Collection[str] = ()) -> list[Outcome]:
    """Return what each event leads to: the step it caused, or nothing.

    What is about one of the `erased` posts has to leave the streams.
    """
    return [
        Done(
            [caused(event, said_of(steps[event.id]), by="auditor")] if event.id in steps else (),
            erase=[event.data.post.post_id] if erased and event.data.post.post_id in erased else (),
        )
        for event in events
    ]
