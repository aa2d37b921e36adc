"""New scores for older posts after a promotion: page by page, newest first, beside the live stream.

A page is said before it is stored: a crash between says it again with the same ids and the same scores, because
a model version always scores alike.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from services.classifier.live_model import LiveModel, Loaded
from services.classifier.records import facts_of, post_of, score_row
from services.classifier.scoring import scores_of
from services.classifier.settings import ClassifierSettings
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from shared.bus.publisher import Publisher
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Unavailable
from shared.events import said

log = structlog.get_logger("ombud.classifier")

PAGES = 20
"""Pages of one step: a loop that never came back would look dead."""


class Rescoring:
    """Follows the promoted model: swaps it in, then works through what it has not scored."""

    def __init__(
        self, store: Store, live: LiveModel, speaking: Speaking, publisher: Publisher, settings: ClassifierSettings
    ) -> None:
        self._store = store
        self._live = live
        self._speaking = speaking
        self._publisher = publisher
        self._settings = settings
        self._before: datetime | None = None
        self._run: str | None = None

    async def follow(self) -> None:
        """Swap in the model promoted last, whichever process heard of it."""
        row = await self._store.live_model()
        if row is not None:
            await self._live.swap(row.model, row.model_version, row.artifact)

    async def step(self) -> None:
        """Score some pages; the loop calls again until everything wanted is scored or another model is in force."""
        try:
            loaded = self._live.get()
        except Unavailable:
            return
        run = await self._store.rescoring(loaded.version)
        if run is None:
            return
        if self._run != run.id:
            self._run, self._before = run.id, None
            await self._store.close_other_rescorings(run.id, utcnow())
        facts = facts_of(run)
        since = datetime.fromisoformat(facts["since"]) if facts["since"] else None
        limit = self._settings.rescore_limit if run.limit is None else min(run.limit, self._settings.rescore_limit)
        done = run.scored
        for _ in range(PAGES):
            if loaded.version != self._live.version:
                return
            room = limit - done
            size = min(self._settings.rescore_page, max(room, 0))
            page = await self._store.without_score(facts["versions"], since, self._before, size)
            if page:
                await self._score(page, loaded, run)
                done, self._before = done + len(page), page[-1]["seen_at"]
            elif self._before is not None and room > 0:
                self._before = None  # once more from the top: posts that came in with the old model meanwhile
            else:
                await self._store.finish_run(run.id, "finished", utcnow())
                log.info("rescoring finished", version=loaded.version, posts=done)
                return

    async def _score(self, page: Sequence[dict[str, Any]], loaded: Loaded, run: Stored) -> None:
        now, thresholds = utcnow(), await self._speaking.thresholds(loaded)
        posts = [post_of(row) for row in page]
        found = scores_of(await loaded.score([post.text for post in posts]), thresholds)
        reviews = await self._store.reviews([post.post_id for post in posts])
        rows = [
            score_row(
                post,
                score,
                cause="",
                model=loaded.name,
                version=loaded.version,
                thresholds=thresholds,
                run_id=run.id,
                now=now,
                data_hash=loaded.model.facts.get("data_hash"),
            )
            for post, score in zip(posts, found, strict=True)
        ]
        payloads = await self._speaking.say(list(zip(rows, posts, strict=True)))
        events = [
            said(payload, by="classifier", cause=f"{post.post_id}|{post.revision}|{run.id}")
            for payload, post in zip(payloads, posts, strict=True)
        ]
        for row, post, event in zip(rows, posts, events, strict=True):
            row["cause_id"] = event.id
            review = reviews.get(post.post_id)
            if review is not None:
                row |= {"human_reviewed": True, "review_status": review.verdict, "reviewed_at": review.corrected_at}
        await self._publisher.publish_once(events)
        async with self._store.begin() as at:
            await self._store.save(at, [], rows)
            await self._store.count(at, dict(run._mapping), len(rows), sum(score.flagged for score in found))
