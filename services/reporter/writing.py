"""What authors do with reports: begin, change, complete.

Invariant: completing decides eligibility and freezes the document in one transaction, under the gate that erasing
closes, so that a frozen document never quotes a post that was deleted before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from services.reporter import avid_export
from services.reporter.avid_export import Origin
from services.reporter.report import (
    Evidence,
    Judgement,
    Missing,
    Person,
    Report,
    ReportState,
    Step,
    missing,
    to_evidence,
    to_report,
)
from services.reporter.store import Connection, Store, Stored
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.ids import digest

NONE: Mapping[str, float] = MappingProxyType({})


class Writing:
    """The commands on reports. `origin` says what stands in a document about this installation."""

    def __init__(self, store: Store, origin: Origin, public_url: str | None) -> None:
        self._store = store
        self._origin = origin
        self._public_url = public_url.rstrip("/") if public_url else None

    async def begin(
        self,
        author: Person,
        values: Mapping[str, Any],
        post_ids: Sequence[str],
        judgements: Mapping[str, Judgement],
        notes: Mapping[str, str],
        predictions: Mapping[str, float] = NONE,
    ) -> str:
        """Make a draft with evidence copied from posts; return its id. Refuses posts without a score with 422."""
        report_id, now = str(uuid4()), utcnow()
        async with self._store.begin() as connection:
            await self._store.pass_gate(connection)
            rows = await self._copy(connection, report_id, post_ids)
            _judge(rows, judgements, notes, predictions)
            row = {
                "id": report_id,
                "state": ReportState.DRAFT.value,
                "version": 1,
                "created_by": author.id,
                "created_at": now,
                "updated_at": now,
                **values,
            }
            await self._store.add_report(connection, row)
            await self._store.put_evidence(connection, list(rows.values()))
            await self._store.add_step(connection, report_id, 1, Step.BEGUN, author.id, now)
        return report_id

    async def change(
        self,
        report_id: str,
        version: int,
        author: Person,
        values: Mapping[str, Any],
        post_ids: Sequence[str] | None,
        judgements: Mapping[str, Judgement],
        notes: Mapping[str, str],
        predictions: Mapping[str, float] = NONE,
    ) -> None:
        """Change a draft. Refuses with 409 if it is not at `version`, or complete."""
        async with self._store.begin() as connection:
            await self._store.pass_gate(connection)
            now = utcnow()
            await self.save(connection, report_id, version, author, {"updated_at": now, **values})
            known = {row.post_id: dict(row._mapping) for row in await self._store.evidence_of(connection, report_id)}
            rows = known
            if post_ids is not None:
                fresh = await self._copy(connection, report_id, post_ids, known)
                rows = {each: known.get(each) or fresh[each] for each in post_ids}
                for position, row in enumerate(rows.values()):
                    row["position"] = position
                await self._store.drop_evidence(connection, report_id, [each for each in known if each not in rows])
            _judge(rows, judgements, notes, predictions)
            await self._store.put_evidence(connection, list(rows.values()))
            given = {
                "post_ids": post_ids is not None,
                "judgements": judgements,
                "notes": notes,
                "predictions": predictions,
            }
            fields = [*sorted(values), *(name for name, there in given.items() if there)]
            await self._store.add_step(connection, report_id, version + 1, Step.CHANGED, author.id, now, fields)

    async def complete(
        self,
        report_id: str,
        version: int,
        author: Person,
        credit: str | None,
        *,
        send: bool,
        correlation_id: str | None,
        traceparent: str | None,
    ) -> None:
        """Freeze a draft; with `send` it goes to AVID as soon as that is announced.

        Refuses with 409 if it is not at `version`, with 422 and reasons if it is not eligible.
        """
        now = utcnow()
        async with self._store.begin() as connection:
            await self._store.pass_gate(connection)
            # 1. the row is ours from here on; a refusal below takes this back
            trace = {"correlation_id": correlation_id, "traceparent": traceparent}
            values = {
                "state": ReportState.COMPLETE.value,
                "completed_at": now,
                "updated_at": now,
                "send": send,
                **trace,
            }
            await self.save(connection, report_id, version, author, values)
            # 2. one rule says whether it may be completed
            report, evidence = await self._load(connection, report_id, author)
            _refuse_missing(missing(report, evidence))
            # 3. what leaves the house is decided now, not when it is sent
            document = self._document(report, evidence, now, credit)
            await self._store.freeze(connection, report_id, document, digest(avid_export.to_bytes(document)))
            await self._store.add_step(connection, report_id, version + 1, Step.COMPLETED, author.id, now)
            if send:
                await self._store.add_step(connection, report_id, version + 1, Step.SUBMITTED, author.id, now)

    async def export(self, report_id: str, author: Person) -> dict[str, Any]:
        """Return the AVID document: the frozen one, or what a draft would become now."""
        async with self._store.read() as connection:
            row = await self._store.report(connection, report_id, author)
            if row is None:
                raise not_found("report")
            if row.document is not None:
                return dict(row.document)
            report, evidence = await self._load(connection, report_id, author)
        if not evidence:
            raise Problem(409, "no_evidence", "A document needs at least one post as evidence.")
        return self._document(report, evidence, row.updated_at, None)

    async def save(
        self, connection: Connection, report_id: str, version: int, author: Person, values: Mapping[str, Any]
    ) -> None:
        """Store values of a draft as its next version. Refuses with 409, and with 404 what is somebody else's."""
        if await self._store.save_report(connection, report_id, version, author, values):
            return
        row = await self._store.report(connection, report_id, author)
        if row is None:
            raise not_found("report")
        if row.state == ReportState.COMPLETE.value:
            raise Problem(
                409, "already_complete", "A complete report changes once it is reopened.", version=row.version
            )
        raise Problem(409, "stale_version", "Somebody saved this report since you read it.", version=row.version)

    async def _load(self, connection: Connection, report_id: str, author: Person) -> tuple[Report, list[Evidence]]:
        row = await self._store.report(connection, report_id, author)
        if row is None:
            raise not_found("report")
        return to_report(row), [to_evidence(each) for each in await self._store.evidence_of(connection, report_id)]

    async def _copy(
        self,
        connection: Connection,
        report_id: str,
        post_ids: Sequence[str],
        skip: Collection[str] = (),
    ) -> dict[str, dict[str, Any]]:
        """Return evidence rows of posts as they stand. Refuses unknown, unscored, deleted and hidden ones with 422."""
        _refuse_twice(post_ids)
        posts = await self._store.scored_posts(connection, [each for each in post_ids if each not in skip])
        faults = [_fault(n, posts.get(each)) for n, each in enumerate(post_ids) if each not in skip]
        _refuse([fault for fault in faults if fault])
        return {
            post_id: _evidence_row(report_id, position, posts[post_id])
            for position, post_id in enumerate(post_ids)
            if post_id not in skip
        }

    def _document(self, report: Report, evidence: list[Evidence], at: datetime, credit: str | None) -> dict[str, Any]:
        origin = self._origin
        if self._public_url:
            link = f"{self._public_url}/v1/reports/{report.id}"
            origin = Origin(origin.developer, origin.deployer, "This report, with all of its evidence", link)
        return avid_export.to_document(
            avid_export.build(report, evidence, origin=origin, reported=at.date(), credit=credit)
        )


