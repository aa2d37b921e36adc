"""What the reporter does when it hears something: it fills its read models, erases, queues deliveries.

Invariant: any order and any repetition of the same events leaves the same rows; nothing is said from here, because
the reporter's own events are announced from its tables.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from services.reporter import readmodel
from services.reporter.avid_export import redact
from services.reporter.delivery import queued
from services.reporter.store import Connection, Store
from shared.bus.commit import Done, Outcome
from shared.clock import utcnow
from shared.events import (
    Event,
    ModelPromoted,
    ModelTrained,
    PostCorrected,
    PostDeleted,
    PostScored,
    PostStatusChanged,
    ReportCompleted,
    ReportSubmitted,
)
from shared.heard import hidings, newest_scores


class Handlers:
    """One method per event. `sinks` names where complete reports are sent.

    What was decided about a post is looked at again for labels after `labels_hold`, for acts on platforms after
    `acts_hold`; None: nobody makes labels, no outlet is connected. `again`: everything was heard once before.
    """

    def __init__(
        self,
        store: Store,
        sinks: Sequence[str] = (),
        labels_hold: timedelta | None = None,
        acts_hold: timedelta | None = None,
        *,
        again: bool = False,
    ) -> None:
        self._store = store
        self._again = again
        self._sinks = tuple(sinks)
        self._labels_hold = labels_hold
        self._acts_hold = acts_hold

    async def on_post_scored(self, events: list[Event[PostScored]]) -> Sequence[Outcome]:
        """Keep the newest score of each post, and its text unless it was deleted."""
        # 1. of several scores of one post in this batch only the newest counts
        newest = newest_scores(event.data for event in events)
        subjects = readmodel.subjects(score for _, score in newest.values())
        writers = readmodel.author_subjects(score for _, score in newest.values())
        async with self._store.begin() as connection:
            # 2. nobody erases while we write, and what was erased gets no text
            await self._store.pass_gate(connection)
            buried = await self._store.buried(connection, subjects)
            hidden = await self._store.hidden(connection, writers)
            # 3. one row per post; the table keeps the newer score
            rows = [readmodel.score_row(rank, score, buried, hidden) for rank, score in newest.values()]
            await self._store.put_scores(connection, rows)
        return [Done()] * len(events)

    async def on_post_status_changed(self, events: list[Event[PostStatusChanged]]) -> Sequence[Outcome]:
        """Keep the newest status of each post."""
        async with self._store.begin() as connection:
            await self._store.put_statuses(connection, readmodel.status_rows(event.data for event in events))
            await self._decided(connection, [event.data.post_id for event in events])
        return [Done()] * len(events)

    async def on_post_corrected(self, events: list[Event[PostCorrected]]) -> Sequence[Outcome]:
        """Keep the latest correction of each post that nobody took back."""
        said = [event.data for event in events]
        async with self._store.begin() as connection:
            # 1. one at a time: the latest correction is chosen from all of a post's
            await self._store.close_gate(connection)
            await self._store.put_corrections(connection, readmodel.correction_rows(said))
            # 2. taking back works in any order, also before the correction was heard
            back = readmodel.retracted(said)
            await self._store.take_back(connection, back)
            names = [each["correction_id"] for each in back]
            touched = {*readmodel.touched(said), *await self._store.posts_of_corrections(connection, names)}
            # 3. choose again for every post that was spoken about
            standing = await self._store.standing_corrections(connection, touched)
            await self._store.put_latest_corrections(connection, readmodel.latest_corrections(touched, standing))
            await self._store.put_versions(connection, readmodel.version_rows(said))
            await self._decided(connection, touched)
        return [Done()] * len(events)

    async def on_post_deleted(self, events: list[Event[PostDeleted]]) -> Sequence[Outcome]:
        """Erase the text of a post, or of everything of an author, from every table; or hide and show an author."""
        said = [event.data for event in events]
        deleted = {each.post_id: each.deleted_at for each in said if each.post_id is not None}
        authors = {
            (each.platform, each.author): each.deleted_at
            for each in said
            if each.post_id is None and each.platform is not None and each.author is not None
        }
        async with self._store.begin() as connection:
            # 1. whoever writes text from now on meets the tombstones
            await self._store.close_gate(connection)
            await self._store.bury(connection, readmodel.tombstone_rows(said))
            # 2. reports and notes first: afterwards nobody knows any more which posts were the author's
            found = await self._store.evidence_in(connection, deleted, authors, again=self._again)
            await self._erase_reports(connection, found)
            await self._store.erase_notes(connection, deleted, authors, again=self._again)
            # 3. what somebody tried out and saved, while it can be told which words these posts had
            await self._store.erase_tries(connection, deleted, authors, again=self._again)
            # 4. the posts themselves
            await self._store.erase_posts(connection, deleted, authors, again=self._again)
            # 5. who is only hidden keeps everything
            await self._store.hide(connection, hidings(said, readmodel.author_subject))
            await self._decided(connection, deleted)
        return [Done()] * len(events)

    async def _decided(self, connection: Connection, post_ids: Collection[str]) -> None:
        if self._labels_hold is not None and post_ids:
            await self._store.look_again(connection, post_ids, utcnow() + self._labels_hold)
        if self._acts_hold is not None and post_ids:
            await self._store.act_after(connection, post_ids, utcnow() + self._acts_hold)

    async def _erase_reports(self, connection: Connection, found: Mapping[str, set[str]]) -> None:
        if not found:
            return
        await self._store.erase_evidence(connection, found)
        await self._store.erase_answers(connection, found)
        frozen = await self._store.documents(connection, found)
        redacted = {report: redact(document, found[report]) for report, document in frozen.items()}
        await self._store.replace_documents(connection, redacted, utcnow())

    async def on_model_trained(self, events: list[Event[ModelTrained]]) -> Sequence[Outcome]:
        """Keep what is known of a model, and how far it is."""
        async with self._store.begin() as connection:
            await self._store.put_trained(connection, readmodel.trained_rows(event.data for event in events))
            await self._store.put_steps(connection, readmodel.step_rows(events))
        return [Done()] * len(events)

    async def on_model_promoted(self, events: list[Event[ModelPromoted]]) -> Sequence[Outcome]:
        """Keep when a model was last promoted, and why each time."""
        said = [event.data for event in events]
        async with self._store.begin() as connection:
            known = await self._store.promotions(connection, [each.model_version for each in said])
            await self._store.put_promoted(connection, readmodel.promoted_rows(said, known))
            await self._store.put_steps(connection, readmodel.step_rows(events))
        return [Done()] * len(events)

    async def on_report_completed(self, events: list[Event[ReportCompleted]]) -> Sequence[Outcome]:
        """Queue the document for every sink that is configured if its author asked for that; else it stays here."""
        if self._sinks:
            async with self._store.begin() as connection:
                # 1. only what our own table calls complete, and its author sent, leaves the house
                wanted = [(event.data.report_id, event.data.version) for event in events]
                known = await self._store.reports_to_send(connection, wanted)
                # 2. once per report, version and sink
                now = utcnow()
                rows = [
                    queued(*key, sink, now, correlation_id=event.correlationid, traceparent=event.traceparent)
                    for event, key in zip(events, wanted, strict=True)
                    if key in known
                    for sink in self._sinks
                ]
                await self._store.queue(connection, rows)
        return [Done()] * len(events)

    async def on_report_submitted(self, events: list[Event[ReportSubmitted]]) -> Sequence[Outcome]:
        """Note the receipt on its report."""
        rows = [
            {
                "report": event.data.report_id,
                "receipt": event.data.receipt,
                "receipt_state": event.data.state.value,
                "receipt_at": event.data.submitted_at,
                "at": event.data.submitted_at,
            }
            for event in events
        ]
        async with self._store.begin() as connection:
            await self._store.keep_receipts(connection, rows)
        return [Done()] * len(events)
