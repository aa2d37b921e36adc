"""Every question about shadow models: which one scores beside the model in force, how far it is, what differed.

Invariant: whoever counts a page of posts moves the place behind it in the same transaction, and only from where it
found it, so that of several processes one counts each post.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, tuple_, update

from services.classifier.shadow import Compared
from services.classifier.tables import posts, shadow_counts, shadow_posts, shadows
from shared.db import Database, insert_new

SUMS = ("posts", "champion", "shadow", "gained", "lost", "difference")


class ShadowStore:
    """The tables of shadow models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, version: str, model: str, artifact: str, now: datetime, *, back: int) -> None:
        """Let a model score beside the one in force, from the newest `back` posts on; any other one's time is over.

        A model that was a shadow before goes on where it was, unless its time was ended.
        """
        async with self._database.begin() as at:
            others = shadows.c.ended_at.is_(None) & (shadows.c.model_version != version)
            await at.execute(update(shadows).where(others).values(ended_at=now, ended_by=version))
            newest = select(posts.c.seen_at, posts.c.post_id).order_by(posts.c.seen_at.desc(), posts.c.post_id.desc())
            first = (await at.execute(newest.offset(back).limit(1))).first()
            oldest = (await at.execute(select(func.min(posts.c.seen_at)))).scalar()
            place = (first.seen_at, first.post_id) if first else (oldest or now, "")
            row = {
                "model_version": version,
                "model": model,
                "artifact": artifact,
                "began_at": now,
                "seen_at": place[0],
                "post_id": place[1],
                "posts": 0,
            }
            await insert_new(at, shadows, [row])

    async def end(self, version: str | None, by: str, now: datetime) -> None:
        """End the time of one shadow, or of whichever there is, and say by what."""
        open_ = shadows.c.ended_at.is_(None)
        wanted = open_ if version is None else open_ & (shadows.c.model_version == version)
        async with self._database.begin() as at:
            await at.execute(update(shadows).where(wanted).values(ended_at=now, ended_by=by[:100]))

    async def active(self) -> Row[Any] | None:
        """Return the shadow whose time is not over, if any."""
        newest = select(shadows).where(shadows.c.ended_at.is_(None)).order_by(shadows.c.began_at.desc()).limit(1)
        async with self._database.read() as at:
            return (await at.execute(newest)).first()

    async def newest(self, version: str | None = None) -> Row[Any] | None:
        """Return one shadow, whether its time is over or not: the named one, or the newest."""
        question = select(shadows).order_by(shadows.c.began_at.desc(), shadows.c.model_version).limit(1)
        if version is not None:
            question = question.where(shadows.c.model_version == version)
        async with self._database.read() as at:
            return (await at.execute(question)).first()

    async def page(self, shadow: Row[Any], until: datetime, limit: int) -> list[Row[Any]]:
        """Return the next posts behind the shadow's place that came before `until`: their id, text and moment."""
        behind = tuple_(posts.c.seen_at, posts.c.post_id) > tuple_(shadow.seen_at, shadow.post_id)
        question = select(posts.c.post_id, posts.c.text, posts.c.seen_at).where(behind, posts.c.seen_at < until)
        async with self._database.read() as at:
            return list(await at.execute(question.order_by(posts.c.seen_at, posts.c.post_id).limit(limit)))

    async def count(
        self,
        shadow: Row[Any],
        page: Sequence[Row[Any]],
        found: Compared,
        names: Sequence[str],
        champion: str,
        day: str,
        keep: int,
    ) -> bool:
        """Add what was found in a page and move behind it; return False if another process did so already.

        `names` are the ids of the compared posts, by position; at most `keep` posts with another decision are kept.
        """
        last = page[-1]
        mine = (shadows.c.model_version == shadow.model_version) & shadows.c.ended_at.is_(None)
        there = (shadows.c.seen_at == shadow.seen_at) & (shadows.c.post_id == shadow.post_id)
        moved = {"seen_at": last.seen_at, "post_id": last.post_id, "posts": shadows.c.posts + len(names)}
        async with self._database.begin() as at:
            if (await at.execute(update(shadows).where(mine, there).values(moved))).rowcount != 1:
                return False
            if not names:
                return True
            blank = dict.fromkeys((*SUMS, "largest"), 0)
            key = {"shadow_version": shadow.model_version, "day": day}
            await insert_new(at, shadow_counts, [{**key, "category": name, **blank} for name in found.counts])
            for category, count in found.counts.items():
                row = shadow_counts.c
                more: dict[str, Any] = {name: row[name] + getattr(count, name) for name in SUMS}
                same = (row.shadow_version == shadow.model_version) & (row.day == day) & (row.category == category)
                await at.execute(update(shadow_counts).where(same).values(more))
                larger = same & (row.largest < count.largest)
                await at.execute(update(shadow_counts).where(larger).values(largest=count.largest))
            kept = select(func.count()).select_from(shadow_posts)
            theirs = kept.where(shadow_posts.c.shadow_version == shadow.model_version)
            room = keep - int((await at.execute(theirs)).scalar_one())
            seen = {row.post_id: row.seen_at for row in page}
            rows = [
                {
                    "shadow_version": shadow.model_version,
                    "post_id": names[flip.at],
                    "champion_version": champion,
                    "gained": list(flip.gained),
                    "lost": list(flip.lost),
                    "difference": flip.difference,
                    "seen_at": seen[names[flip.at]],
                }
                for flip in found.flips[: max(room, 0)]
            ]
            await insert_new(at, shadow_posts, rows)
        return True

    async def sums(self, version: str) -> list[Mapping[str, Any]]:
        """Return what differed over all days, one row per category and one for `any`."""
        row = shadow_counts.c
        summed = [func.sum(row[name]).label(name) for name in SUMS]
        question = select(row.category, *summed, func.max(row.largest).label("largest"))
        async with self._database.read() as at:
            found = await at.execute(question.where(row.shadow_version == version).group_by(row.category))
            return [dict(each._mapping) for each in found.all()]

    async def flips(self, version: str, limit: int) -> Sequence[Row[Any]]:
        """Return posts with another decision, those with the largest differences first."""
        row = shadow_posts.c
        question = select(shadow_posts).where(row.shadow_version == version)
        async with self._database.read() as at:
            return (await at.execute(question.order_by(row.difference.desc(), row.post_id).limit(limit))).all()
