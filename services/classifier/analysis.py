"""Asks the LLM about what is queued: batches side by side, each in one process's hands, scored exactly once.

Invariant: an answer counts only for a question that is still ours, about a text that is still there. What cannot be
answered goes back, to the local score or to the dead letters, and the reason goes with it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from prometheus_client import Counter, Gauge

from services.classifier import prompts
from services.classifier.llm import Analyst, AnalystPost, Bill, Judged, Outcome
from services.classifier.llm_store import DEAD, QUEUED, REFUSED, SCORED, LlmStore, day_of, new_call
from services.classifier.policy import Breaker, Fallback, Mode, State, combined
from services.classifier.pricing import BATCH_DISCOUNT, affordable_share, nano, usd, worst
from services.classifier.records import llm_score_row, llm_version, post_of
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from services.classifier.telling import Telling, cause_of, event_id, reviewed
from shared.clock import monotonic, utcnow
from shared.errors import describe
from shared.ids import stable_id

log = structlog.get_logger("ombud.classifier")

ASKED = Counter("ombud_classifier_llm_posts", "Posts the LLM was asked about, by what became of them.", ["outcome"])
SPENT = Counter("ombud_classifier_llm_spent_usd", "What calls to the LLM cost, in USD.")
LEFT = Gauge("ombud_classifier_llm_budget_left_usd", "What is left of the day's budget for the LLM, in USD.")
BREAKER = Gauge("ombud_classifier_llm_breaker_open", "1 while the LLM is left alone after failures in a row.")

AHEAD = 2
"""Batches in our hands per call under way: while one waits for its answer the other is fetched or put away."""
LOOK_EVERY_S = 60.0
RETRY_AFTER_S = 240.0
"""Two waits of the client itself, two minutes each at most."""


@dataclass(frozen=True, slots=True)
class Identity:
    """By what model and prompt this process asks."""

    model: str
    prompt_hash: str

    def live_run(self) -> str:
        """Return the id of the run that counts what comes in live; one for each model and prompt."""
        return stable_id("analysis_run", "llm", self.model, self.prompt_hash)


def run_of(run_id: str, kind: str, settings: ClassifierSettings, now: datetime, who: str) -> dict[str, Any]:
    """Return a fresh run of the LLM as a row of analysis_runs."""
    prompt = prompts.prompt_hash()
    discount = BATCH_DISCOUNT if kind == "batch" else 1
    return {
        "id": run_id,
        "kind": kind,
        "state": "running",
        "model": settings.analyzer_model,
        "model_version": llm_version(settings.analyzer_model, prompt),
        "started_at": now,
        "posts_total": 0,
        "scored": 0,
        "flagged": 0,
        "cost_usd": 0.0,
        "who": who[:64],
        "model_requested": settings.analyzer_model,
        "prompt_hash": prompt,
        "batch_size": settings.analyzer_batch_size,
        "concurrency": settings.analyzer_concurrency,
        "retried": 0,
        "failed": 0,
        "dead_lettered": 0,
        "input_tokens": 0,
        "cached_tokens": 0,
        "output_tokens": 0,
        "cost_nano": 0,
        "price_in": float(settings.analyzer_price_in * discount),
        "price_out": float(settings.analyzer_price_out * discount),
    }


def bill_row(bill: Bill, now: datetime) -> dict[str, Any]:
    """Return what a settled call took as columns of its row."""
    return {
        "state": "settled",
        "ended_at": now,
        "model_answered": bill.model or None,
        "outcome": bill.outcome[:40],
        "input_tokens": bill.usage.input,
        "cached_tokens": bill.usage.cached,
        "output_tokens": bill.usage.output,
        "unanswered": bill.unanswered,
        "cost_nano": bill.cost_nano,
    }


class Till:
    """The day's money, in the database that all processes share."""

    def __init__(self, store: LlmStore, run_id: str, budget_nano: int, longest: timedelta) -> None:
        self._store = store
        self._run_id = run_id
        self._budget = budget_nano
        self._longest = longest
        self.refused = 0
        """What was asked for last and not there."""

    async def reserve(self, nano: int, posts: int) -> str | None:
        """Set money aside for a call; None when the day's budget does not hold that much any more."""
        call = new_call(self._run_id, nano, posts, utcnow(), self._longest)
        if await self._store.reserve(call, self._budget):
            return str(call["id"])
        self.refused = nano
        return None

    async def settle(self, reservation: str, bill: Bill) -> None:
        """Book what the call cost."""
        await self._store.pay(reservation, bill_row(bill, utcnow()))
        SPENT.inc(float(usd(bill.cost_nano)))