def _evidence_row(report_id: str, position: int, post: Stored) -> dict[str, Any]:
    return {
        "report_id": report_id,
        "post_id": post.post_id,
        "position": position,
        "text": post.text,
        "overall": post.overall,
        "flagged": post.flagged,
        "threshold": post.threshold,
        "model": post.model,
        "model_version": post.model_version,
        "judgement": None,
        "predicted": None,
        "note": None,
        "deleted": False,
    }


def _judge(
    rows: Mapping[str, dict[str, Any]],
    judgements: Mapping[str, Judgement],
    notes: Mapping[str, str],
    predictions: Mapping[str, float],
) -> None:
    spoken: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("judgements", judgements),
        ("notes", notes),
        ("predictions", predictions),
    )
    for field, given in spoken:
        if set(given) - set(rows):
            raise Problem(422, "not_in_evidence", "This speaks about a post that is not in the evidence.", field=field)
    for post_id, judgement in judgements.items():
        rows[post_id]["judgement"] = judgement.value
    for post_id, note in notes.items():
        rows[post_id]["note"] = note or None
    for post_id, predicted in predictions.items():
        rows[post_id]["predicted"] = predicted


def _fault(number: int, post: Stored | None) -> Missing | None:
    if post is None:
        return Missing(f"post_ids.{number}", "unknown_post", "There is no such post, or it has no score yet.")
    if post.deleted_at is not None:
        return Missing(f"post_ids.{number}", "deleted_post", "This post was deleted.")
    if post.hidden:
        return Missing(f"post_ids.{number}", "hidden_post", "The platform hides this post's author for now.")
    return None


def _refuse_twice(post_ids: Sequence[str]) -> None:
    if len(set(post_ids)) != len(post_ids):
        raise Problem(422, "same_post_twice", "A post can be evidence once.", field="post_ids")


def _refuse_missing(reasons: Sequence[Missing]) -> None:
    if reasons:
        detail = "The report is not complete: " + " ".join(sorted({each.detail for each in reasons}))
        errors = [asdict(each) for each in reasons]
        raise Problem(422, "not_eligible", detail, field=reasons[0].field, errors=errors)


def _refuse(faults: Sequence[Missing]) -> None:
    if faults:
        first = faults[0]
        raise Problem(422, first.reason, first.detail, field=first.field, errors=[asdict(each) for each in faults])
