"""Backfills through OpenAI's Batch API: half the price, within a day.

Invariant: a batch belongs to a run by the id stored there, or by the run's name in the batch itself when we stopped in
between; so a run never sends its posts twice, and whoever starts it again goes on waiting for the same answers.
Source: interfaces.md 12; the API's limits are 50,000 requests and 200 MB for one batch.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from services.classifier import prompts
from services.classifier.analysis import Analysis, Till, bill_row
from services.classifier.answers import read
from services.classifier.llm import Analyst, AnalystPost, Judged, NoReply, Outcome, Reply, Requests, reply_of
from services.classifier.llm_store import LlmStore
from services.classifier.pricing import nano, shares, worst
from services.classifier.settings import ClassifierSettings
from services.classifier.telling import Telling
from shared.clock import utcnow

log = structlog.get_logger("ombud.classifier")

Report = Callable[[int, int, float], None]
"""Told now and then: posts done, posts of the run, USD spent."""

POSTS_OF_A_BATCH = 100_000
BYTES_OF_A_BATCH = 150_000_000
WINDOW = timedelta(hours=26)
"""The API promises an answer or none within 24 hours."""
NAME = "ombud_run"
OVER = ("completed", "expired", "cancelled")


class Bulk:
    """Sends a run as one batch and reads its answers."""

    def __init__(
        self,
        llm_store: LlmStore,
        telling: Telling,
        analysis: Analysis,
        analyst: Analyst,
        settings: ClassifierSettings,
    ) -> None:
        self._questions = llm_store
        self._telling = telling
        self._analysis = analysis
        self._analyst = analyst  # of its own: it knows the batch's prices
        self._settings = settings

    async def drive(self, run_id: str, report: Report) -> tuple[str, str | None]:
        """Send what was not sent, wait, read; return `answered`, or the state the run ends in and why."""
        run = await self._questions.run(run_id) or {}
        batch_id = run.get("batch_id") or await self._found(run_id)
        if isinstance(batch_id, NoReply):
            return "paused", batch_id.reason
        if batch_id is None:
            batch_id = await self._send(run_id)
            if isinstance(batch_id, NoReply):
                failed = batch_id.outcome is Outcome.REJECTED
                return "failed" if failed else "paused", batch_id.reason
        await self._questions.mark_run(run_id, batch_id=batch_id)
        return await self._wait(run_id, batch_id, report)

    async def close(self) -> None:
        """Give the connections back."""
        await self._analyst.close()

    async def _found(self, run_id: str) -> str | NoReply | None:
        """Return the batch a stopped process made for a run but did not note; else give back what it had claimed."""
        listed = await self._analyst.reach(self._analyst.client.batches.list(limit=100))
        if isinstance(listed, NoReply):
            return listed
        for batch in listed.data:
            if (batch.metadata or {}).get(NAME) == run_id:
                return str(batch.id)
        await self._questions.release(run_id=run_id)
        await self._questions.cancel_calls(run_id, utcnow())
        return None

    async def _send(self, run_id: str) -> str | NoReply:
        lines = await self._lines(run_id)
        if not lines:
            return NoReply(Outcome.BUDGET, "there is nothing to ask, or no money for it")
        client = self._analyst.client
        sent = await self._analyst.reach(client.files.create(file=("batch.jsonl", b"\n".join(lines)), purpose="batch"))
        if not isinstance(sent, NoReply):
            made = await self._analyst.reach(
                client.batches.create(
                    completion_window="24h",
                    endpoint="/v1/chat/completions",
                    input_file_id=sent.id,
                    metadata={NAME: run_id},
                )
            )
            if not isinstance(made, NoReply):
                log.info("a batch was sent", batch=made.id, calls=len(lines))
                return str(made.id)
            sent = made
        if sent.outcome is Outcome.REJECTED:  # after any other failure the batch may be there all the same
            await self._questions.release(run_id=run_id)
            await self._questions.cancel_calls(run_id, utcnow())
        return sent

    async def _lines(self, run_id: str) -> list[bytes]:
        """Claim the run's posts and return one request per call, as far as the day's money goes."""
        till = Till(self._questions, run_id, nano(self._settings.analyzer_daily_budget), WINDOW)
        lines: list[bytes] = []
        room = BYTES_OF_A_BATCH
        while room > 0:
            claimed = await self._questions.claim(run_id, self._settings.analyzer_batch_size, utcnow(), WINDOW, run_id)
            if not claimed:
                return lines
            posts = [AnalystPost(row["post_id"], row["text"], row["language"]) for row in claimed]
            body = self._analyst.body(posts)
            once = worst(prompts.size(body), len(posts), self._analyst.prices)
            reservation = await till.reserve(once, len(posts))
            if reservation is None:
                await self._questions.release(owner=run_id)
                break
            await self._questions.hand_over(run_id, reservation, [post.id for post in posts])
            request = {"custom_id": reservation, "method": "POST", "url": "/v1/chat/completions", "body": body}
            lines.append(json.dumps(request, ensure_ascii=False).encode("utf-8", "replace"))
            room -= len(lines[-1])
        left = await self._questions.forget_queued(run_id, free=True)
        async with self._questions.begin() as at:
            await self._questions.tally(at, run_id, posts_total=-left)
        log.warning("posts were left to another run: no money or no room for them", posts=left)
        return lines

    async def _wait(self, run_id: str, batch_id: str, report: Report) -> tuple[str, str | None]:
        client = self._analyst.client
        while True:
            batch = await self._analyst.reach(client.batches.retrieve(batch_id))
            if isinstance(batch, NoReply):
                return "failed" if batch.outcome is Outcome.REJECTED else "paused", batch.reason
            run = await self._questions.run(run_id) or {}
            counts = batch.request_counts
            share = (counts.completed + counts.failed) / counts.total if counts and counts.total else 0.0
            report(int(share * run["posts_total"]), run["posts_total"], run["cost_usd"])
            if batch.status in OVER or batch.status == "failed":
                break
            await asyncio.sleep(self._settings.analyzer_batch_poll_s)
        for name in (batch.output_file_id, batch.error_file_id):
            if name:
                content = await self._analyst.reach(client.files.content(name))
                if isinstance(content, NoReply):
                    return "paused", content.reason
                await self._read(content.content)
        await self._questions.release(run_id=run_id)
        await self._questions.cancel_calls(run_id, utcnow())
        if batch.status == "failed":
            return "failed", "the API refused the batch"
        return "answered", None

    async def _read(self, content: bytes) -> None:
        """Settle every line of a file of answers; what was settled before stays as it is."""
        for line in content.splitlines():
            try:
                answer = json.loads(line)
                custom_id, response = str(answer["custom_id"]), answer.get("response") or {}
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                continue
            if response.get("status_code") == 200:
                await self._settle(custom_id, reply_of(json.dumps(response.get("body"))))
            else:
                await self._questions.release(owner=custom_id)
            await asyncio.sleep(0)

    async def _settle(self, call_id: str, reply: Reply) -> None:
        call = await self._questions.call(call_id)
        if call is None:
            return
        bill = self._analyst.bill(reply, Requests(sent=1), int(call["reserved_nano"]))
        await self._questions.pay(call_id, bill_row(bill, utcnow()))
        places = await self._questions.held_by(call_id)
        names = [f"p{slot}" for slot in range(1, call["posts"] + 1)]
        reading = read(reply.content, reply.finish_reason, reply.refusal, names)
        parts = dict(zip(names, shares(bill.cost_nano, len(names)), strict=True))
        judged = []
        for slot, post_id in places.items():
            name = f"p{slot}"
            if name in reading.scores:
                judged.append(_scored(post_id, reading.scores[name], reply.model, parts[name]))
            elif reading.refused and len(names) == 1:
                judged.append(Judged(post_id, Outcome.REFUSED, reason="the model declined", model=reply.model))
        if judged:
            settled = await self._analysis.settle(call_id, judged)
            await self._telling.tell(settled)
        await self._questions.release(owner=call_id, alone=not (reading.cut or reading.refused))


def _scored(post_id: str, scores: Mapping[str, float], model: str, cost_nano: int) -> Judged:
    return Judged(post_id, Outcome.SCORED, dict(scores), model=model, cost_nano=cost_nano, asked=1)
