"""Pages of what the classifier still knows of posts, of people's words on them, and of what was erased.

Invariant: pages follow a key, so that nothing that stands throughout is left out or comes twice, whatever is added; no
question here changes anything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select

from services.classifier.overrides import Override
from services.classifier.tables import models, near_words, overrides, posts, tombstones
from shared.db import Database, chunks


@dataclass(frozen=True, slots=True)
class Felt:
    """A person's word, when it was felt first, and when its taking back was, if it was taken back."""

    word: Override
    felt_at: datetime
    retracted_at: datetime | None


class ExportStore:
    """Questions of exports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def posts_behind(self, after: str, limit: int) -> list[dict[str, Any]]:
        """Return posts by id, from the one behind `after`, also those that are erased."""
        question = select(posts).where(posts.c.post_id > after).order_by(posts.c.post_id).limit(limit)
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(question)).all()]

    async def tombstones_behind(self, after: str, limit: int) -> Sequence[Row[Any]]:
        """Return what was erased, by subject from the one behind `after`."""
        question = select(tombstones).where(tombstones.c.subject > after).order_by(tombstones.c.subject).limit(limit)
        async with self._database.read() as at:
            return (await at.execute(question)).all()

    async def felt(self, keys: Collection[bytes], post_ids: Collection[str]) -> list[Felt]:
        """Return every word on these texts or these posts, whether it stands or not."""
        found: list[Felt] = []
        async with self._database.read() as at:
            mine = or_(overrides.c.text_key.in_(list(keys)), overrides.c.post_id.in_(list(post_ids)))
            rows = await at.execute(select(overrides).where(mine))
            found += [_felt(row) for row in rows]
        return found

    async def felt_near(self, post_ids: Collection[str]) -> dict[str, list[Felt]]:
        """Return post id -> every word on nearly the same text that was said for it, whether it stands or not."""
        found: dict[str, list[Felt]] = {}
        question = select(near_words.c.post_id.label("said_for"), overrides).join(
            overrides, overrides.c.correction_id == near_words.c.correction_id
        )
        async with self._database.read() as at:
            for row in await at.execute(question.where(near_words.c.post_id.in_(list(post_ids)))):
                found.setdefault(row.said_for, []).append(_felt(row))
        return found

    async def models(self, versions: Collection[str]) -> Mapping[str, Row[Any]]:
        """Return those of these versions that were in force once, by version."""
        found: dict[str, Row[Any]] = {}
        async with self._database.read() as at:
            for some in chunks(sorted(versions)):
                rows = await at.execute(select(models).where(models.c.model_version.in_(some)))
                found |= {row.model_version: row for row in rows}
        return found


def _felt(row: Any) -> Felt:
    word = Override(row.correction_id, row.labels, row.corrected_at, row.text_key, row.post_id)
    return Felt(word, row.felt_at, row.retracted_at)