class Analysis:
    """The LLM's part of one process."""

    def __init__(
        self, llm_store: LlmStore, store: Store, telling: Telling, analyst: Analyst, settings: ClassifierSettings
    ) -> None:
        self._questions = llm_store
        self._store = store
        self._telling = telling
        self._analyst = analyst
        self._settings = settings
        self._breaker = Breaker(settings.analyzer_breaker_failures, settings.analyzer_breaker_pause_s)
        self._identity = Identity(settings.analyzer_model, prompts.prompt_hash())
        self._lease = timedelta(seconds=settings.analyzer_lease_s)
        self._workers: set[asyncio.Task[None]] = set()
        self._spent_on = ""
        self._looked = float("-inf")
        self.affordable = 1.0
        self.rejected = ""
        self._marked = ""

    @property
    def live_run(self) -> str:
        """Return the id of the run of what comes in live."""
        return self._identity.live_run()

    def obstacle(self) -> Fallback | None:
        """Return what keeps the LLM from being asked right now, as far as this process knows."""
        if self._spent_on == day_of(utcnow()):
            return Fallback.BUDGET
        return None if self._breaker.state is State.CLOSED else Fallback.BREAKER

    async def start(self) -> None:
        """Take over what waits, and look at the day's money once before anything is asked."""
        now = utcnow()
        async with self._questions.begin() as at:
            await self._questions.open_run(at, run_of(self.live_run, "llm", self._settings, now, "live"))
        await self._questions.adopt(self.live_run)
        await self.look(now)

    async def stop(self) -> None:
        """Stop asking; what was in our hands is asked again by whoever comes next."""
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._analyst.close()

    async def step(self) -> None:
        """Keep the books, say what was left unsaid, and see to it that enough workers ask about what is due."""
        now = utcnow()
        await self.look(now)
        await self._telling.tell()
        await self._stand_in(now)
        await self.employ(self.live_run, now)
        if self.rejected != self._marked:
            self._marked = self.rejected
            state = "failed" if self.rejected else "running"
            await self._questions.mark_run(self.live_run, state=state, error=self.rejected or None)

    async def _stand_in(self, now: datetime) -> None:
        """Let the local model speak for posts that would wait too long."""
        obstacle = self.obstacle()
        if obstacle is Fallback.BUDGET:
            await self._questions.drop_queued(self.live_run, obstacle.value, now)
        elif obstacle is Fallback.BREAKER and self._settings.asks is Mode.LLM:
            rows = await self._questions.without_local(self.live_run, 200)
            await self._telling.say_local(rows, obstacle.value)
            async with self._questions.begin() as at:
                await self._questions.settle(at, [{"post_id": row["post_id"], "scored_locally": True} for row in rows])

    async def employ(self, run_id: str, now: datetime) -> int:
        """Start as many workers as there are batches due, up to a limit; return how many work."""
        for task in [task for task in self._workers if task.done()]:
            self._workers.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("asking the LLM failed, will go on", error=describe(error))
        size, most = self._settings.analyzer_batch_size, AHEAD * self._settings.analyzer_concurrency
        if len(self._workers) < most and self.obstacle() is not Fallback.BUDGET:
            due = await self._questions.due(run_id, now, size * most)
            for _ in range(min(most - len(self._workers), -(-due // size))):
                self._workers.add(asyncio.create_task(self._work(run_id), name="llm worker"))
        return len(self._workers)

    async def _work(self, run_id: str) -> None:
        """Ask batch after batch until nothing is due or something is in the way."""
        owner = uuid4().hex
        till = Till(self._questions, run_id, nano(self._settings.analyzer_daily_budget), self._longest())
        while self._breaker.allows(monotonic()):
            rows = await self._questions.claim(owner, self._settings.analyzer_batch_size, utcnow(), self._lease, run_id)
            if not rows:
                self._breaker.not_used()
                return
            async with self._held(owner):
                asked = [AnalystPost(row["post_id"], row["text"], row["language"]) for row in rows]
                judged = await self._analyst.judge_batch(asked, till, last=rows[0]["alone"])
                self._note(judged)
                settled = await self.settle(owner, judged)
            if settled:
                await self._telling.tell(settled)
            if any(each.outcome is Outcome.BUDGET for each in judged):
                await self._look_at_money(till.refused)
                return
            if self.rejected:
                return

    def _longest(self) -> timedelta:
        tries = 1 + self._settings.analyzer_retries
        return AHEAD * timedelta(seconds=self._settings.analyzer_timeout_s * tries + RETRY_AFTER_S) + self._lease

    @asynccontextmanager
    async def _held(self, owner: str) -> AsyncIterator[None]:
        """Keep what is in our hands while the answer takes its time."""

        async def hold() -> None:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                await self._questions.keep(owner, utcnow() + self._lease)

        task = asyncio.create_task(hold())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _note(self, judged: Sequence[Judged]) -> None:
        """Tell the breaker how the API behaves; one alert when that changes."""
        outcomes = {each.outcome: each.reason for each in judged}
        failed = outcomes.get(Outcome.REJECTED) or outcomes.get(Outcome.LATER)
        if failed:
            hopeless = Outcome.REJECTED in outcomes
            if self._breaker.failed(monotonic(), hopeless=hopeless):
                log.error("the LLM is left alone for a while", reason=failed)
            self.rejected = failed if hopeless else ""
        elif Outcome.BUDGET in outcomes:
            self._breaker.not_used()
        else:
            self.rejected = ""
            if self._breaker.succeeded():
                log.info("the LLM answers again")
        BREAKER.set(self._breaker.state is not State.CLOSED)

    async def settle(self, owner: str, judged: Sequence[Judged]) -> list[str]:
        """Store what became of each post that is still ours; return the posts somebody has to be told about."""
        now, ids = utcnow(), [each.id for each in judged]
        thresholds = await self._telling.llm_thresholds()
        reviews = await self._store.reviews(ids)
        tally = {"scored": 0, "flagged": 0, "failed": 0, "dead_lettered": 0, "retried": 0}
        async with self._questions.begin() as at:
            mine = await self._questions.still_ours(at, owner, ids)
            together = [name for name, row in mine.items() if row["cascade"]]
            local = await self._questions.local_scores(at, together) if together else {}
            rows, values = [], []
            for each in judged:
                row = mine.get(each.id)
                if row is None:
                    continue
                if each.outcome is Outcome.SCORED:
                    score = self._score(row, each, local.get(each.id), thresholds, now)
                    rows.append(score | reviewed(reviews.get(each.id)))
                    tally["scored"] += 1
                    tally["flagged"] += score["flagged"]
                    values.append(
                        _settled(
                            each.id,
                            SCORED,
                            now,
                            row["attempts"],
                            source=score["source"],
                            version=score["model_version"],
                        )
                    )
                else:
                    values.append(self._unscored(row, each, now))
                state, tried = values[-1]["state"], each.asked > 1 or row["attempts"] > 0
                tally["retried"] += tried
                tally["failed"] += state in (REFUSED, DEAD)
                tally["dead_lettered"] += state == DEAD
                ASKED.labels(each.outcome.value).inc()
            await self._questions.save_scores(at, rows)
            await self._questions.settle(at, values)
            if mine:
                await self._questions.tally(at, next(iter(mine.values()))["run_id"], **tally)
        return [value["post_id"] for value in values if value["state"] != QUEUED]

    def _score(
        self,
        row: Mapping[str, Any],
        judged: Judged,
        local: Mapping[str, Any] | None,
        thresholds: Mapping[str, float],
        now: datetime,
    ) -> dict[str, Any]:
        post = post_of(row)
        known = {name: local[name] for name in judged.scores or {} if local and local[name] is not None}
        joined = combined(known if row["cascade"] else None, judged.scores or {}, self._settings.cascade_llm_error)
        score = llm_score_row(
            post,
            joined,
            model=self._identity.model,
            version=llm_version(judged.model or self._identity.model, self._identity.prompt_hash),
            prompt_hash=self._identity.prompt_hash,
            thresholds=thresholds,
            run_id=row["run_id"],
            cost_usd=float(usd(judged.cost_nano)),
            now=now,
        )
        return score | {"cause_id": event_id(cause_of(row, score, post))}

    def _unscored(self, row: Mapping[str, Any], judged: Judged, now: datetime) -> dict[str, Any]:
        """Return what becomes of a question without an answer."""
        name, reason, attempts = judged.id, judged.reason, row["attempts"]
        if judged.outcome is Outcome.REFUSED:
            return _settled(name, REFUSED, now, attempts, reason)
        if judged.outcome is Outcome.BUDGET:
            return _settled(name, QUEUED, now + timedelta(seconds=1), attempts, reason)
        attempts += 1
        if judged.outcome is Outcome.FAILED or attempts >= self._settings.analyzer_attempts:
            return _settled(name, DEAD, now, attempts, reason)
        pause = self._analyst.pause_s(attempts, judged.retry_after_s)
        return _settled(name, QUEUED, now + timedelta(seconds=pause), attempts, reason)

    # -- money ----------------------------------------------------------------------------------------------

    async def look(self, now: datetime) -> None:
        """Look at the day's money; once a minute also at lost calls and at how much there is to pay for."""
        await self._look_at_money()
        if monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = monotonic()
        if lost := await self._questions.give_up_calls(now):
            log.warning("calls to the LLM whose process stopped count at their worst price", count=lost)
        seen, each = await self._questions.traffic(now - timedelta(days=1))
        self.affordable = affordable_share(nano(self._settings.analyzer_daily_budget), seen, each)

    async def _look_at_money(self, refused: int = 0) -> None:
        """Note whether the day's budget is used up: nothing is under way, and no call fits any more.

        `refused` is what a call could not set aside. What others had set aside then may be back by now.
        """
        day = day_of(utcnow())
        spent, reserved = await self._questions.day(day)
        left = nano(self._settings.analyzer_daily_budget) - spent
        LEFT.set(float(usd(left - reserved)))
        if self._spent_on != day and (left < self._least() or (reserved == 0 and left < refused)):
            self._spent_on = day
            log.error("the day's budget for the LLM is used up", spent_usd=float(usd(spent)))

    def _least(self) -> int:
        """Return what the smallest call has to set aside."""
        body = self._analyst.body([AnalystPost("", "")])
        once = worst(prompts.size(body), 1, self._analyst.prices)
        return once * (1 + self._settings.analyzer_retries)


def _settled(
    name: str,
    state: str,
    due: datetime,
    attempts: int,
    reason: str = "",
    *,
    source: str | None = None,
    version: str | None = None,
) -> dict[str, Any]:
    return {
        "post_id": name,
        "state": state,
        "reason": reason[:100] or None,
        "owner": None,
        "leased_until": None,
        "due_at": due,
        "attempts": attempts,
        "source": source,
        "model_version": version,
    }
