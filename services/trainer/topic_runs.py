"""A search for topics from the service's side: when one is due, what its worker gets, what becomes of what it finds."""

from datetime import timedelta
from pathlib import Path

import structlog

from services.trainer.runs import Claim, Due, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from services.trainer.topics.job import TopicsJob, TopicsResult
from services.trainer.training import Ask, Craft, Lost
from shared.clock import monotonic, utcnow

log = structlog.get_logger("ombud.trainer")

LOOKS_EVERY_S = 30.0
"""Pause between two looks at whether a search is due."""


def build_craft(store: Store, settings: TrainerSettings, artifacts: Path) -> Craft:
    """Return how searches for topics are prepared and recorded."""
    stored = str(artifacts.resolve())

    async def job(claim: Claim) -> TopicsJob:
        before = await store.topic_model()
        posts = await store.corpus(settings.topics_posts)
        numbers: dict[tuple[str, str], int] = {}
        authors = [
            None if row.author is None else numbers.setdefault((row.platform, row.author), len(numbers))
            for row in posts
        ]
        return TopicsJob(
            texts=tuple(row.text for row in posts),
            authors=tuple(authors),
            seed=settings.seed,
            artifacts=stored,
            before=before.artifact if before else None,
        )

    async def record(claim: Claim, result: TopicsResult) -> str:
        version = await store.finish_topics(claim, result, utcnow())
        if version is None:
            raise Lost
        found = {"posts": result.posts, "topics": len(result.topics), "outliers": result.outliers}
        log.info("topics found", run_id=claim.run_id, version=version, gone=len(result.vanished), **found)
        return "finished"

    return Craft(job, record)


def build_ask(store: Store, settings: TrainerSettings) -> Ask:
    """Return what says when a search is due: every so many hours, if there are posts it has not seen."""
    looked_at = float("-inf")

    async def ask() -> list[Due]:
        nonlocal looked_at
        if settings.topics_every_h == 0 or monotonic() - looked_at < LOOKS_EVERY_S:
            return []
        looked_at = monotonic()
        asked_at, newest = await store.topics_outlook()
        if newest is None or (asked_at is not None and utcnow() - asked_at < timedelta(hours=settings.topics_every_h)):
            return []
        if asked_at is not None and newest <= asked_at:
            return []
        if await store.count_posts(settings.topics_from) < settings.topics_from:
            return []
        return [Due(RunKind.TOPICS, Trigger.SCHEDULE)]

    return ask
