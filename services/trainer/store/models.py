"""The life of models: which one is in force, how each got where it is, and what each learned.

Invariant: the champion changes by compare-and-set in the transaction that writes why; what is said about it is a row
that is announced afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.lifecycle import InForce, Layer, Stage, promoted_of, trained_of
from services.trainer.runs import Effect, RunKind
from services.trainer.tables import champions, corrections, lessons, models, runs, stages
from shared.db import Database, chunks, insert_new
from shared.ids import stable_id

GLOBAL = "global"
_NO_EFFECT = Effect("", {}, {})


class Models:
    """Questions about models."""

    _database: Database

    async def latest_models(self, limit: int) -> Sequence[Row[Any]]:
        """Return the newest models, newest first."""
        async with self._database.read() as connection:
            return (await connection.execute(select(models).order_by(models.c.sequence.desc()).limit(limit))).all()

    async def named(self, version: str | None) -> Row[Any] | None:
        """Return a model by its version, without one the champion."""
        question = _champion() if version is None else select(models).where(models.c.version == version)
        async with self._database.read() as connection:
            row: Row[Any] | None = (await connection.execute(question)).first()
        return row

    async def model(self, version: str) -> Row[Any] | None:
        """Return one model."""
        async with self._database.read() as connection:
            return (await connection.execute(select(models).where(models.c.version == version))).first()

    async def history(self, version: str) -> Sequence[Row[Any]]:
        """Return the stages of a model, oldest first."""
        question = select(stages).where(stages.c.version == version).order_by(stages.c.sequence)
        async with self._database.read() as connection:
            return (await connection.execute(question)).all()

    async def put_in_force(
        self, version: str, layer: Layer, reasons: Sequence[str], now: datetime, *, by: str | None, expected: str | None
    ) -> bool:
        """Make a model the champion in place of `expected`; return False if another one is in force by now."""
        async with self._database.begin() as connection:
            row = (await connection.execute(select(models).where(models.c.version == version))).one()
            return await promote(connection, dict(row._mapping), layer, list(reasons), now, by=by, expected=expected)

    async def put_away(self, version: str, stage: Stage, reason: str, now: datetime, *, by: str | None) -> bool:
        """Retire, refuse or set back a model that is not the champion; return False if it is."""
        async with self._database.begin() as connection:
            if (await in_force(connection, lock=True) or _NOBODY).version == version:
                return False
            row = (await connection.execute(select(models).where(models.c.version == version))).one()
            await tell(connection, dict(row._mapping), stage, [reason], now, by=by)
        return True

    async def goes_on_from(self, version: str) -> list[Row[Any]]:
        """Return a model and all that were learned on top of it."""
        found: dict[str, Row[Any]] = {}
        mine = models.c.version == version
        async with self._database.read() as connection:
            while rows := (await connection.execute(select(models).where(mine))).all():
                found |= {row.version: row for row in rows}
                mine = models.c.parent.in_([row.version for row in rows]) & models.c.version.not_in(list(found))
        return list(found.values())

    async def earlier_champion(self, than: str | None = None) -> Row[Any] | None:
        """Return the model that was in force before the champion, or another one, and may be again; None without one.

        It is found by what each model replaced when it came, so that rolling back twice goes back two steps.
        """
        async with self._database.read() as connection:
            version: str | None = than or (await in_force(connection) or _NOBODY).version
            met: set[str | None] = set()
            while version is not None and version not in met:
                met.add(version)
                version = await connection.scalar(select(models.c.replaces).where(models.c.version == version))
                last = select(stages.c.stage).where(stages.c.version == version)
                stage = await connection.scalar(last.order_by(stages.c.sequence.desc()).limit(1))
                if version is not None and stage == Stage.CHAMPION.value:
                    return (await connection.execute(select(models).where(models.c.version == version))).first()
        return None

    async def shadows(self) -> list[Row[Any]]:
        """Return the models that score beside the champion: version, since when, and what they were judged against."""
        judged = models.alias("judged")
        question = (
            select(models.c.version, stages.c.at.label("since"), runs.c.champion, judged.c.root)
            .select_from(models)
            .join(stages, (stages.c.version == models.c.version) & (stages.c.stage == Stage.SHADOW.value))
            .join(runs, runs.c.run_id == models.c.run_id)
            .outerjoin(judged, judged.c.version == runs.c.champion)
            .where(models.c.stage == Stage.SHADOW.value)
            .order_by(models.c.sequence.desc(), stages.c.sequence.desc())
        )
        async with self._database.read() as connection:
            return list(await connection.execute(question))

    async def champion(self) -> InForce | None:
        """Return the model in force."""
        async with self._database.read() as connection:
            return await in_force(connection)

    async def receipts(self, correction_id: str) -> list[Row[Any]]:
        """Return which models learned a correction, oldest first, each with its scores and its stage."""
        known = models.c.sequence, models.c.stage
        question = (
            select(lessons, *known)
            .join(models, models.c.version == lessons.c.version)
            .where(lessons.c.correction_id == correction_id, lessons.c.taught)
            .order_by(models.c.sequence)
        )
        async with self._database.read() as connection:
            return list(await connection.execute(question))

    async def lineage(self) -> list[str]:
        """Return the champion and what it went on from, back to its refit."""
        async with self._database.read() as connection:
            return await lineage(connection)

    async def forget_lessons(self, before: datetime) -> None:
        """Remove what older models learned, but for the champion's lineage and the first model of each correction."""
        first = select(corrections.c.correction_id).where(
            corrections.c.correction_id == lessons.c.correction_id, corrections.c.learned_by == lessons.c.version
        )
        async with self._database.begin() as connection:
            held = lessons.c.version.in_(await lineage(connection))
            old = delete(lessons).where(lessons.c.learned_at < before, not_(held), not_(first.exists()))
            await connection.execute(old)

    async def artifacts_in_use(self, newest: int, since: datetime, loading: datetime) -> tuple[set[str], set[str]]:
        """Return the digests of all models, and those that have to stay.

        These are the champion and its refit, the newest models, every refit made or judged against `since`, whatever
        was trained or promoted since `loading`, and every model that still waits for its fate.
        """
        refits = select(runs.c.champion).where(runs.c.requested_at >= since, runs.c.kind == RunKind.REFIT.value)
        async with self._database.read() as connection:
            every = (await connection.execute(select(models).order_by(models.c.sequence.desc()))).all()
            champion = await in_force(connection)
            judged = set(await connection.scalars(refits))
        stay = {row.version for row in every[:newest]} | judged
        if champion is not None:
            stay |= {champion.version, champion.root}
        waiting = {Stage.CANDIDATE.value, Stage.SHADOW.value, Stage.CHAMPION.value}
        for row in every:
            recent = since if row.layer != Layer.REPLAY.value else loading
            if row.stage in waiting or max(row.trained_at, row.promoted_at or row.trained_at) >= recent:
                stay.add(row.version)
        return {row.artifact for row in every}, {row.artifact for row in every if row.version in stay}


