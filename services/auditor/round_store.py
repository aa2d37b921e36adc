"""Questions about rounds: which are open, what waits in them, and every step from gathering to closed.

Invariant: what waits in a round is written and decided by transactions that hold the round's row, so that no score
slips between being counted and being applied; records are locked before rounds, rounds before what waits in them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auditor.rows import flips_rows, round_of_row, staged_judgement, system_of
from services.auditor.status.gating import Decision, Round, State, System
from services.auditor.status.posts import Judgement
from services.auditor.tables import rounds, staged_scores, systems
from shared.db import Database, Stored, chunks, insert_new
from shared.ids import stable_id

IDS: BindParameter[Any] = bindparam("ids", expanding=True)

SYSTEMS = select(systems).where(systems.c.model_version.in_(IDS))
LATEST = select(rounds).where(rounds.c.version.in_(IDS)).order_by(rounds.c.version, rounds.c.number).with_for_update()
BY_ID = select(rounds).where(rounds.c.round_id == bindparam("id"))


class RoundStore:
    """The auditor's questions about rounds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- staging, in the transaction of a batch of scores ---------------------------------------------------

    async def systems(self, connection: AsyncConnection, versions: Collection[str]) -> dict[str, System]:
        """Return what is known of models and of the trainings they go on from."""
        found: dict[str, System] = {}
        wanted = set(versions)
        while wanted:
            for row in await connection.execute(SYSTEMS, {"ids": sorted(wanted)}):
                found[row.model_version] = system_of(row._mapping)
            wanted = {each.root for each in found.values()} - found.keys() - wanted
        return found

    async def latest(self, connection: AsyncConnection, versions: Iterable[str]) -> dict[str, Round]:
        """Return the newest round of each training, and let nobody else move these rounds."""
        rows = await connection.execute(LATEST, {"ids": sorted(set(versions))})
        return {row.version: round_of_row(row._mapping) for row in rows}

    async def open(self, connection: AsyncConnection, version: str, number: int, now: datetime) -> Round:
        """Return the round of this number, opened if nobody was faster."""
        row = {
            "round_id": stable_id("round", version, number),
            "version": version,
            "number": number,
            "state": State.GATHERING.value,
            "opened_at": now,
            "last_heard_at": now,
            "rows": 0,
        }
        await insert_new(connection, rounds, [row])
        return (await self.latest(connection, [version]))[version]

    async def stage(
        self, connection: AsyncConnection, name: str, rows: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        """Let scores wait in a round that is locked; one that passed earlier gathers again."""
        await insert_new(connection, staged_scores, [{**row, "round_id": name, "judged": False} for row in rows])
        here = update(rounds).where(rounds.c.round_id == name)
        await connection.execute(here.values(last_heard_at=now, closed_at=None))
        again = here.where(rounds.c.state == State.APPLIED.value)
        await connection.execute(again.values(state=State.GATHERING.value, decision=None))

    # -- closing --------------------------------------------------------------------------------------------

    async def unfinished(self) -> list[Round]:
        """Return rounds with which something is to be done, the oldest first."""
        question = select(rounds).where(rounds.c.closed_at.is_(None)).order_by(rounds.c.opened_at, rounds.c.round_id)
        async with self._database.read() as connection:
            return [round_of_row(row._mapping) for row in await connection.execute(question)]

    async def known(self, versions: Collection[str]) -> tuple[dict[str, System], System | None]:
        """Return what is known of models, and which one is in force."""
        newest = select(systems.c.model_version).order_by(systems.c.promoted_at.desc(), systems.c.model_version.desc())
        async with self._database.read() as connection:
            version = await connection.scalar(newest.limit(1))
            found = await self.systems(connection, {*versions, *([version] if version else [])})
        return found, found.get(version) if version else None

    async def unjudged(self, name: str, after: str, limit: int) -> dict[str, tuple[list[Judgement], Sequence[str]]]:
        """Return, of the next posts of a round, what waits in the order of judging, and the newest subsets."""
        mine = staged_scores.c.round_id == name, staged_scores.c.judged.is_(False)
        posts = select(staged_scores.c.post_id).where(*mine, staged_scores.c.post_id > after).distinct()
        async with self._database.read() as connection:
            ids = list(await connection.scalars(posts.order_by(staged_scores.c.post_id).limit(limit)))
            return _by_post(await connection.execute(_of(ids).where(*mine)), ids)

    async def decide(
        self,
        waiting: Round,
        decision: Decision | None,
        now: datetime,
        *,
        rows: int | None = None,
        flips: Sequence[Any] | None = None,
        examples: Mapping[str, Any] | None = None,
    ) -> bool:
        """Decide a round, or hold it (None), if nothing came since it was read; return whether that was so.

        What waits is decided with it: it is applied, or (superseded) removed.
        """
        counted: dict[str, Any] = {} if rows is None else {"rows": rows, "flips": flips_rows(flips or ())}
        async with self._database.begin() as connection:
            row = (await connection.execute(BY_ID.with_for_update(), {"id": waiting.round_id})).one_or_none()
            if row is None or row.state != waiting.state.value or row.last_heard_at != waiting.last_heard_at:
                return False
            state = State.HELD
            if decision is not None:
                state = State.DISCARDED if decision is Decision.SUPERSEDED else State.APPLYING
                counted |= {"decision": decision.value}
                await self._judged(connection, waiting.round_id)
            if decision is None or rows is not None:
                counted |= {"judged_at": now, "examples": examples}
            counted |= {"state": state.value, "decided_at": now if decision is not None else None}
            await connection.execute(update(rounds).where(rounds.c.round_id == waiting.round_id).values(counted))
        return True

    async def join(self, connection: AsyncConnection, waiting: Round, into: Round, now: datetime) -> None:
        """Move what waits in a round to another one that is locked, and forget the first."""
        mine = staged_scores.c.round_id == waiting.round_id
        await connection.execute(BY_ID.with_for_update(), {"id": waiting.round_id})
        await connection.execute(update(staged_scores).where(mine).values(round_id=into.round_id, judged=False))
        await self.stage(connection, into.round_id, [], now)
        await connection.execute(delete(rounds).where(rounds.c.round_id == waiting.round_id))

    async def next_posts(self, name: str, limit: int) -> list[str]:
        """Return posts whose scores are decided and wait to be applied."""
        mine = staged_scores.c.round_id == name, staged_scores.c.judged.is_(True)
        question = select(staged_scores.c.post_id).where(*mine).distinct().order_by(staged_scores.c.post_id)
        async with self._database.read() as connection:
            return list(await connection.scalars(question.limit(limit)))

    async def take(self, connection: AsyncConnection, name: str, posts: Sequence[str]) -> list[Judgement]:
        """Take what is decided of these posts out of a round, for the transaction that applies it."""
        mine = staged_scores.c.round_id == name, staged_scores.c.judged.is_(True)
        rows = (await connection.execute(_of(posts).where(*mine).with_for_update())).all()
        for numbers in chunks([row.number for row in rows]):
            await connection.execute(delete(staged_scores).where(staged_scores.c.number.in_(numbers)))
        return [staged_judgement(row._mapping) for row in rows]

    async def finish(self, name: str, now: datetime) -> bool:
        """Close a round of which nothing is left to do; return whether it is closed."""
        async with self._database.begin() as connection:
            row = (await connection.execute(BY_ID.with_for_update(), {"id": name})).one_or_none()
            if row is None:
                return True
            mine = select(staged_scores.c.judged).where(staged_scores.c.round_id == name).distinct()
            left = set(await connection.scalars(mine))
            if True in left:
                return False
            here = update(rounds).where(rounds.c.round_id == name)
            if left and row.state == State.DISCARDED.value:
                await self._judged(connection, name)
                return False
            if left:  # more came while it was applied: that is looked at, too
                await connection.execute(here.values(state=State.GATHERING.value, decision=None))
                return False
            state = State.DISCARDED if row.state == State.DISCARDED.value else State.APPLIED
            await connection.execute(here.values(state=state.value, closed_at=now))
        return True

    # -- what people ask and decide -------------------------------------------------------------------------

    async def page(self, *, state: State | None, before: tuple[datetime, str] | None, limit: int) -> list[Stored]:
        """Return rounds, the newest first, each with how many scores wait."""
        question = _shown()
        if state is not None:
            question = question.where(rounds.c.state == state.value)
        if before is not None:
            at, name = before
            question = question.where(
                (rounds.c.opened_at < at) | ((rounds.c.opened_at == at) & (rounds.c.round_id < name))
            )
        question = question.order_by(rounds.c.opened_at.desc(), rounds.c.round_id.desc()).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(question)).all())

    async def round(self, name: str) -> Stored | None:
        """Return one round."""
        async with self._database.read() as connection:
            found: Stored | None = (await connection.execute(_shown().where(rounds.c.round_id == name))).one_or_none()
        return found

    async def replaced_by(self, version: str) -> str | None:
        """Return which model a model replaced when it was put in force, None if that is not known."""
        question = select(systems.c.replaces).where(systems.c.model_version == version)
        async with self._database.read() as connection:
            found: str | None = await connection.scalar(question)
        return found

    async def settle(
        self, name: str, decision: Decision, by: str, reason: str, now: datetime
    ) -> Decision | State | None:
        """Let a person decide a held round; return what it was decided as, or its state if it is not held, or None."""
        async with self._database.begin() as connection:
            row = (await connection.execute(BY_ID.with_for_update(), {"id": name})).one_or_none()
            if row is None:
                return None
            if row.state != State.HELD.value:
                return Decision(row.decision) if row.decision else State(row.state)
            state = State.APPLYING if decision is Decision.CONFIRMED else State.DISCARDED
            said = {"decided_at": now, "decided_by": by, "reason": reason, "announced_at": None}
            here = update(rounds).where(rounds.c.round_id == name)
            await connection.execute(here.values(state=state.value, decision=decision.value, **said))
            await self._judged(connection, name)
        return decision

    async def _judged(self, connection: AsyncConnection, name: str) -> None:
        mine = staged_scores.c.round_id == name, staged_scores.c.judged.is_(False)
        await connection.execute(update(staged_scores).where(*mine).values(judged=True))


def _of(posts: Sequence[str]) -> Select[Any]:
    order = staged_scores.c.post_id, staged_scores.c.revision, staged_scores.c.judged_at, staged_scores.c.number
    return select(staged_scores).where(staged_scores.c.post_id.in_(posts)).order_by(*order)


def _by_post(rows: Iterable[Stored], posts: Iterable[str]) -> dict[str, tuple[list[Judgement], Sequence[str]]]:
    found: dict[str, tuple[list[Judgement], Sequence[str]]] = {each: ([], ()) for each in posts}
    for row in rows:
        said, _ = found[row.post_id]
        found[row.post_id] = [*said, staged_judgement(row._mapping)], row.subsets
    return found


def _shown() -> Select[Any]:
    waiting = (
        select(func.count())
        .select_from(staged_scores)
        .where(staged_scores.c.round_id == rounds.c.round_id)
        .scalar_subquery()
    )
    return select(rounds, waiting.label("waiting"))
