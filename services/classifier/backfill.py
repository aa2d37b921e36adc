"""`ombud analyze`: asks the LLM about every post that has no score of this model and prompt.

Invariant: a run goes on where it stopped. Its posts are questions in the tables, so whoever starts it again finds them.
"""

import asyncio
from typing import Any
from uuid import uuid4

import structlog

from services.classifier.analysis import Analysis, run_of
from services.classifier.bulk import POSTS_OF_A_BATCH, Bulk, Report
from services.classifier.llm_store import ANNOUNCED_BY_OTHERS, SETTLED, LlmStore
from services.classifier.policy import Fallback, asks_for
from services.classifier.prompts import prompt_hash
from services.classifier.records import question_row
from services.classifier.settings import ClassifierSettings
from services.classifier.telling import Telling
from shared.clock import monotonic, utcnow
from shared.ids import stable_id

log = structlog.get_logger("ombud.classifier")

PAGE = 500
LOOK_S = 0.2
REPORTED = (
    "id",
    "state",
    "posts_total",
    "scored",
    "flagged",
    "failed",
    "dead_lettered",
    "retried",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "model_requested",
    "model_answered",
    "error",
)


class Backfill:
    """Runs over posts that are there already."""

    def __init__(
        self, llm_store: LlmStore, telling: Telling, analysis: Analysis, bulk: Bulk, settings: ClassifierSettings
    ) -> None:
        self._questions = llm_store
        self._telling = telling
        self._analysis = analysis
        self._bulk = bulk
        self._settings = settings

    async def analyze(
        self, report: Report, *, limit: int | None = None, who: str = "", batch: bool = False
    ) -> dict[str, Any]:
        """Start a run, or go on with the one that was not finished, and return how it ended.

        With `batch` the Batch API answers within a day at half the price; what it leaves is asked at once.

        Ends `finished`; `paused` when the day's budget is used up, to go on another day; `failed` when the API refuses
        our requests for good. Raises RuntimeError without a key.
        """
        if self._settings.openai_api_key is None:
            raise RuntimeError("no key: set OPENAI_API_KEY")
        wanted = self._settings.analyzer_limit if limit is None else limit
        if batch:
            run_id = await self._begin("batch", min(wanted or POSTS_OF_A_BATCH, POSTS_OF_A_BATCH), who)
            state, error = await self._bulk.drive(run_id, report)
            if state != "answered":
                return await self._end(run_id, state, error)
        else:
            run_id = await self._begin("analyze", wanted, who)
        state, error = await self._drive(run_id, report)
        return await self._end(run_id, state, error)

    async def _end(self, run_id: str, state: str, error: str | None) -> dict[str, Any]:
        """Close a run, log what it cost and return it."""
        over = None if state == "paused" else utcnow()
        if state == "failed":
            await self._questions.forget_queued(run_id)
        await self._questions.mark_run(run_id, state=state, error=error, finished_at=over)
        run = await self._questions.run(run_id) or {}
        said = {name: run.get(name) for name in REPORTED}
        log.info("analysis", **{name: value for name, value in said.items() if value is not None})
        return said

    async def _begin(self, kind: str, limit: int, who: str) -> str:
        settings, now = self._settings, utcnow()
        unfinished = await self._questions.unfinished_run(kind, settings.analyzer_model, prompt_hash())
        if unfinished is not None:
            await self._questions.mark_run(unfinished["id"], state="running", error=None)
            return str(unfinished["id"])
        run_id = str(uuid4())
        async with self._questions.begin() as at:
            await self._questions.open_run(at, run_of(run_id, kind, settings, now, who) | {"limit": limit})
        await self._pick(run_id, limit)
        return run_id

    async def _pick(self, run_id: str, limit: int) -> None:
        """Queue the run's posts, page by page."""
        after, taken, now = "", 0, utcnow()
        while not limit or taken < limit:
            page = await self._questions.next_unasked(self._settings.analyzer_model, prompt_hash(), PAGE, after)
            if not page:
                return
            after = page[-1]["post_id"]
            wanted = [row for row in page if asks_for(row["text"])][: limit - taken if limit else None]
            rows = [
                question_row(
                    row["post_id"],
                    row["revision"],
                    run_id=run_id,
                    cause=stable_id("analysis", run_id, row["post_id"]),
                    now=now,
                    cascade=False,
                    scored=True,
                    backfill=True,
                )
                for row in wanted
            ]
            async with self._questions.begin() as at:
                await self._questions.enqueue(at, rows, again=SETTLED)
                await self._questions.tally(at, run_id, posts_total=len(rows))
            taken += len(rows)

    async def _drive(self, run_id: str, report: Report) -> tuple[str, str | None]:
        """Ask until nothing of the run is open; return the state it ends in and why."""
        while True:
            now = utcnow()
            await self._analysis.look(now)
            working = await self._analysis.employ(run_id, now)
            left, _ = await self._questions.waiting(run_id)
            run = await self._questions.run(run_id) or {}
            report(run["posts_total"] - left, run["posts_total"], run["cost_usd"])
            if self._analysis.rejected:
                return "failed", self._analysis.rejected
            if not working:
                if not left:
                    await self._say_the_rest(run_id)
                    return "finished", None
                if self._analysis.obstacle() is Fallback.BUDGET:
                    return "paused", "the day's budget is used up"
            await asyncio.sleep(LOOK_S)

    async def _say_the_rest(self, run_id: str) -> None:
        """Say what a killed process scored and did not say; others' fresh scores are left to them for a while."""
        until = monotonic() + 2 * ANNOUNCED_BY_OTHERS.total_seconds()
        await self._telling.tell()
        while await self._questions.unsaid(run_id) and monotonic() < until:
            await asyncio.sleep(LOOK_S)
            await self._telling.tell()