_NOBODY = InForce("", "")


async def in_force(connection: AsyncConnection, *, lock: bool = False) -> InForce | None:
    """Return the champion; with `lock` nobody changes it until the transaction ends."""
    if lock and connection.dialect.name == "postgresql":
        await connection.execute(select(champions).where(champions.c.kind == GLOBAL).with_for_update())
    row = (await connection.execute(_champion())).first()
    return None if row is None else InForce(row.version, row.artifact, row.root, row.promoted_as or row.layer)


async def promote(
    connection: AsyncConnection,
    model: Mapping[str, Any],
    layer: Layer,
    reasons: list[str],
    now: datetime,
    *,
    by: str | None,
    expected: str | None,
) -> bool:
    """Put a model in force in place of `expected` and write down why; return False if another one is by now."""
    await insert_new(connection, champions, [{"kind": GLOBAL, "version": None}])
    mine = champions.c.version.is_(None) if expected is None else champions.c.version == expected
    taken = update(champions).where(champions.c.kind == GLOBAL, mine).values(version=model["version"])
    if (await connection.execute(taken)).rowcount != 1:
        return False
    promoted: dict[str, Any] = {"promoted": True, "promoted_at": now}
    if model["replaces"] is None and layer is not Layer.ROLLBACK:
        promoted["replaces"] = expected
    await connection.execute(update(models).where(models.c.version == model["version"]).values(promoted))
    if expected is not None:
        gone = update(models).where(models.c.version == expected, models.c.stage == Stage.CHAMPION.value)
        await connection.execute(gone.values(stage=Stage.RETIRED.value))
    await tell(connection, model, Stage.CHAMPION, reasons, now, by=by, layer=layer, replaces=expected)
    return True


