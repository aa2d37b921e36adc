"""Says what became of questions to the LLM: a score, or that the local one stands and why, or a dead letter.

Invariant: what is said is stored first and said with ids that follow from post, revision and prompt, so that a crash
between says it again and nobody hears it twice. Nothing is said of a post whose text is gone.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from services.classifier.live_model import LiveModel
from services.classifier.llm_store import DEAD, REFUSED, SCORED, LlmStore
from services.classifier.policy import Fallback
from services.classifier.records import post_of, run_row, score_row
from services.classifier.scoring import scores_of
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from shared.bus.erasures import ask_erasure
from shared.bus.publisher import Publisher
from shared.clock import utcnow
from shared.errors import Unavailable
from shared.events import Event, Post, PostIngested, PostScored, said
from shared.ids import stable_id

AT_ONCE = 200
Row = Mapping[str, Any]


def cause_of(row: Row, score: Row, post: Post) -> str:
    """Return the cause of what is said of a score of the LLM; one post, revision, model and prompt has one."""
    return f"{post.post_id}|{post.revision}|llm|{score['model']}|{score['prompt_hash']}|{row['asked_at'].isoformat()}"


def score_event(row: Row, cause: str, payload: PostScored) -> Event[PostScored]:
    """Return what is said of a question, in the trace of the post that led to it."""
    return said(
        payload,
        by="classifier",
        cause=cause,
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )


def event_id(cause: str) -> str:
    """Return the id of the event that `score_event` makes of a cause."""
    return stable_id(cause, PostScored.event_type(), 0)


class Telling:
    """Announces settled questions."""

    def __init__(
        self,
        llm_store: LlmStore,
        store: Store,
        live: LiveModel,
        speaking: Speaking,
        publisher: Publisher,
        redis: Redis,
    ) -> None:
        self._questions = llm_store
        self._store = store
        self._live = live
        self._publisher = publisher
        self._redis = redis
        self._speaking = speaking

    async def llm_thresholds(self) -> dict[str, float]:
        """Return what scores of the LLM are judged by."""
        return await self._speaking.llm_thresholds()

    async def tell(self, ids: Collection[str] | None = None) -> int:
        """Announce the named questions, or those that whoever settled them left unannounced; return how many."""
        rows = await self._questions.unannounced(utcnow(), AT_ONCE, ids)
        there = [row for row in rows if row["text"] is not None]
        await self._say_scores([row for row in there if row["state"] == SCORED])
        await self._bury([row for row in there if row["state"] == DEAD])
        silent = await self._fall_back([row for row in there if row["state"] != SCORED and _is_owed(row)])
        told = [row["post_id"] for row in rows if row["post_id"] not in silent]
        if told:
            gone = await self._questions.announced(told, utcnow())
            if gone:
                await ask_erasure(self._redis, *sorted(gone), shards=self._publisher.shards)
        return len(told)

    async def _say_scores(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        keys = [(row["post_id"], row["source"], row["model_version"]) for row in rows]
        found = await self._questions.scores_of(keys)
        there = [(row, found[row["post_id"]], post_of(row)) for row in rows if row["post_id"] in found]
        payloads = await self._speaking.say([(score, post) for _, score, post in there])
        events = [
            score_event(row, cause_of(row, score, post), payload)
            for (row, score, post), payload in zip(there, payloads, strict=True)
        ]
        if events:
            await self._publisher.publish_once(events)

    async def _bury(self, rows: Sequence[Row]) -> None:
        for row in rows:
            event = said(
                PostIngested(post=post_of(row)),
                by="ingest",
                cause=row["cause_id"],
                correlation_id=row["correlation_id"],
                traceparent=row["traceparent"],
            ).model_copy(update={"id": row["cause_id"], "attempt": row["attempts"], "reason": row["reason"]})
            await self._publisher.bury(event, "classifier", f"the LLM: {row['reason']}", "LlmFailed")

    async def _fall_back(self, rows: Sequence[Row]) -> set[str]:
        """Say the local score with the reason; return posts that have to wait until a local model is here."""
        by_reason: dict[str, list[Row]] = {}
        for row in rows:
            by_reason.setdefault(_reason(row), []).append(row)
        try:
            for reason, some in by_reason.items():
                await self.say_local(some, reason)
        except Unavailable:
            return {row["post_id"] for row in rows}
        return set()

    async def say_local(self, rows: Sequence[Row], reason: str) -> None:
        """Score posts with the local model, store that with the reason, and say it. Raises Unavailable without one."""
        if not rows:
            return
        loaded, now = self._live.get(), utcnow()
        thresholds = await self._speaking.thresholds(loaded)
        posts = [post_of(row) for row in rows]
        found = scores_of(await loaded.score([post.text for post in posts]), thresholds)
        reviews = await self._store.reviews([post.post_id for post in posts])
        run = run_row("live", loaded.name, loaded.version, now)
        stored = [
            score_row(
                post,
                score,
                cause=row["cause_id"],
                model=loaded.name,
                version=loaded.version,
                thresholds=thresholds,
                run_id=run["id"],
                now=now,
                data_hash=loaded.model.facts.get("data_hash"),
                fallback=reason,
            )
            | reviewed(reviews.get(post.post_id))
            for row, post, score in zip(rows, posts, found, strict=True)
        ]
        async with self._store.begin() as at:
            await self._store.save(at, [], stored)
            fresh = [score for row, score in zip(rows, found, strict=True) if not row["scored_locally"]]
            await self._store.count(at, run, len(fresh), sum(score.flagged for score in fresh))
        payloads = await self._speaking.say(list(zip(stored, posts, strict=True)))
        causes = [
            f"{post.post_id}|{post.revision}|{reason}|{loaded.version}|{row['asked_at'].isoformat()}"
            for row, post in zip(rows, posts, strict=True)
        ]
        events = [score_event(*each) for each in zip(rows, causes, payloads, strict=True)]
        await self._publisher.publish_once(events)


def reviewed(review: Any) -> dict[str, Any]:
    """Return the columns a person's standing verdict fills in a new score."""
    if review is None:
        return {}
    return {"human_reviewed": True, "review_status": review.verdict, "reviewed_at": review.corrected_at}


def _is_owed(row: Row) -> bool:
    """Return whether hearers have to learn that there is no word of the LLM: a backfill promised none."""
    return not row["backfill"] or row["state"] == REFUSED


def _reason(row: Row) -> str:
    if row["state"] == REFUSED:
        return Fallback.REFUSED.value
    return Fallback.FAILED.value if row["state"] == DEAD else str(row["reason"])
