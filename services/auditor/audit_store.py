"""Every query about audits, what people call their models, draws, evidence and snapshots.

Invariant: whoever asks about an audit names its owner, so that nobody is answered about somebody else's by mistake.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, exists, func, or_, select, tuple_, update

from services.auditor.rows import system_of
from services.auditor.status.gating import System, lineage_of
from services.auditor.tables import (
    audits,
    decisions,
    draws,
    evidence,
    named_models,
    ratings,
    snapshots,
    systems,
    tombstones,
)
from shared.db import Database, Stored, chunks, insert_first, insert_new, upsert

OF_THE_PERSON = (
    "model_version", "tuned", "prediction", "sd", "p_disagree", "human_label", "user_toxic", "source", "error_type",
    "distance",
)  # fmt: skip
"""What a snapshot of evidence holds of a person's ratings and of what was made of them."""


class AuditStore:
    """The auditor's questions about audits. `owner` None asks for anybody's, as who administers may."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- systems --------------------------------------------------------------------------------------------

    async def note_systems(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep which models were put in force, each with the last time and the training it goes on from."""
        names = {row[name] for row in rows for name in ("model_version", "replaces")} - {None}
        newest: dict[str, dict[str, Any]] = {}
        async with self._database.begin() as connection:
            found = await connection.execute(select(systems).where(systems.c.model_version.in_(names)))
            known = {row.model_version: system_of(row._mapping) for row in found}
            for row in sorted(rows, key=lambda row: row["promoted_at"]):
                version, parent = row["model_version"], known.get(row["replaces"])
                root, gated = lineage_of(version, row["layer"], row["replaces"], known.get(version), parent)
                known[version] = System(version, root, gated, row["promoted_at"])
                newest[version] = {**row, "root": root, "gated": gated}
            await upsert(connection, systems, [newest[each] for each in sorted(newest)], newer="promoted_at")

    async def lineage(self, system: Stored) -> set[str]:
        """Return the versions that go on from the same full training as one, itself among them."""
        question = select(systems.c.model_version).where(systems.c.root == (system.root or system.model_version))
        async with self._database.read() as connection:
            return {system.model_version, *(await connection.execute(question)).scalars()}

    async def live_system(self) -> Stored | None:
        """Return the model in force, None before the first was announced."""
        question = select(systems).order_by(systems.c.promoted_at.desc(), systems.c.model_version.desc()).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    # -- audits ---------------------------------------------------------------------------------------------

    async def begin_audit(self, row: Mapping[str, Any]) -> bool:
        """Keep a new audit; return False if one of this id is there already."""
        async with self._database.begin() as connection:
            return await insert_first(connection, audits, row)

    async def audit(self, audit_id: str, owner: str | None) -> Stored | None:
        """Return an audit, None if there is none or it is somebody else's."""
        question = select(audits).where(audits.c.audit_id == audit_id)
        if owner is not None:
            question = question.where(audits.c.owner == owner)
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    async def audits_of(
        self, owner: str, *, archived: bool, after: tuple[datetime, str] | None, limit: int
    ) -> list[Stored]:
        """Return somebody's audits, newest first, those before `after` (created, id); `archived`: the archived too."""
        question = select(audits).where(audits.c.owner == owner)
        if not archived:
            question = question.where(audits.c.archived_at.is_(None))
        if after is not None:
            at, audit_id = after
            earlier = and_(audits.c.created_at == at, audits.c.audit_id < audit_id)
            question = question.where(or_(audits.c.created_at < at, earlier))
        ordered = question.order_by(audits.c.created_at.desc(), audits.c.audit_id.desc()).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(ordered)).all())

    async def change_audit(self, audit_id: str, version: int, values: Mapping[str, Any]) -> bool:
        """Change an audit whose row still has `version`; return whether it had."""
        statement = (
            update(audits)
            .where(audits.c.audit_id == audit_id, audits.c.version == version)
            .values(**values, version=version + 1)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def audits_behind(
        self, version: str, *, begun: bool, after: str, limit: int, before: datetime | None = None
    ) -> list[Stored]:
        """Return open audits whose newest snapshot is of another system, or with `begun` those that have none.

        In order of their ids, from the one behind `after`. With `before` only those that were looked at last before it.
        """

        def newest(column: Any) -> Any:
            question = select(column).where(snapshots.c.audit_id == audits.c.audit_id)
            return question.order_by(snapshots.c.sequence.desc()).limit(1).scalar_subquery()

        system = newest(snapshots.c.system_version)
        question = select(audits).where(audits.c.archived_at.is_(None), audits.c.audit_id > after)
        question = question.where(system.is_(None) if begun else system != version)
        if before is not None:
            question = question.where(newest(snapshots.c.taken_at) < before)
        async with self._database.read() as connection:
            return list((await connection.execute(question.order_by(audits.c.audit_id).limit(limit))).all())

    # -- what people call their models ----------------------------------------------------------------------

    async def name_model(self, row: Mapping[str, Any]) -> bool:
        """Keep the name of a new model; return False if this model has one already."""
        async with self._database.begin() as connection:
            return await insert_first(connection, named_models, row)

    async def rename_model(self, owner: str, model: str, version: int, name: str, now: datetime) -> bool:
        """Give a model another name if its row still has `version`; return whether it had."""
        statement = (
            update(named_models)
            .where(named_models.c.owner == owner, named_models.c.model == model, named_models.c.version == version)
            .values(name=name, version=version + 1, updated_at=now)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def named_model(self, owner: str, model: str) -> Stored | None:
        """Return what somebody calls one of their models."""
        question = select(named_models).where(named_models.c.owner == owner, named_models.c.model == model)
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    async def named_models_of(self, owner: str, limit: int) -> list[Stored]:
        """Return somebody's named models, the oldest first."""
        question = select(named_models).where(named_models.c.owner == owner)
        ordered = question.order_by(named_models.c.created_at, named_models.c.model).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(ordered)).all())

    # -- draws ----------------------------------------------------------------------------------------------

    async def draws_of(self, owner: str, model: str) -> list[Stored]:
        """Return every draw for one of somebody's models, in order."""
        question = select(draws).where(draws.c.owner == owner, draws.c.model == model).order_by(draws.c.number)
        async with self._database.read() as connection:
            return list((await connection.execute(question)).all())

    async def keep_draw(self, row: Mapping[str, Any]) -> bool:
        """Keep a draw; return False if somebody was faster with this number."""
        async with self._database.begin() as connection:
            return await insert_first(connection, draws, row)

    # -- evidence -------------------------------------------------------------------------------------------

    async def evidence_of(self, audit_id: str) -> list[Stored]:
        """Return the evidence of an audit in the order in which it was added."""
        question = select(evidence).where(evidence.c.audit_id == audit_id)
        ordered = question.order_by(evidence.c.added_at, evidence.c.post_id)
        async with self._database.read() as connection:
            return list((await connection.execute(ordered)).all())

    async def keep_evidence(self, row: Mapping[str, Any]) -> None:
        """Add a post to an audit's evidence, or replace what was said of it; when it was added stays."""
        async with self._database.begin() as connection:
            await upsert(connection, evidence, [row], keep=("added_at",))

    async def drop_evidence(self, audit_id: str, post_id: str) -> bool:
        """Take a post out of an audit's evidence; return whether it was there."""
        statement = delete(evidence).where(evidence.c.audit_id == audit_id, evidence.c.post_id == post_id)
        async with self._database.begin() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def forget_notes(self) -> None:
        """Empty the notes on posts that were erased: they may quote them. Numbers and ids stay."""
        gone = select(tombstones.c.deleted_at).where(tombstones.c.subject == evidence.c.post_id)
        erased = evidence.c.deleted_at.is_(None), exists(gone)
        async with self._database.begin() as connection:
            await connection.execute(update(evidence).where(*erased).values(note="", deleted_at=gone.scalar_subquery()))

    async def forget_ratings(self, owner: str, model: str | None) -> None:
        """Forget what was made of the ratings that somebody takes back, of one model or of all: labels and figures."""
        theirs = select(audits.c.audit_id).where(audits.c.owner == owner)
        if model is not None:
            theirs = theirs.where(audits.c.model == model)
        async with self._database.begin() as connection:
            await connection.execute(delete(snapshots).where(snapshots.c.audit_id.in_(theirs)))
            rows = (await connection.execute(select(evidence).where(evidence.c.audit_id.in_(theirs)))).all()
            for row in rows:
                blank = {**row.snapshot, **dict.fromkeys(OF_THE_PERSON)}
                key = evidence.c.audit_id == row.audit_id, evidence.c.post_id == row.post_id
                await connection.execute(update(evidence).where(*key).values(snapshot=blank))

    # -- everybody's ratings --------------------------------------------------------------------------------

    async def mark_of_ratings(self) -> tuple[int, int]:
        """Return something that is another whenever ratings came or went."""
        question = select(func.coalesce(func.max(ratings.c.sequence), 0), func.count())
        async with self._database.read() as connection:
            newest, count = (await connection.execute(question.select_from(ratings))).one()
            return int(newest), int(count)

    async def page_of_calls(self, after: str, limit: int) -> list[Stored]:
        """Return post_id and how many people's last word on it is 0, 1, ... 4, of posts in order, from one on."""
        everyday = ratings.c.model == "", ratings.c.post_id > after
        page = select(ratings.c.post_id).where(*everyday).distinct().order_by(ratings.c.post_id).limit(limit)
        newest = func.row_number().over(
            partition_by=(ratings.c.rater, ratings.c.post_id),
            order_by=(ratings.c.rated_at.desc(), ratings.c.event_id.desc()),
        )
        said = (
            select(ratings.c.post_id, ratings.c.rating, newest.label("age"))
            .where(ratings.c.model == "", ratings.c.post_id.in_(page))
            .subquery()
        )
        counts = [func.sum(case((said.c.rating == rating, 1), else_=0)) for rating in range(5)]
        question = select(said.c.post_id, *counts).where(said.c.age == 1).group_by(said.c.post_id)
        async with self._database.read() as connection:
            return list((await connection.execute(question.order_by(said.c.post_id))).all())

    # -- snapshots ------------------------------------------------------------------------------------------

    async def keep_snapshot(self, row: Mapping[str, Any]) -> bool:
        """Append a snapshot; return False if another process has this number already."""
        async with self._database.begin() as connection:
            return await insert_first(connection, snapshots, row)

    async def keep_decisions(self, name: str, packed: bytes) -> None:
        """Keep what a system decided, unless it is kept already, and let go what no newest snapshot needs."""
        newest = select(snapshots.c.audit_id, func.max(snapshots.c.sequence)).group_by(snapshots.c.audit_id)
        needed = select(snapshots.c.decisions).where(
            tuple_(snapshots.c.audit_id, snapshots.c.sequence).in_(newest), snapshots.c.decisions.is_not(None)
        )
        async with self._database.begin() as connection:
            await insert_new(connection, decisions, [{"hash": name, "packed": packed}])
            await connection.execute(delete(decisions).where(decisions.c.hash != name, decisions.c.hash.not_in(needed)))

    async def decisions_of(self, name: str) -> bytes | None:
        """Return what a system decided, None if it was let go."""
        async with self._database.read() as connection:
            found = await connection.scalar(select(decisions.c.packed).where(decisions.c.hash == name))
            return None if found is None else bytes(found)

    async def snapshots_of(self, audit_id: str, *, before: int | None, limit: int) -> list[Stored]:
        """Return the newest snapshots of an audit (`before` a sequence), newest first."""
        question = select(snapshots).where(snapshots.c.audit_id == audit_id)
        if before is not None:
            question = question.where(snapshots.c.sequence < before)
        async with self._database.read() as connection:
            return list((await connection.execute(question.order_by(snapshots.c.sequence.desc()).limit(limit))).all())

    async def newest_snapshots(self, audit_ids: Sequence[str]) -> dict[str, Stored]:
        """Return the newest snapshot of each audit that has one."""
        found: dict[str, Stored] = {}
        async with self._database.read() as connection:
            for some in chunks(audit_ids):
                newest = (
                    select(snapshots.c.audit_id, func.max(snapshots.c.sequence))
                    .where(snapshots.c.audit_id.in_(some))
                    .group_by(snapshots.c.audit_id)
                )
                question = select(snapshots).where(tuple_(snapshots.c.audit_id, snapshots.c.sequence).in_(newest))
                found |= {row.audit_id: row for row in await connection.execute(question)}
        return found
