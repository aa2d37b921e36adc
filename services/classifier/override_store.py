"""Every question about people's overrides: what they say of a text, which posts have it, what changed since.

Invariant: every change of an override takes the next number of one counter and holds it until the commit, so that who
polls by number misses nothing; no text is kept here, only its fingerprint.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.classifier.overrides import Override, decides, fingerprint, is_about
from services.classifier.tables import counters, near_words, overrides, posts, retractions, scores
from shared.db import Database, chunks, insert_new
from shared.events import PostCorrected

COUNTER = "overrides"
POSTS_OF_A_TEXT = 1_000
"""Posts with the same text, newest first, that a correction is said for at once; others follow with the next model."""
POSTS_AT_ONCE = 5_000
Place = tuple[int, str]
"""Where a poll stands: number of the change, and the correction behind which to go on."""


async def next_number(at: AsyncConnection) -> int:
    """Return the next number; until the end of the transaction nobody else gets one."""
    await insert_new(at, counters, [{"name": COUNTER, "value": 0}])
    more = update(counters).where(counters.c.name == COUNTER).values(value=counters.c.value + 1)
    return int((await at.execute(more.returning(counters.c.value))).scalar_one())


async def touch(at: AsyncConnection, post_ids: Sequence[str]) -> None:
    """Let everybody look again at the overrides about posts whose text is gone or another now."""
    for some in chunks(post_ids):
        mine = overrides.c.post_id.in_(list(some))
        if (await at.execute(select(overrides.c.post_id).where(mine).limit(1))).first() is not None:
            number = await next_number(at)
            await at.execute(update(overrides).where(mine).values(sequence=number))


def _override(row: Any) -> Override:
    return Override(row.correction_id, row.labels, row.corrected_at, row.text_key, row.post_id)


class OverrideStore:
    """What people said, by fingerprint."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, said: Sequence[PostCorrected], now: datetime) -> None:
        """Keep what corrections override, and take back what retractions name; repetitions change nothing.

        A retraction has to be among the retractions already: then it counts in whatever order the two come.
        """
        new = [(each, decides(each)) for each in said]
        new = [(each, labels) for each, labels in new if labels and (each.post_id or (each.text or "").strip())]
        taken = [each.retracts for each in said if each.retracts]
        if not new and not taken:
            return
        async with self._database.begin() as at:
            number = await next_number(at)
            names = [each.correction_id for each, _ in new]
            gone = set((await at.execute(_ids(retractions.c.correction_id, names))).scalars())
            known = await self._keys(at, [each.post_id for each, _ in new if each.post_id])
            rows = [
                {
                    "correction_id": each.correction_id,
                    "text_key": _key(each, known),
                    "post_id": each.post_id,
                    "labels": labels,
                    "corrected_at": each.corrected_at,
                    "felt_at": now,
                    "retracted_at": now if each.correction_id in gone else None,
                    "sequence": number,
                }
                for each, labels in new
            ]
            await insert_new(at, overrides, rows)
            if taken:
                stands = overrides.c.correction_id.in_(taken) & overrides.c.retracted_at.is_(None)
                await at.execute(update(overrides).where(stands).values(retracted_at=now, sequence=number))

    async def _keys(self, at: AsyncConnection, post_ids: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        question = select(posts.c.post_id, posts.c.text_key, posts.c.revision).where(
            posts.c.post_id.in_(list(post_ids)), posts.c.text_key.is_not(None)
        )
        return {row.post_id: (row.text_key, row.revision) for row in (await at.execute(question)).all()}

    async def resolve(self, post_ids: Sequence[str]) -> None:
        """Give overrides that came before their post its key, if it is here and was not edited since."""
        waiting = (
            select(overrides.c.correction_id, overrides.c.corrected_at, posts.c.text_key, posts.c.revision)
            .join(posts, posts.c.post_id == overrides.c.post_id)
            .where(overrides.c.post_id.in_(list(post_ids)))
            .where(overrides.c.text_key.is_(None), posts.c.text_key.is_not(None))
        )
        async with self._database.read() as at:
            rows = (await at.execute(waiting)).all()
        found = [row for row in rows if is_about(row.corrected_at, row.revision)]
        if found:
            async with self._database.begin() as at:
                number = await next_number(at)
                for row in found:
                    mine = (overrides.c.correction_id == row.correction_id) & overrides.c.text_key.is_(None)
                    await at.execute(update(overrides).where(mine).values(text_key=row.text_key, sequence=number))

    async def said_of(self, keys: Collection[bytes], post_ids: Collection[str]) -> list[Override]:
        """Return the standing overrides of these texts, and those of these posts that have no key yet."""
        waits = overrides.c.text_key.is_(None) & overrides.c.post_id.in_(list(post_ids))
        mine = or_(overrides.c.text_key.in_(list(keys)), waits)
        async with self._database.read() as at:
            rows = await at.execute(select(overrides).where(mine, overrides.c.retracted_at.is_(None)))
            return [_override(row) for row in rows.all()]

    async def note_near(self, words: Collection[tuple[str, str]]) -> None:
        """Remember which (correction, post) pairs a word on a nearly equal text was said for."""
        if words:
            async with self._database.begin() as at:
                rows = [{"correction_id": name, "post_id": post_id} for name, post_id in sorted(words)]
                await insert_new(at, near_words, rows)

    async def posts_near(self, correction_ids: Collection[str]) -> list[tuple[str, dict[str, Any]]]:
        """Return (correction, post) pairs: the posts that still have a text of those these words were said for."""
        question = (
            select(near_words.c.correction_id, posts)
            .join(posts, posts.c.post_id == near_words.c.post_id)
            .where(near_words.c.correction_id.in_(list(correction_ids)), posts.c.text.is_not(None))
            .order_by(posts.c.seen_at.desc(), posts.c.post_id)
            .limit(POSTS_AT_ONCE)
        )
        async with self._database.read() as at:
            rows = [dict(row._mapping) for row in (await at.execute(question)).all()]
        return [(row.pop("correction_id"), row) for row in rows]

    async def touched_by(self, correction_ids: Collection[str]) -> dict[str, tuple[bytes, datetime]]:
        """Return correction id -> the key it is about and when its last change was felt, whether it stands or not."""
        wanted = (
            select(overrides)
            .where(overrides.c.correction_id.in_(list(correction_ids)))
            .where(overrides.c.text_key.is_not(None))
        )
        async with self._database.read() as at:
            rows = (await at.execute(wanted)).all()
        return {row.correction_id: (row.text_key, max(row.felt_at, row.retracted_at or row.felt_at)) for row in rows}

    async def posts_with(self, keys: Collection[bytes], first: Collection[str]) -> list[dict[str, Any]]:
        """Return the newest posts of each text that still have it, those in `first` before all, with `text_key`."""
        order = (case((posts.c.post_id.in_(list(first)), 0), else_=1), posts.c.seen_at.desc(), posts.c.post_id)
        ranked = (
            select(posts, func.row_number().over(partition_by=posts.c.text_key, order_by=order).label("place"))
            .where(posts.c.text_key.in_(list(keys)), posts.c.text.is_not(None))
            .subquery()
        )
        wanted = select(ranked).where(ranked.c.place <= POSTS_OF_A_TEXT).order_by(ranked.c.place).limit(POSTS_AT_ONCE)
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(wanted)).all()]

    async def newest_scores(self, post_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return post id -> its score that counts: the newest of the newest revision."""
        found: dict[str, dict[str, Any]] = {}
        async with self._database.read() as at:
            for some in chunks(post_ids):
                question = select(scores).where(scores.c.post_id.in_(list(some)))
                rows = await at.execute(question.order_by(scores.c.revision, scores.c.scored_at))
                found |= {row.post_id: dict(row._mapping) for row in rows.all()}
        return found

    async def last_number(self) -> int:
        """Return the number of the newest change."""
        async with self._database.read() as at:
            found = await at.execute(select(counters.c.value).where(counters.c.name == COUNTER))
            return int(found.scalar() or 0)

    async def changed_since(self, place: Place, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return overrides that changed behind `place`, with platform and text of the post if it still has it."""
        number, name = place
        behind = or_(
            overrides.c.sequence > number,
            and_(overrides.c.sequence == number, overrides.c.correction_id > name),
        )
        same = (posts.c.post_id == overrides.c.post_id) & (posts.c.text_key == overrides.c.text_key)
        wanted = (
            select(overrides, posts.c.platform, posts.c.text)
            .join(posts, same, isouter=True)
            .where(behind)
            .order_by(overrides.c.sequence, overrides.c.correction_id)
            .limit(limit)
        )
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(wanted)).all()]


def _ids(column: Any, values: Sequence[str]) -> Any:
    return select(column).where(column.in_(list(values)))


def _key(said: PostCorrected, known: Mapping[str, tuple[bytes, int]]) -> bytes | None:
    """Return the key a correction is about: its own text's, else its post's unless that was edited afterwards."""
    if said.text is not None and said.text.strip():
        return fingerprint(said.text)
    key, revision = known.get(said.post_id or "", (None, 0))
    return key if key is not None and is_about(said.corrected_at, revision) else None
