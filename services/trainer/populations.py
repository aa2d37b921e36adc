"""A population from the service's side: when one is due, what its worker gets, what becomes of what it made.

Invariant: what was heard up to `counted_at` is in it and nothing later, so that a person's own part can be left out.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog

from services.trainer.ratings import TOP, PopulationJob, PopulationResult
from services.trainer.runs import Claim, Due, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from services.trainer.store.ratings import RatingStore
from services.trainer.training import Ask, Craft, Lost
from shared.clock import monotonic, utcnow
from shared.db import Stored
from shared.events import Event, ModelTrained, said
from shared.vocabulary import ModelKind

log = structlog.get_logger("ombud.trainer")

LOOK_EVERY_S = 20.0
"""Ratings come by the thousand; counting them at every round would be the work."""
REST_S = 300.0
"""Pause after a population was asked for, so that one that fails is not tried all day long."""
SHARE = 0.05
"""A population that grew by less says nothing new: all personal models would be made again for it (ours)."""
OLDEST = timedelta(days=1)
"""With any new rating, or one taken back, a population is counted again after this long (ours)."""
UNRATED = 100_000
"""Posts without a rating that are taken along, so that they can be looked at quickly; the rest is read when asked for.
Ids are hashes: the first of them are a fair sample."""


def build_craft(store: Store, ratings: RatingStore, settings: TrainerSettings, artifacts: Path, folders: Path) -> Craft:
    """Return how populations are prepared and recorded."""
    counted: dict[str, datetime] = {}
    stored, kept_in = str(artifacts.resolve()), folders.resolve()

    async def job(claim: Claim) -> PopulationJob:
        counted[claim.run_id] = utcnow()
        path = kept_in / claim.run_id / "ratings.jsonl"
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        try:
            await _write(path, ratings, counted[claim.run_id])
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        return PopulationJob(str(path), stored, settings.seed)

    async def record(claim: Claim, result: PopulationResult) -> str:
        now = utcnow()
        row = {
            "run_id": claim.run_id,
            "artifact": result.artifact,
            "data_hash": result.data_hash,
            "posts": result.posts,
            "raters": result.raters,
            "ratings": result.ratings,
            "counted_at": counted.pop(claim.run_id),
            "made_at": now,
        }
        async with ratings.begin() as connection:
            if not await store.end(connection, claim, now, examples=result.ratings):
                raise Lost
            number = await ratings.add_population(connection, row)
        log.info("population made", run_id=claim.run_id, number=number, posts=result.posts, ratings=result.ratings)
        return "population"

    return Craft(job, record)


async def _write(path: Path, ratings: RatingStore, until: datetime) -> None:
    """Write what was heard, and the texts of the posts it was about and of some more."""
    rated, unrated = set(), 0
    topics = await ratings.all_topics()
    with await asyncio.to_thread(path.open, "wb") as file:
        async for each in ratings.everybody(until):
            if not each.gone:
                rated.add(each.post_id)
                when = each.rated_at.timestamp()
                line = ["rating", each.person.rater, each.post_id, each.rating, when, each.event_id]
                file.write(orjson.dumps(line) + b"\n")
        async for post, text, overall in ratings.every_text():
            unrated += post not in rated
            if post in rated or unrated <= UNRATED:
                file.write(orjson.dumps(["post", post, text, topics.get(post), TOP * overall]) + b"\n")


def build_ask(ratings: RatingStore, settings: TrainerSettings) -> Ask:
    """Return what asks for a population when enough was rated since the last one."""
    looked_at, asked_at = float("-inf"), float("-inf")

    async def ask() -> Sequence[Due]:
        nonlocal looked_at, asked_at
        now = monotonic()
        if now - looked_at < LOOK_EVERY_S or now - asked_at < REST_S:
            return []
        looked_at = now
        last = await ratings.newest_population()
        new = await ratings.heard_since(None if last is None else last.counted_at)
        old = last is not None and last.counted_at < utcnow() - OLDEST
        if last is not None and old and not new:
            new = int(await ratings.withdrawn_since(last.counted_at))
        if enough(new, 0 if last is None else last.ratings, settings.ratings_per_population, old=old):
            asked_at = now
            return [Due(RunKind.POPULATION, Trigger.RATINGS)]
        return []

    return ask


def enough(new: int, known: int, least: int, *, old: bool) -> bool:
    """Return whether so many new ratings are worth another population."""
    return new >= max(least, SHARE * known) or (old and new > 0)


def events_of(row: Stored) -> list[Event[Any]]:
    """Return what is said about a population: that there is one."""
    model = ModelTrained(
        run_id=row.run_id,
        kind=ModelKind.PERSONAL,
        model="population",
        model_version=f"population-{row.sequence:04d}-{row.artifact[:8]}",
        artifact=row.artifact,
        data_hash=row.data_hash,
        metrics={"posts": row.posts, "raters": row.raters},
        examples=row.ratings,
        trained_at=row.made_at,
        foundation="population",
    )
    return [said(model, by="trainer", cause=row.run_id, correlation_id=row.run_id)]
