"""Every question the classifier asks its tables about posts and scores."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, and_, exists, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.classifier.override_store import touch
from services.classifier.overrides import fingerprint
from services.classifier.records import facts_of
from services.classifier.tables import (
    corrections,
    days,
    models,
    posts,
    questions,
    retractions,
    runs,
    scores,
    thresholds,
    tombstones,
)
from shared.bus.erasures import author_subject
from shared.db import Database, chunks, insert_new, upsert
from shared.events import PostCorrected, PostDeleted

ERASED = {"text": None, "text_key": None, "author": None, "url": None, "reply_to": None}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a batch: cause id -> score and post; post id -> revision, author; subject -> erased when."""

    scores: dict[str, dict[str, Any]]
    revisions: dict[str, int]
    authors: dict[str, str]
    erased: dict[str, datetime]


class Store:
    """Posts as scored, their scores, models and runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thresholds: dict[str, dict[str, float]] = {}

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Yield the one transaction of a batch."""
        async with self._database.begin() as connection:
            yield connection

    async def known(self, cause_ids: Sequence[str], post_ids: Sequence[str], subjects: Collection[str]) -> Known:
        """Return what is known of a batch: scores stored for its events, revisions of its posts, erasures."""
        stored = (
            select(scores, *(column for column in posts.c if column.name not in scores.c))
            .join(posts, posts.c.post_id == scores.c.post_id)
            .where(scores.c.cause_id.in_(cause_ids))
        )
        older = select(posts.c.post_id, posts.c.revision, posts.c.author).where(posts.c.post_id.in_(post_ids))
        async with self._database.read() as connection:
            rows = (await connection.execute(older)).all()
            return Known(
                {row.cause_id: dict(row._mapping) for row in (await connection.execute(stored)).all()},
                {row.post_id: row.revision for row in rows},
                {row.post_id: row.author for row in rows if row.author is not None},
                await self._erased_among(connection, subjects),
            )

    async def erased_among(self, subjects: Collection[str]) -> dict[str, datetime]:
        """Return which post ids and author subjects are erased and since when, as of the last commit."""
        async with self._database.read() as connection:
            return await self._erased_among(connection, subjects)

    async def _erased_among(self, connection: AsyncConnection, subjects: Collection[str]) -> dict[str, datetime]:
        question = select(tombstones.c.subject, tombstones.c.deleted_at)
        rows = await connection.execute(question.where(tombstones.c.subject.in_(list(subjects))))
        return {row.subject: row.deleted_at for row in rows.all()}

    async def save(
        self, at: AsyncConnection, post_rows: Sequence[Mapping[str, Any]], score_rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep posts and scores; an older revision changes nothing, a review of an equal score stays."""
        await upsert(at, posts, post_rows, newer="revision", keep=("seen_at",))
        kept = ("human_reviewed", "review_status", "reviewed_at")
        await upsert(at, scores, score_rows, newer="revision", keep=kept)

    async def note_thresholds(self, name: str, values: Mapping[str, float]) -> None:
        """Keep the thresholds that scores name by this hash; once per process, whoever else did it before."""
        if name not in self._thresholds:
            async with self.begin() as at:
                await insert_new(at, thresholds, [{"thresholds_hash": name, "thresholds": dict(values)}])
            self._thresholds[name] = dict(values)

    async def thresholds(self, names: Collection[str | None]) -> Mapping[str, Mapping[str, float]]:
        """Return hash -> thresholds of those that are kept; equal hashes are equal thresholds, so each is read once."""
        missing = [name for name in set(names) if name is not None and name not in self._thresholds]
        if missing:
            async with self._database.read() as connection:
                question = select(thresholds).where(thresholds.c.thresholds_hash.in_(missing))
                for row in (await connection.execute(question)).all():
                    self._thresholds[row.thresholds_hash] = row.thresholds
        return self._thresholds

    async def fill_keys(self, limit: int) -> int:
        """Give posts of an older release the key of their text; return how many got one."""
        async with self.begin() as at:
            lacking = posts.c.text_key.is_(None) & posts.c.text.is_not(None)
            rows = (await at.execute(select(posts.c.post_id, posts.c.text).where(lacking).limit(limit))).all()
            for row in rows:
                values = {"text_key": fingerprint(row.text)}
                await at.execute(update(posts).where(posts.c.post_id == row.post_id).values(values))
            return len(rows)

    async def touch(self, at: AsyncConnection, post_ids: Sequence[str]) -> None:
        """Let every process look again at what was corrected of these posts: they say something else now."""
        await touch(at, post_ids)

    async def count(self, at: AsyncConnection, run: Mapping[str, Any], scored: int, flagged: int) -> None:
        """Add to an analysis run, which is made if it is missing."""
        await insert_new(at, runs, [run])
        more = {
            "scored": runs.c.scored + scored,
            "posts_total": runs.c.posts_total + scored,
            "flagged": runs.c.flagged + flagged,
        }
        await at.execute(update(runs).where(runs.c.id == run["id"]).values(more))

    async def erase(self, deletions: Sequence[PostDeleted]) -> dict[str, list[str]]:
        """Leave tombstones and no text; scores and ids stay. Return author subject -> post ids that went with it.

        The tombstones are committed first: a writer that did not see them is seen by what follows. A post that goes
        with its author gets a tombstone that names the author, so that a repetition knows the same posts.
        """
        deleted = {each.post_id: each.deleted_at for each in deletions if each.post_id is not None}
        authors = {
            (each.platform, each.author): each.deleted_at
            for each in sorted(deletions, key=lambda each: each.deleted_at)
            if each.post_id is None and each.platform and each.author
        }
        theirs = {author_subject(*whose): when for whose, when in authors.items()}
        async with self.begin() as at:
            await insert_new(at, tombstones, _rows(deleted))
            await upsert(at, tombstones, _rows(theirs), newer="deleted_at")  # an author may ask more than once
        async with self.begin() as at:
            for (platform, author), when in authors.items():
                await self._bury_posts_of(at, platform, author, when)
            await self._erase_posts(at, list(deleted))
            return await self._gone_with(at, [author_subject(*whose) for whose in authors])

    async def _bury_posts_of(self, at: AsyncConnection, platform: str, author: str, when: datetime) -> None:
        whose = (posts.c.platform == platform) & (posts.c.author == author)
        ids = list((await at.execute(select(posts.c.post_id).where(whose))).scalars())
        because = author_subject(platform, author)
        await insert_new(at, tombstones, [{"subject": each, "deleted_at": when, "because": because} for each in ids])
        await at.execute(update(posts).where(whose).values(ERASED))
        await touch(at, ids)

    async def _gone_with(self, at: AsyncConnection, subjects: Sequence[str]) -> dict[str, list[str]]:
        gone: dict[str, list[str]] = {}
        for some in chunks(subjects):
            question = select(tombstones.c.because, tombstones.c.subject).where(tombstones.c.because.in_(some))
            for because, subject in (await at.execute(question)).all():
                gone.setdefault(because, []).append(subject)
        return gone

    async def erase_again(self, post_ids: Sequence[str]) -> None:
        """Erase posts that were written although they, or their authors, were erased before."""
        async with self.begin() as at:
            await self._erase_posts(at, post_ids)

    async def _erase_posts(self, at: AsyncConnection, post_ids: Sequence[str]) -> None:
        for some in chunks(post_ids):
            await at.execute(update(posts).where(posts.c.post_id.in_(some)).values(ERASED))
        await touch(at, post_ids)

    async def mop(self) -> int:
        """Erase what a write that ran beside its erasure left; return how many posts that were."""
        doomed = posts.c.text.is_not(None) & posts.c.post_id.in_(select(tombstones.c.subject))
        async with self.begin() as at:
            mopped = await at.execute(update(posts).where(doomed).values(ERASED).returning(posts.c.post_id))
            ids = list(mopped.scalars())
            await touch(at, ids)
            return len(ids)

    async def review(self, said: Sequence[PostCorrected]) -> None:
        """Mark the scores of corrected posts with the newest verdict that was not taken back."""
        async with self.begin() as at:
            taken = [each.retracts for each in said if each.retracts]
            await insert_new(at, retractions, [{"correction_id": name} for name in taken])
            rows = [
                {
                    "correction_id": each.correction_id,
                    "post_id": each.post_id,
                    "verdict": each.verdict.value,
                    "corrected_at": each.corrected_at,
                }
                for each in said
                if not each.retracts
            ]
            await insert_new(at, corrections, rows)
            about = {row["post_id"] for row in rows if row["post_id"]}
            if taken:
                whose = select(corrections.c.post_id).where(corrections.c.correction_id.in_(taken))
                about |= set((await at.execute(whose)).scalars())
            await self._mark(at, sorted(str(post_id) for post_id in about if post_id))

    async def _mark(self, at: AsyncConnection, post_ids: Sequence[str]) -> None:
        standing = (
            select(corrections)
            .where(corrections.c.post_id.in_(post_ids))
            .where(corrections.c.correction_id.not_in(select(retractions.c.correction_id)))
            .order_by(corrections.c.corrected_at, corrections.c.correction_id)
        )
        newest = {row.post_id: row for row in (await at.execute(standing)).all()}
        for post_id in post_ids:
            row = newest.get(post_id)
            await at.execute(
                update(scores)
                .where(scores.c.post_id == post_id)
                .values(
                    human_reviewed=row is not None,
                    review_status=row.verdict if row else None,
                    reviewed_at=row.corrected_at if row else None,
                )
            )

    async def reviews(self, post_ids: Sequence[str]) -> dict[str, Row[Any]]:
        """Return post id -> the newest standing correction, for posts that have one."""
        question = (
            select(corrections)
            .where(corrections.c.post_id.in_(post_ids))
            .where(corrections.c.correction_id.not_in(select(retractions.c.correction_id)))
            .order_by(corrections.c.corrected_at, corrections.c.correction_id)
        )
        async with self._database.read() as connection:
            return {row.post_id: row for row in (await connection.execute(question)).all()}

    async def promote(self, row: Mapping[str, Any], run: Mapping[str, Any], *, goes_on: bool) -> None:
        """Remember a promoted model and that older posts want new scores.

        A run that `goes_on` takes over what an earlier one has not finished: what that one scored stays.
        """
        async with self.begin() as at:
            await upsert(at, models, [row], newer="promoted_at")
            before = (await at.execute(_rescorings().where(runs.c.id != run["id"]).limit(1))).first()
            wanted = dict(run)
            if goes_on and before is not None and before.limit is None:
                facts = facts_of(before)
                versions = [*facts["versions"], *run["facts"]["versions"]]
                wanted |= {"limit": None, "scored": before.scored, "facts": {**facts, "versions": versions}}
            await insert_new(at, runs, [wanted])

    async def live_model(self) -> Row[Any] | None:
        """Return the model promoted last, if any."""
        question = select(models).order_by(models.c.promoted_at.desc(), models.c.model_version.desc()).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    async def rescoring(self, model_version: str) -> Row[Any] | None:
        """Return the newest unfinished rescoring run of a model, if any."""
        async with self._database.read() as connection:
            question = _rescorings().where(runs.c.model_version == model_version)
            row: Row[Any] | None = (await connection.execute(question.limit(1))).one_or_none()
        return row

    async def without_score(
        self, versions: Sequence[str], since: datetime | None, before: datetime | None, limit: int
    ) -> Sequence[dict[str, Any]]:
        """Return posts, newest first, that none of these models scored, or not `since` then; `before` goes on there.

        What the LLM has scored, or is asked about without a local score beside, is left to the LLM.
        """
        theirs = scores.c.model_version.in_(list(versions))
        again = scores.c.scored_at >= since if since is not None else true()
        mine = and_(
            scores.c.post_id == posts.c.post_id,
            or_(and_(theirs, again), scores.c.source != "local"),
            scores.c.revision >= posts.c.revision,
        )
        waits = (questions.c.post_id == posts.c.post_id) & (questions.c.state == "queued") & ~questions.c.scored_locally
        wanted = posts.c.text.is_not(None) & ~exists().where(mine) & ~exists().where(waits)
        if before is not None:
            wanted &= posts.c.seen_at <= before
        question = select(posts).where(wanted).order_by(posts.c.seen_at.desc(), posts.c.post_id).limit(limit)
        async with self._database.read() as connection:
            return [dict(row._mapping) for row in (await connection.execute(question)).all()]

    async def finish_run(self, run_id: str, state: str, now: datetime) -> None:
        """Close an analysis run."""
        async with self.begin() as at:
            await at.execute(update(runs).where(runs.c.id == run_id).values(state=state, finished_at=now))

    async def close_other_rescorings(self, run_id: str, now: datetime) -> None:
        """Close every other rescoring run: its model is not in force any more."""
        old = (runs.c.kind == "rescore") & (runs.c.state == "running") & (runs.c.id != run_id)
        async with self.begin() as at:
            await at.execute(update(runs).where(old).values(state="superseded", finished_at=now))

    async def list_runs(self, limit: int) -> Sequence[Row[Any]]:
        """Return the newest analysis runs."""
        async with self._database.read() as connection:
            return (await connection.execute(select(runs).order_by(runs.c.started_at.desc()).limit(limit))).all()

    async def run(self, run_id: str) -> Row[Any] | None:
        """Return an analysis run."""
        async with self._database.read() as connection:
            return (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()

    async def spent(self, first: date, last: date) -> Sequence[Row[Any]]:
        """Return what calls to the LLM cost on each day (UTC) from the first to the last, in nanodollars."""
        period = days.c.day.between(first.isoformat(), last.isoformat()) & (days.c.spent_nano > 0)
        async with self._database.read() as connection:
            return (await connection.execute(select(days).where(period).order_by(days.c.day))).all()

    async def count_scores(self) -> int:
        """Return how many rows toxicity_scores has."""
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(scores))).scalar_one())


def _rescorings() -> Select[Any]:
    """Return the question for unfinished rescoring runs, the newest first."""
    unfinished = (runs.c.kind == "rescore") & (runs.c.state == "running")
    return select(runs).where(unfinished).order_by(runs.c.started_at.desc(), runs.c.id)


def _rows(subjects: Mapping[str, datetime]) -> list[dict[str, Any]]:
    return [{"subject": name, "deleted_at": when} for name, when in sorted(subjects.items())]