async def tell(
    connection: AsyncConnection,
    model: Mapping[str, Any],
    stage: Stage,
    reasons: list[str],
    now: datetime,
    *,
    by: str | None = None,
    layer: Layer | None = None,
    replaces: str | None = None,
) -> None:
    """Write down a step of a model's life, and what is said about it: that it was trained, that it is in force."""
    version = model["version"]
    steps = await connection.scalar(select(func.count()).select_from(stages).where(stages.c.version == version))
    first = not steps
    promoted = None
    if stage is Stage.CHAMPION and layer is not None:
        promoted = promoted_of(model, replaces=replaces, reasons=reasons, layer=layer, at=now)
    question = select(runs.c.champion_metrics).where(runs.c.run_id == model["run_id"])
    before = await connection.scalar(question)
    row = {
        "version": version,
        "stage": stage.value,
        "layer": None if layer is None else layer.value,
        "by": by,
        "reasons": reasons,
        "at": now,
        "cause": model["run_id"] if first else stable_id("stage", version, steps),
        "trained": trained_of(model, stage, reasons, before) if first or promoted is None else None,
        "promoted": promoted,
    }
    await connection.execute(stages.insert().values(row))
    await connection.execute(update(models).where(models.c.version == version).values(stage=stage.value))


async def learn(
    connection: AsyncConnection,
    version: str,
    layer: Layer,
    taught: Iterable[str],
    looked_at: Iterable[str],
    effects: Iterable[Effect],
    now: datetime,
) -> None:
    """Write down which corrections a model looked at, what it learned, and what that did to their scores."""
    known = {each.correction_id: each for each in effects}
    learned = sorted(set(taught))
    said = {**dict.fromkeys(sorted(set(looked_at)), False), **dict.fromkeys(learned, True)}
    rows = [
        {
            "correction_id": name,
            "version": version,
            "layer": layer.value,
            "taught": new,
            "before": known.get(name, _NO_EFFECT).before,
            "after": known.get(name, _NO_EFFECT).after,
            "learned_at": now,
        }
        for name, new in said.items()
    ]
    for piece in chunks(rows, 7):
        await insert_new(connection, lessons, piece)
    for names in chunks(learned):
        first = update(corrections).where(corrections.c.correction_id.in_(names), corrections.c.learned_by.is_(None))
        await connection.execute(first.values(learned_by=version))


async def lineage(connection: AsyncConnection) -> list[str]:
    """Return the champion and what it went on from, back to its refit."""
    champion = await in_force(connection)
    if champion is None:
        return []
    question = select(models.c.version, models.c.parent).where(models.c.root == champion.root)
    parents = {row.version: row.parent for row in await connection.execute(question)}
    found, version = [champion.version], parents.get(champion.version)
    while version is not None and version not in found:
        found.append(version)
        version = parents.get(version)
    return found


def _champion() -> Select[Any]:
    """Return the question for the model in force, with what put it there last."""
    last = (
        select(stages.c.layer)
        .where(stages.c.version == models.c.version, stages.c.stage == Stage.CHAMPION.value)
        .order_by(stages.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(models, last.label("promoted_as"))
        .join(champions, champions.c.version == models.c.version)
        .where(champions.c.kind == GLOBAL)
    )
