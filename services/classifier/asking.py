"""Whether the LLM is asked about a post that just came in; what is chosen is queued in the transaction of its score.

Invariant: a post that is not asked about for want of money or of an answering LLM gets a local score that says so.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.classifier.analysis import Analysis
from services.classifier.llm_store import LlmStore
from services.classifier.policy import Margins, Mode, asks_for, margin, share_for
from services.classifier.records import question_row
from services.classifier.scoring import Score
from services.classifier.settings import ClassifierSettings
from shared.clock import utcnow
from shared.events import Event, PostIngested

Ingested = Event[PostIngested]


class Asking:
    """The handlers' way to the LLM."""

    def __init__(self, settings: ClassifierSettings, analysis: Analysis, llm_store: LlmStore) -> None:
        self._settings = settings
        self._analysis = analysis
        self._questions = llm_store
        self._margins = Margins()

    def instead(self, events: Sequence[Ingested]) -> list[Ingested]:
        """Return which posts are scored by the LLM instead of the local model."""
        if self._settings.asks is not Mode.LLM or self._analysis.obstacle() is not None:
            return []
        return [event for event in events if asks_for(event.data.post.text)]

    def besides(
        self, events: Sequence[Ingested], found: Sequence[Score], thresholds: Mapping[str, float]
    ) -> tuple[list[Ingested], dict[str, str]]:
        """Return which locally scored posts the LLM is asked about, too, and event id -> why others are not."""
        asked, reasons, obstacle = [], {}, self._analysis.obstacle()
        for event, score in zip(events, found, strict=True):
            if not self._wanted(event, score, thresholds):
                continue
            if obstacle is None:
                asked.append(event)
            else:
                reasons[event.id] = obstacle.value
        return asked, reasons

    def _wanted(self, event: Ingested, score: Score, thresholds: Mapping[str, float]) -> bool:
        post, settings = event.data.post, self._settings
        if not asks_for(post.text):
            return False
        if settings.asks is Mode.LLM:
            return self._analysis.obstacle() is not None  # else it is not scored locally at all
        share = share_for(post.language, settings.cascade_share, settings.cascade_shares, self._analysis.affordable)
        distance = margin(score.scores, thresholds)
        width = self._margins.width(post.language, share, settings.cascade_band)
        self._margins.see(post.language, distance)
        return distance <= width

    async def enqueue(self, at: Any, instead: Sequence[Ingested], besides: Sequence[Ingested], now: datetime) -> None:
        """Queue posts in the transaction `at`."""
        run = self._analysis.live_run
        rows = [
            question_row(
                event.data.post.post_id,
                event.data.post.revision,
                run_id=run,
                cause=event.id,
                now=now,
                cascade=scored,
                scored=scored,
                backfill=False,
                correlation_id=event.correlationid or event.id,
                traceparent=event.traceparent,
            )
            for events, scored in ((instead, False), (besides, True))
            for event in events
        ]
        if rows:
            await self._questions.enqueue(at, rows)
            await self._questions.tally(at, run, posts_total=len(rows))

    async def again(self, event_ids: Sequence[str]) -> None:
        """Ask anew about posts that were given up and whose event came again."""
        if event_ids:
            await self._questions.revive(event_ids, utcnow())
