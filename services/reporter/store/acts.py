"""Questions about acts on platforms: which posts to look at, what was done because of each, and how much lately.

Invariant: what was noted to be looked at stays until it was looked at as it stands; a later word moves its due time,
and whoever looked before that does not remove it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.acts import State
from services.reporter.outlets import Act
from services.reporter.tables import act_work, acts, corrections, posts
from shared.db import upsert
from shared.vocabulary import Standing, Status, Verdict

COUNTED = (State.BEGUN.value, State.DONE.value, State.DRY_RUN.value)


class ActQueries:
    """Acts, and posts that may need some."""

    async def act_after(self, connection: AsyncConnection, post_ids: Collection[str], due_at: datetime) -> None:
        """Note that something was decided about posts; a later word starts the wait anew."""
        rows = [{"post_id": each, "due_at": due_at, "attempts": 0} for each in sorted(set(post_ids))]
        await upsert(connection, act_work, rows)

    async def forget_others(self, connection: AsyncConnection, now: datetime, platforms: Sequence[str]) -> None:
        """Forget due posts of platforms that no outlet is for."""
        others = select(posts.c.post_id).where(posts.c.platform.is_not(None), posts.c.platform.not_in(platforms))
        await connection.execute(delete(act_work).where(act_work.c.due_at <= now, act_work.c.post_id.in_(others)))

    async def claim_act(
        self, connection: AsyncConnection, owner: str, now: datetime, lease_until: datetime
    ) -> Row[Any] | None:
        """Make the post ours that waited longest; its row has `attempts` and when it was due."""
        free = or_(act_work.c.lease_until.is_(None), act_work.c.lease_until < now)
        question = select(act_work).where(act_work.c.due_at <= now, free).order_by(act_work.c.due_at).limit(1)
        row = (await connection.execute(question.with_for_update(skip_locked=True))).first()
        if row is not None:
            values = {"owner": owner, "lease_until": lease_until}
            await connection.execute(update(act_work).where(act_work.c.post_id == row.post_id).values(values))
        return row

    async def release_act(
        self, connection: AsyncConnection, owner: str, row: Any, *, again_at: datetime | None, attempts: int = 0
    ) -> None:
        """Forget a post that was looked at, or look at it `again_at`; what was decided meanwhile is not forgotten."""
        mine = (act_work.c.post_id == row.post_id, act_work.c.owner == owner)
        same = (*mine, act_work.c.due_at == row.due_at)
        if again_at is None:
            await connection.execute(delete(act_work).where(*same))
        else:
            await connection.execute(update(act_work).where(*same).values(due_at=again_at, attempts=attempts))
        await connection.execute(update(act_work).where(*mine).values(owner=None, lease_until=None))

    async def acts_of(self, connection: AsyncConnection, outlet: str, post_id: str) -> Sequence[Row[Any]]:
        """Return what was done at an outlet because of a post, oldest first."""
        where = (acts.c.outlet == outlet, acts.c.post_id == post_id)
        return (await connection.execute(select(acts).where(*where).order_by(acts.c.id))).all()

    async def acts_on(self, connection: AsyncConnection, outlet: str, act: str, target: str) -> Sequence[Row[Any]]:
        """Return what was done to one thing at an outlet, because of whatever posts, oldest first."""
        where = (acts.c.outlet == outlet, acts.c.act == act, acts.c.target == target)
        return (await connection.execute(select(acts).where(*where).order_by(acts.c.id))).all()

    async def acts_since(self, connection: AsyncConnection, since: datetime) -> int:
        """Return how many acts were begun since a moment."""
        where = (acts.c.at >= since, acts.c.back.is_(False), acts.c.state.in_(COUNTED), acts.c.act != Act.ALONG.value)
        return int((await connection.execute(select(func.count()).select_from(acts).where(*where))).scalar_one())

    async def add_act(self, connection: AsyncConnection, row: Mapping[str, Any]) -> int:
        """Write an act down and return its number."""
        made = await connection.execute(acts.insert().values(dict(row)).returning(acts.c.id))
        return int(made.scalar_one())

    async def change_act(self, connection: AsyncConnection, number: int, changed: Mapping[str, Any]) -> None:
        """Write down what became of an act."""
        await connection.execute(update(acts).where(acts.c.id == number).values(dict(changed)))

    async def reviewers_verdict(self, connection: AsyncConnection, post_id: str) -> Row[Any] | None:
        """Return the newest correction of a reviewer that stands and is no `unsure`."""
        where = (
            corrections.c.post_id == post_id,
            corrections.c.retracted.is_(False),
            corrections.c.standing == Standing.REVIEWER.value,
            corrections.c.verdict != Verdict.UNSURE.value,
        )
        newest = (corrections.c.corrected_at.desc(), corrections.c.correction_id.desc())
        return (await connection.execute(select(corrections).where(*where).order_by(*newest).limit(1))).first()

    async def decided_posts(self, connection: AsyncConnection, platform: str, external_ids: Sequence[str]) -> set[str]:
        """Return those of a platform's posts that a reviewer decided, or that are gone."""
        spoken = select(corrections.c.post_id).where(
            corrections.c.retracted.is_(False),
            corrections.c.standing == Standing.REVIEWER.value,
            corrections.c.verdict != Verdict.UNSURE.value,
        )
        decided = posts.c.status.in_((Status.FLAGGED.value, Status.CLEARED.value)) & posts.c.post_id.in_(spoken)
        where = (posts.c.platform == platform, posts.c.external_id.in_(external_ids))
        question = select(posts.c.external_id).where(*where, or_(decided, posts.c.deleted_at.is_not(None)))
        return set((await connection.execute(question)).scalars())

    async def shown_posts(
        self, connection: AsyncConnection, platform: str, external_ids: Sequence[str]
    ) -> Sequence[Row[Any]]:
        """Return those of a platform's posts that have a text and are not hidden."""
        where = (posts.c.platform == platform, posts.c.external_id.in_(external_ids), posts.c.hidden.is_(False))
        question = select(posts).where(*where, posts.c.text.is_not(None)).order_by(posts.c.external_id)
        return (await connection.execute(question)).all()

    async def page_of_acts(
        self,
        connection: AsyncConnection,
        *,
        outlet: str | None,
        post_id: str | None,
        state: str | None,
        before: int | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Return the log, newest first."""
        question = select(acts).order_by(acts.c.id.desc()).limit(limit)
        for column, value in ((acts.c.outlet, outlet), (acts.c.post_id, post_id), (acts.c.state, state)):
            if value is not None:
                question = question.where(column == value)
        if before is not None:
            question = question.where(acts.c.id < before)
        return (await connection.execute(question)).all()
