"""What the registry should know, and what it knows: facts of models, and whom the aliases belong to.

Invariant: our tables say everything that MLflow says, so nothing is lost while it is away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.lifecycle import Layer, Stage
from services.trainer.store.models import in_force
from services.trainer.tables import aliases, model_facts, models, runs
from shared.db import Database, insert_new, upsert

CHAMPION, CHALLENGER = "champion", "challenger"
AT_ONCE = 5
"""Models one round logs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What MLflow does not know yet: rows of models with their facts, and aliases that belong elsewhere by now.

    `numbers` are MLflow's version numbers of those aliases' models that it knows.
    """

    models: tuple[Row[Any], ...]
    aliases: dict[str, str | None]
    numbers: dict[str, str]


class Registry:
    """Questions about the registry."""

    _database: Database

    async def facts(self, version: str) -> Row[Any] | None:
        """Return what is logged of a model."""
        async with self._database.read() as connection:
            return (await connection.execute(select(model_facts).where(model_facts.c.version == version))).first()

    async def wanted(self, settled: datetime) -> Wanted:
        """Return what MLflow should be told.

        A replay is logged only if it is still the champion and was promoted before `settled`: of the many that a busy
        day makes most are replaced within seconds.
        """
        await self._belong()
        async with self._database.read() as connection:
            champion = await in_force(connection)
            name = champion.version if champion else None
            lasting = and_(models.c.version == name, models.c.promoted_at <= settled)
            question = (
                select(models, model_facts.c.facts, model_facts.c.card, model_facts.c.plots, runs.c.trigger)
                .outerjoin(model_facts, model_facts.c.version == models.c.version)
                .outerjoin(runs, runs.c.run_id == models.c.run_id)
                .where(model_facts.c.logged_at.is_(None), or_(models.c.layer != Layer.REPLAY.value, lasting))
                .order_by(models.c.sequence)
                .limit(AT_ONCE)
            )
            found = tuple((await connection.execute(question)).all())
            known = (await connection.execute(select(aliases))).all()
            moved = {row.alias: row.version for row in known if row.version != row.registered}
            logged = select(model_facts.c.version, model_facts.c.number).where(
                model_facts.c.version.in_([each for each in moved.values() if each]), model_facts.c.number.isnot(None)
            )
            numbers = {row.version: row.number for row in await connection.execute(logged)}
        there = numbers.keys() | {row.version for row in found}
        return Wanted(found, {alias: each for alias, each in moved.items() if each is None or each in there}, numbers)

    async def _belong(self) -> None:
        """Write down whom the aliases belong to, if that has changed."""
        async with self._database.read() as connection:
            found = await _belongs(connection)
            known = {row.alias: row.version for row in await connection.execute(select(aliases))}
        if known == found:
            return
        async with self._database.begin() as connection:
            rows = [{"alias": alias, "version": version, "registered": None} for alias, version in found.items()]
            await insert_new(connection, aliases, rows)
            for alias, version in found.items():
                await connection.execute(update(aliases).where(aliases.c.alias == alias).values(version=version))

    async def logged(
        self, versions: Mapping[str, tuple[str, str]], moved: Mapping[str, str | None], now: datetime
    ) -> None:
        """Write down what MLflow knows by now: version -> (run, number), and where the aliases are."""
        async with self._database.begin() as connection:
            rows = [{"version": version, "facts": {}, "plots": {}} for version in sorted(versions)]
            await insert_new(connection, model_facts, rows)
            for version, (run, number) in versions.items():
                mine = update(model_facts).where(model_facts.c.version == version)
                await connection.execute(mine.values(run=run, number=number, logged_at=now))
            for alias, belongs in moved.items():
                mine = update(aliases).where(aliases.c.alias == alias)
                await connection.execute(mine.values(registered=belongs))


async def describe_model(
    connection: AsyncConnection, version: str, facts: Mapping[str, Any], left: Mapping[str, str]
) -> None:
    """Write down what is logged of a model; `left` names the digests of its card and its plots."""
    plots = {name.removeprefix("plot_"): digest for name, digest in left.items() if name.startswith("plot_")}
    row = {"version": version, "facts": dict(facts), "card": left.get("card"), "plots": plots}
    await upsert(connection, model_facts, [row])


async def _belongs(connection: AsyncConnection) -> dict[str, str | None]:
    """Return whom the aliases belong to: the challenger is the newest model that may follow the champion."""
    champion = await in_force(connection)
    waiting = (Stage.SHADOW.value, Stage.CANDIDATE.value)
    newest = select(models.c.version).where(models.c.stage.in_(waiting)).order_by(models.c.sequence.desc()).limit(1)
    return {CHAMPION: champion.version if champion else None, CHALLENGER: await connection.scalar(newest)}
