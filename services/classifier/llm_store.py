"""Every question the classifier asks its tables about the LLM: posts to ask about, calls, money of a day, runs.

Invariant: a question is in the hands of one owner at a time, and what comes back from another is not written. Money is
reserved before a call and settled after it, each in one statement that many processes may run at once.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, bindparam, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.classifier.tables import calls, days, posts, questions, runs, scores
from shared.db import Database, insert_new, upsert

QUEUED, SCORED, REFUSED, DEAD, DROPPED = "queued", "scored", "refused", "dead", "dropped"
SETTLED = (SCORED, REFUSED, DEAD, DROPPED)
FROM_THE_LLM = ("llm", "both")
ANNOUNCED_BY_OTHERS = timedelta(seconds=15)
"""Who settles a question announces it at once; after this long anybody does."""
BATCH_BYTES = 32_768
"""Text of one call at most, unless a single post has more."""


class LlmStore:
    """The LLM's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- questions ------------------------------------------------------------------------------------------

    async def enqueue(
        self, at: AsyncConnection, rows: Sequence[Mapping[str, Any]], *, again: Collection[str] = (DEAD,)
    ) -> None:
        """Add posts to ask about; a newer revision replaces an older one, a settled state named in `again` starts anew.

        Every other post that is known stays as it is, so that a repeated event asks nothing twice.
        """
        if not rows:
            return
        older = (questions.c.post_id == bindparam("of_post")) & (questions.c.revision < bindparam("of_revision"))
        keys = [{"of_post": row["post_id"], "of_revision": row["revision"]} for row in rows]
        await at.execute(delete(questions).where(older), keys)
        over = _of([row["post_id"] for row in rows]) & questions.c.state.in_(list(again))
        await at.execute(delete(questions).where(over))
        await insert_new(at, questions, rows)

    async def revive(self, cause_ids: Sequence[str], now: datetime) -> int:
        """Ask again about dead posts whose event came again: somebody redrove it. Return how many."""
        values = {"state": QUEUED, "attempts": 0, "due_at": now, "announced_at": None, "reason": None}
        dead = questions.c.cause_id.in_(list(cause_ids)) & (questions.c.state == DEAD)
        async with self._database.begin() as at:
            return int((await at.execute(update(questions).where(dead).values(values))).rowcount)

    async def adopt(self, run_id: str) -> int:
        """Give what waits for the LLM to this run: model or prompt may be others than when it was asked for."""
        waiting = (questions.c.state == QUEUED) & questions.c.backfill.is_(False) & (questions.c.run_id != run_id)
        async with self._database.begin() as at:
            return int((await at.execute(update(questions).where(waiting).values(run_id=run_id))).rowcount)

    async def due(self, run_id: str, now: datetime, limit: int) -> int:
        """Return how many questions of a run could be claimed now, `limit` at most."""
        some = select(questions.c.post_id).where(_free(run_id, now)).limit(limit).subquery()
        async with self._database.read() as at:
            return int((await at.execute(select(func.count()).select_from(some))).scalar_one())

    async def claim(self, owner: str, size: int, now: datetime, lease: timedelta, run_id: str) -> list[dict[str, Any]]:
        """Take the next questions of a run that are due and return them with their posts; erased ones are dropped.

        A question that has to be asked alone comes alone. What another process has in its hands is left out.
        """
        wanted = (
            select(questions, posts.c.text, posts.c.language, posts.c.revision.label("seen_revision"))
            .join(posts, posts.c.post_id == questions.c.post_id, isouter=True)
            .where(_free(run_id, now))
            .order_by(questions.c.due_at, questions.c.post_id)
            .limit(size)
            .with_for_update(of=questions, skip_locked=True)
        )
        async with self._database.begin() as at:
            found = [dict(row._mapping) for row in (await at.execute(wanted)).all()]
            gone = [row["post_id"] for row in found if row["text"] is None or row["seen_revision"] != row["revision"]]
            if gone:
                await at.execute(delete(questions).where(questions.c.post_id.in_(gone)))
            mine = _one_call([row for row in found if row["post_id"] not in gone])
            if mine:
                values = {"owner": owner, "leased_until": now + lease}
                ids = [row["post_id"] for row in mine]
                await at.execute(update(questions).where(questions.c.post_id.in_(ids)).values(values))
            return mine

    async def keep(self, owner: str, until: datetime) -> None:
        """Keep what is in our hands a little longer."""
        async with self._database.begin() as at:
            mine = (questions.c.owner == owner) & (questions.c.state == QUEUED)
            await at.execute(update(questions).where(mine).values(leased_until=until))

    async def still_ours(self, at: AsyncConnection, owner: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return post id -> question and post, for those that are still ours and whose text is still there.

        Whatever was erased or edited meanwhile is dropped: its answer is about a text that is gone.
        """
        wanted = (
            select(questions, *(column for column in posts.c if column.name not in questions.c))
            .add_columns(posts.c.revision.label("seen_revision"))
            .join(posts, posts.c.post_id == questions.c.post_id)
            .where(questions.c.post_id.in_(list(ids)), questions.c.owner == owner, questions.c.state == QUEUED)
            .with_for_update(of=questions)
        )
        rows = {row.post_id: dict(row._mapping) for row in (await at.execute(wanted)).all()}
        gone = [name for name, row in rows.items() if row["text"] is None or row["seen_revision"] != row["revision"]]
        if gone:
            await at.execute(delete(questions).where(questions.c.post_id.in_(gone)))
        return {name: row for name, row in rows.items() if name not in gone}

    async def local_scores(self, at: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return post id -> the newest local score of the newest revision."""
        wanted = select(scores).where(scores.c.post_id.in_(list(ids)), scores.c.source == "local")
        rows = (await at.execute(wanted.order_by(scores.c.revision, scores.c.scored_at))).all()
        return {row.post_id: dict(row._mapping) for row in rows}

    async def settle(self, at: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
        """Write what became of questions; each row holds `post_id` and the same columns."""
        if values:
            columns: dict[str, Any] = {name: bindparam(f"to_{name}") for name in values[0] if name != "post_id"}
            statement = update(questions).where(questions.c.post_id == bindparam("of_post")).values(columns)
            rows = [
                {"of_post": row["post_id"]} | {f"to_{name}": row[name] for name in row if name != "post_id"}
                for row in values
            ]
            await at.execute(statement, rows)

    async def drop_queued(self, run_id: str, reason: str, now: datetime) -> int:
        """Stop asking about what waits in a run and is in nobody's hands; return how many posts that were."""
        free = or_(questions.c.leased_until.is_(None), questions.c.leased_until < now)
        waiting = (questions.c.run_id == run_id) & (questions.c.state == QUEUED) & free
        values = {"state": DROPPED, "reason": reason, "owner": None, "due_at": now - ANNOUNCED_BY_OTHERS}
        async with self._database.begin() as at:
            return int((await at.execute(update(questions).where(waiting).values(values))).rowcount)

    async def forget_queued(self, run_id: str, *, free: bool = False) -> int:
        """Take out of a run what was not asked yet, or only what is in nobody's hands; another run will find it."""
        waiting = (questions.c.run_id == run_id) & (questions.c.state == QUEUED)
        if free:
            waiting &= questions.c.owner.is_(None)
        async with self._database.begin() as at:
            return int((await at.execute(delete(questions).where(waiting))).rowcount)

    async def release(self, *, run_id: str | None = None, owner: str | None = None, alone: bool = False) -> int:
        """Give back what waits in a run or in somebody's hands, to be asked at once; return how many posts."""
        held = (questions.c.state == QUEUED) & questions.c.owner.is_not(None)
        held &= questions.c.run_id == run_id if owner is None else questions.c.owner == owner
        values = {"owner": None, "leased_until": None, "slot": None, "alone": alone}
        async with self._database.begin() as at:
            return int((await at.execute(update(questions).where(held).values(values))).rowcount)

    async def hand_over(self, owner: str, to: str, ids: Sequence[str]) -> None:
        """Put posts into other hands, each with its place there: a file of answers comes back a day later."""
        mine = (questions.c.post_id == bindparam("of_post")) & (questions.c.owner == bindparam("of_owner"))
        statement = update(questions).where(mine).values(owner=bindparam("to_owner"), slot=bindparam("to_slot"))
        rows = [
            {"of_post": name, "of_owner": owner, "to_owner": to, "to_slot": slot} for slot, name in enumerate(ids, 1)
        ]
        async with self._database.begin() as at:
            await at.execute(statement, rows)

    async def held_by(self, owner: str) -> dict[int, str]:
        """Return place -> post id of what is still in somebody's hands."""
        wanted = select(questions.c.slot, questions.c.post_id).where(
            questions.c.owner == owner, questions.c.state == QUEUED, questions.c.slot.is_not(None)
        )
        async with self._database.read() as at:
            return {int(row.slot): row.post_id for row in (await at.execute(wanted)).all()}

    async def without_local(self, run_id: str, limit: int) -> list[dict[str, Any]]:
        """Return posts that wait for the LLM and have no score at all yet."""
        wanted = (
            select(questions, *(column for column in posts.c if column.name not in questions.c))
            .join(posts, posts.c.post_id == questions.c.post_id)
            .where(questions.c.run_id == run_id, questions.c.state == QUEUED, questions.c.scored_locally.is_(False))
            .where(posts.c.text.is_not(None))
            .limit(limit)
        )
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(wanted)).all()]

    async def unannounced(self, now: datetime, limit: int, ids: Collection[str] | None = None) -> list[Any]:
        """Return settled questions that nobody was told about, with their posts; `ids` names some, however fresh."""
        wanted = (
            select(questions, *(column for column in posts.c if column.name not in questions.c))
            .join(posts, posts.c.post_id == questions.c.post_id, isouter=True)
            .where(questions.c.announced_at.is_(None), questions.c.state.in_(SETTLED))
            .order_by(questions.c.due_at, questions.c.post_id)
            .limit(limit)
        )
        old_enough = questions.c.due_at <= now - ANNOUNCED_BY_OTHERS
        wanted = wanted.where(old_enough) if ids is None else wanted.where(_of(ids))
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(wanted)).all()]

    async def scores_of(self, keys: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
        """Return post id -> score, for keys of (post id, source, model version)."""
        key = tuple_(scores.c.post_id, scores.c.source, scores.c.model_version)
        async with self._database.read() as at:
            rows = (await at.execute(select(scores).where(key.in_(list(keys))))).all()
            return {row.post_id: dict(row._mapping) for row in rows}

    async def announced(self, ids: Sequence[str], now: datetime) -> list[str]:
        """Note that posts were announced; return those whose text went meanwhile."""
        async with self._database.begin() as at:
            await at.execute(update(questions).where(_of(ids)).values(announced_at=now))
            gone = select(posts.c.post_id).where(posts.c.post_id.in_(list(ids)), posts.c.text.is_(None))
            return list((await at.execute(gone)).scalars())

    async def waiting(self, run_id: str) -> tuple[int, datetime | None]:
        """Return how many questions of a run are open, and when the next is due."""
        wanted = select(func.count(), func.min(questions.c.due_at)).where(
            questions.c.run_id == run_id, questions.c.state == QUEUED
        )
        async with self._database.read() as at:
            count, due = (await at.execute(wanted)).one()
            return int(count), due

    async def unsaid(self, run_id: str) -> int:
        """Return how many settled questions of a run nobody was told about."""
        where = (questions.c.run_id == run_id, questions.c.state.in_(SETTLED), questions.c.announced_at.is_(None))
        async with self._database.read() as at:
            return int((await at.execute(select(func.count()).select_from(questions).where(*where))).scalar_one())

    async def next_unasked(self, model: str, prompt_hash: str, limit: int, after: str) -> list[dict[str, Any]]:
        """Return posts, by id, that have no score of this model and prompt and that nobody is to ask about.

        What the model declined is not asked again.
        """
        mine = and_(
            scores.c.post_id == posts.c.post_id,
            scores.c.source.in_(FROM_THE_LLM),
            scores.c.model == model,
            scores.c.prompt_hash == prompt_hash,
            scores.c.revision >= posts.c.revision,
        )
        known = and_(
            questions.c.post_id == posts.c.post_id,
            questions.c.revision >= posts.c.revision,
            questions.c.state.in_((QUEUED, REFUSED)),
        )
        wanted = (
            select(posts.c.post_id, posts.c.revision, posts.c.text)
            .where(posts.c.text.is_not(None), posts.c.post_id > after, ~exists().where(mine), ~exists().where(known))
            .order_by(posts.c.post_id)
            .limit(limit)
        )
        async with self._database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(wanted)).all()]

    # -- money ----------------------------------------------------------------------------------------------

    async def reserve(self, call: Mapping[str, Any], budget_nano: int) -> bool:
        """Open a call if its worst case fits into what is left of the day; return whether it does."""
        async with self._database.begin() as at:
            fits = days.c.spent_nano + days.c.reserved_nano + call["reserved_nano"] <= budget_nano
            more = {"reserved_nano": days.c.reserved_nano + call["reserved_nano"]}
            taken = update(days).where(days.c.day == call["day"], fits).values(more)
            if int((await at.execute(taken)).rowcount) == 0:  # no money, or the day's first call
                await insert_new(at, days, [{"day": call["day"], "reserved_nano": 0, "spent_nano": 0}])
                if int((await at.execute(taken)).rowcount) == 0:
                    return False
            await insert_new(at, calls, [call])
            return True

    async def pay(self, call_id: str, values: Mapping[str, Any]) -> None:
        """Close an open call: its reservation becomes what it cost, in the books of its day and its run.

        A call that was given up meanwhile is in the books already, at its worst.
        """
        async with self._database.begin() as at:
            mine = update(calls).where(calls.c.id == call_id, calls.c.state == "open").values(values)
            row = (await at.execute(mine.returning(calls))).one_or_none()
            if row is not None:
                await self._book(at, row)

    async def cancel_calls(self, run_id: str, now: datetime) -> int:
        """Close the open calls of a run that were never made, or never answered and not billed; return how many."""
        values = {"state": "settled", "ended_at": now, "outcome": "not made", "cost_nano": 0}
        async with self._database.begin() as at:
            mine = (calls.c.state == "open") & (calls.c.run_id == run_id)
            rows = (await at.execute(update(calls).where(mine).values(values).returning(calls))).all()
            for row in rows:
                await self._book(at, row)
            return len(rows)

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """Return a call."""
        async with self._database.read() as at:
            row = (await at.execute(select(calls).where(calls.c.id == call_id))).one_or_none()
            return dict(row._mapping) if row else None

    async def give_up_calls(self, now: datetime) -> int:
        """Close calls whose process is gone, at their worst price: they may have been billed. Return how many."""
        lost = {"state": "lost", "ended_at": now, "outcome": "its process stopped", "cost_nano": calls.c.reserved_nano}
        async with self._database.begin() as at:
            over = (calls.c.state == "open") & (calls.c.expires_at < now)
            rows = (await at.execute(update(calls).where(over).values(lost).returning(calls))).all()
            for row in rows:
                await self._book(at, row)
            return len(rows)

    async def _book(self, at: AsyncConnection, row: Row[Any]) -> None:
        day = {
            "reserved_nano": days.c.reserved_nano - row.reserved_nano,
            "spent_nano": days.c.spent_nano + row.cost_nano,
        }
        await at.execute(update(days).where(days.c.day == row.day).values(day))
        nano = func.coalesce(runs.c.cost_nano, 0) + row.cost_nano
        more: dict[str, Any] = {
            "cost_nano": nano,
            "cost_usd": nano / 1e9,
            "input_tokens": func.coalesce(runs.c.input_tokens, 0) + row.input_tokens,
            "cached_tokens": func.coalesce(runs.c.cached_tokens, 0) + row.cached_tokens,
            "output_tokens": func.coalesce(runs.c.output_tokens, 0) + row.output_tokens,
        }
        if row.model_answered:
            more["model_answered"] = row.model_answered
        await at.execute(update(runs).where(runs.c.id == row.run_id).values(more))

    async def day(self, day: str) -> tuple[int, int]:
        """Return what a day's calls cost and what is set aside for those under way, in nanodollars."""
        async with self._database.read() as at:
            row = (await at.execute(select(days).where(days.c.day == day))).one_or_none()
            return (int(row.spent_nano), int(row.reserved_nano)) if row else (0, 0)

    async def traffic(self, since: datetime) -> tuple[int, float]:
        """Return how many posts came since then, and what one post cost on average, in nanodollars (0: unknown)."""
        seen = select(func.count()).select_from(posts).where(posts.c.seen_at >= since)
        paid = select(func.sum(calls.c.cost_nano), func.sum(calls.c.posts)).where(calls.c.begun_at >= since)
        async with self._database.read() as at:
            count = int((await at.execute(seen)).scalar_one())
            cost, asked = (await at.execute(paid)).one()
            return count, float(cost) / float(asked) if asked and cost else 0.0

    # -- runs -----------------------------------------------------------------------------------------------

    async def open_run(self, at: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Make a run, unless it is there already."""
        await insert_new(at, runs, [row])

    async def tally(self, at: AsyncConnection, run_id: str, **more: int) -> None:
        """Add to the counts of a run."""
        values = {name: func.coalesce(runs.c[name], 0) + count for name, count in more.items() if count}
        if values:
            await at.execute(update(runs).where(runs.c.id == run_id).values(values))

    async def mark_run(self, run_id: str, **values: Any) -> None:
        """Set columns of a run."""
        async with self._database.begin() as at:
            await at.execute(update(runs).where(runs.c.id == run_id).values(values))

    async def run(self, run_id: str) -> dict[str, Any] | None:
        """Return a run."""
        async with self._database.read() as at:
            row = (await at.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
            return dict(row._mapping) if row else None

    async def unfinished_run(self, kind: str, model: str, prompt_hash: str) -> dict[str, Any] | None:
        """Return the newest run of a kind that was neither finished nor stopped, for this model and prompt."""
        wanted = (runs.c.kind == kind) & runs.c.state.in_(("running", "paused"))
        wanted &= (runs.c.model_requested == model) & (runs.c.prompt_hash == prompt_hash)
        async with self._database.read() as at:
            row = (await at.execute(select(runs).where(wanted).order_by(runs.c.started_at.desc()).limit(1))).first()
            return dict(row._mapping) if row else None

    async def save_scores(self, at: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the LLM's scores; a review of an equal score stays."""
        kept = ("human_reviewed", "review_status", "reviewed_at")
        await upsert(at, scores, rows, newer="revision", keep=kept)

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a transaction as a context."""
        return self._database.begin()


def new_call(run_id: str, nano: int, count: int, now: datetime, longest: timedelta) -> dict[str, Any]:
    """Return a call that is about to be made."""
    return {
        "id": str(uuid4()),
        "run_id": run_id,
        "day": day_of(now),
        "state": "open",
        "posts": count,
        "begun_at": now,
        "expires_at": now + longest,
        "input_tokens": 0,
        "cached_tokens": 0,
        "output_tokens": 0,
        "unanswered": 0,
        "reserved_nano": nano,
        "cost_nano": 0,
    }


def day_of(moment: datetime) -> str:
    """Return the day (UTC) a moment belongs to, as the books name it."""
    return moment.date().isoformat()


def _free(run_id: str, now: datetime) -> Any:
    due = (questions.c.run_id == run_id) & (questions.c.state == QUEUED) & (questions.c.due_at <= now)
    return due & or_(questions.c.leased_until.is_(None), questions.c.leased_until < now)


def _of(ids: Collection[str]) -> Any:
    return questions.c.post_id.in_(list(ids))


def _one_call(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first rows that can share a call: none that has to be alone, not too much text."""
    taken: list[dict[str, Any]] = []
    room = BATCH_BYTES
    for row in rows:
        room -= len(row["text"].encode("utf-8", "surrogatepass"))
        if taken and (row["alone"] or room < 0):
            break
        taken.append(row)
        if row["alone"]:
            break
    return taken
