"""Talks to an LLM behind OpenAI's chat completions, and to nothing else.

Invariant: no call is made whose worst case was not reserved first, and every call is settled, also one that was cut
off: what may have been billed counts as billed. The key goes into the client and nowhere else.
"""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from services.classifier import prompts
from services.classifier.answers import read
from services.classifier.pricing import Prices, Usage, cost, output_limit, shares, usage_of, worst
from services.classifier.settings import ClassifierSettings
from shared.bus.commit import backoff_s

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

LONGEST_RETRY_AFTER_S = 120.0
"""What the client itself waits at most between its own tries."""
WORDY = ("openai", "httpx2", "httpcore2")
"""Loggers that would quote requests if somebody asked them to."""


class Outcome(StrEnum):
    """What became of a post."""

    SCORED = "scored"
    REFUSED = "refused"
    FAILED = "failed"
    LATER = "later"
    BUDGET = "budget"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class AnalystPost:
    """A post to be judged; `text` is raw, names are taken out on the way."""

    id: str
    text: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The LLM's word on a post, or why there is none. `rationale` may quote the post: it is stored nowhere."""

    id: str
    outcome: Outcome
    scores: dict[str, float] | None = None
    rationale: str = field(default="", repr=False)
    reason: str = ""
    model: str = ""
    cost_nano: int = 0
    retry_after_s: float = 0.0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Bill:
    """What one call took. `unanswered` requests may have been billed and count at the worst price."""

    usage: Usage
    cost_nano: int
    unanswered: int
    model: str
    outcome: str


class Purse(Protocol):
    """Where the money for calls comes from."""

    async def reserve(self, nano: int, posts: int) -> str | None:
        """Set money aside for a call; None when there is not enough."""

    async def settle(self, reservation: str, bill: Bill) -> None:
        """Pay what the call cost and give the rest back."""


class Wallet:
    """Money in memory, for whoever asks without a database; `budget_nano` None is no limit."""

    def __init__(self, budget_nano: int | None = None) -> None:
        self.budget_nano = budget_nano
        self.spent_nano = 0
        self.usage = Usage()
        self.calls = 0
        self._reserved: dict[str, int] = {}

    async def reserve(self, nano: int, posts: int) -> str | None:
        """Set money aside for a call; None when there is not enough."""
        taken = self.spent_nano + sum(self._reserved.values())
        if self.budget_nano is not None and taken + nano > self.budget_nano:
            return None
        self.calls += 1
        name = str(self.calls)
        self._reserved[name] = nano
        return name

    async def settle(self, reservation: str, bill: Bill) -> None:
        """Pay what the call cost and give the rest back."""
        del self._reserved[reservation]
        self.spent_nano += bill.cost_nano
        self.usage += bill.usage


@dataclass
class Requests:
    """The HTTP requests of one call: the client may repeat it."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: what to read, and whose it is."""

    content: str | None
    finish_reason: str | None
    refusal: str | None
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class NoReply:
    """Why there is no answer, in words that quote nothing."""

    outcome: Outcome
    reason: str
    retry_after_s: float = 0.0


REQUESTS: ContextVar[Requests] = ContextVar("requests")


async def _sent(_: Any) -> None:
    if (requests := REQUESTS.get(None)) is not None:
        requests.sent += 1


async def _answered(response: Any) -> None:
    if (requests := REQUESTS.get(None)) is not None and response.status_code >= 300:
        requests.failed += 1


def connect(settings: ClassifierSettings) -> "openai.AsyncOpenAI":
    """Return the client. Raises RuntimeError without a key."""
    import openai  # half a second that an installation without a key need not wait

    if settings.openai_api_key is None:
        raise RuntimeError("no key: set OPENAI_API_KEY")
    for name in WORDY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return openai.AsyncOpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        max_retries=settings.analyzer_retries,
        timeout=settings.analyzer_timeout_s,
        http_client=openai.DefaultAsyncHttpxClient(
            event_hooks={"request": [_sent], "response": [_answered]},
            timeout=settings.analyzer_timeout_s,
            follow_redirects=False,  # whom the operator named gets the posts, nobody whom that one names
        ),
    )


class Analyst:
    """Judges posts in batches. One per process: it holds a pool of connections, which `close` gives back."""

    def __init__(self, settings: ClassifierSettings, *, prices: Prices | None = None) -> None:
        self.settings = settings
        self.prices = prices or settings.prices
        self._client: openai.AsyncOpenAI | None = None
        self._turn = asyncio.Semaphore(settings.analyzer_concurrency)

    @property
    def client(self) -> "openai.AsyncOpenAI":
        """Return the client, made when it is needed first."""
        if self._client is None:
            self._client = connect(self.settings)
        return self._client

    async def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def judge(self, posts: Sequence[AnalystPost], purse: Purse | None = None) -> list[Judged]:
        """Judge any number of posts, batches side by side, and return one word on each in the same order.

        Ids have to differ. A failing call is tried again with growing pauses; nothing is stored, and without a `purse`
        the day's budget is what this one call may spend.
        """
        wallet = purse or Wallet(int(self.settings.analyzer_daily_budget * 1_000_000_000))
        turn = asyncio.Semaphore(self.settings.analyzer_concurrency)
        size = self.settings.analyzer_batch_size

        async def one(some: Sequence[AnalystPost]) -> list[Judged]:
            async with turn:
                return await self._patiently(some, wallet)

        batches = [posts[start : start + size] for start in range(0, len(posts), size)]
        return [each for judged in await asyncio.gather(*map(one, batches)) for each in judged]

    async def _patiently(self, posts: Sequence[AnalystPost], purse: Purse) -> list[Judged]:
        found: dict[str, Judged] = {}
        for attempt in range(1, self.settings.analyzer_attempts + 1):
            left = [post for post in posts if post.id not in found or found[post.id].outcome is Outcome.LATER]
            judged = await self.judge_batch(left, purse)
            found |= {each.id: each for each in judged}
            later = [each for each in judged if each.outcome is Outcome.LATER]
            if not later or attempt == self.settings.analyzer_attempts:
                break
            await asyncio.sleep(self.pause_s(attempt, max(each.retry_after_s for each in later)))
        return [found[post.id] for post in posts]

    def pause_s(self, attempt: int, retry_after_s: float) -> float:
        """Return how long to wait after failed try number `attempt`, at least what the API asked for."""
        base, limit = self.settings.analyzer_backoff_base_s, self.settings.analyzer_backoff_limit_s
        return max(backoff_s(attempt, base, limit, random.random()), retry_after_s)  # noqa: S311 - spreads tries

    async def judge_batch(self, posts: Sequence[AnalystPost], purse: Purse, *, last: bool = False) -> list[Judged]:
        """Judge one batch with every repair the answer table asks for, and return one word on each in the same order.

        What came out well is kept. An unusable result is asked for once more alone, unless this is the `last` time; an
        answer that is cut off or declines is asked for in halves, down to one post.
        """
        found: dict[str, Judged] = {}
        paid = dict.fromkeys((post.id for post in posts), 0)
        asked = dict.fromkeys(paid, 0)
        work = deque([(list(posts), last)])
        while work:
            some, final = work.popleft()
            reply, price = await self._ask(some, purse)
            for post, part in zip(some, shares(price, len(some)), strict=True):
                paid[post.id] += part
                asked[post.id] += 1
            if isinstance(reply, NoReply):
                for post in [*some, *(each for rest, _ in work for each in rest)]:
                    found[post.id] = Judged(
                        post.id, reply.outcome, reason=reply.reason, retry_after_s=reply.retry_after_s
                    )
                break
            names = {f"p{n}": post for n, post in enumerate(some, 1)}
            reading = read(reply.content, reply.finish_reason, reply.refusal, list(names))
            for name, scores in reading.scores.items():
                post = names[name]
                found[post.id] = Judged(post.id, Outcome.SCORED, scores, reading.rationales[name], model=reply.model)
            again = [names[name] for name in reading.again]
            if reading.refused and len(some) == 1:
                found[some[0].id] = Judged(some[0].id, Outcome.REFUSED, reason="the model declined", model=reply.model)
            elif (reading.refused or reading.cut) and len(some) > 1:
                half = (len(some) + 1) // 2
                work.extend([(some[:half], final), (some[half:], final)])
            elif final:
                why = "the answer was cut off" if reading.cut else "the answer did not fit the schema"
                found |= {post.id: Judged(post.id, Outcome.FAILED, reason=why, model=reply.model) for post in again}
            else:
                work.extend(([post], True) for post in again)
        return [_with_cost(found[post.id], paid[post.id], asked[post.id]) for post in posts]

    async def _ask(self, posts: Sequence[AnalystPost], purse: Purse) -> tuple[Reply | NoReply, int]:
        """Make one call (which the client may repeat) and return the answer with what it cost, in nanodollars."""
        body = self.body(posts)
        once = worst(prompts.size(body), len(posts), self.prices)
        reservation = await purse.reserve(once * (1 + self.settings.analyzer_retries), len(posts))
        if reservation is None:
            return NoReply(Outcome.BUDGET, "the day's budget is used up"), 0
        requests = Requests()
        marked = REQUESTS.set(requests)
        reply: Reply | NoReply = NoReply(Outcome.LATER, "stopped while asking")
        bill = None
        try:
            async with self._turn:
                reply = await self._call(body)
        finally:
            REQUESTS.reset(marked)
            bill = self.bill(reply, requests, once)
            await purse.settle(reservation, bill)
        return reply, bill.cost_nano

    def body(self, posts: Sequence[AnalystPost]) -> dict[str, Any]:
        """Return the body of the call that asks about `posts`."""
        asked = prompts.questions([(post.text, post.language) for post in posts])
        return prompts.body(self.settings.analyzer_model, asked, output_limit(len(posts)))

    def bill(self, reply: Reply | NoReply, requests: Requests, once: int) -> Bill:
        """Return what a call took: the tokens of its answer, and the worst for each request nobody answered."""
        if isinstance(reply, NoReply):
            unanswered = max(requests.sent - requests.failed, 0)
            return Bill(Usage(), unanswered * once, unanswered, "", reply.reason)
        unanswered = max(requests.sent - requests.failed - 1, 0)
        counted = reply.usage != Usage()  # an API that counts no tokens may ask any price
        price = cost(reply.usage, self.prices) if counted else once
        return Bill(reply.usage, price + unanswered * once, unanswered, reply.model, "answered")

    async def _call(self, body: Mapping[str, Any]) -> Reply | NoReply:
        # the named method looks through the whole body for parameters to rename, which takes longer than to send it
        raw = await self.reach(self.client.post("/chat/completions", cast_to=str, body=body))
        return raw if isinstance(raw, NoReply) else reply_of(raw)

    async def reach(self, work: Awaitable[T]) -> T | NoReply:
        """Wait for something the client does; an error of the API or of the way there becomes a NoReply."""
        import openai

        try:
            return await work
        except openai.APIStatusError as error:
            return refusal_of(error.status_code, error.code, error.response.headers.get("retry-after"))
        except openai.APIConnectionError as error:
            return NoReply(Outcome.LATER, f"no answer ({type(error).__name__})")


def reply_of(text: str) -> Reply:
    """Return a chat completion as it matters; what is none reads as one that was cut off."""
    try:
        document = json.loads(text)
        choice = document["choices"][0]
        message = choice["message"]
        return Reply(
            message.get("content"),
            choice.get("finish_reason"),
            message.get("refusal"),
            str(document.get("model") or "")[:50],
            usage_of(document.get("usage")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Reply(None, "length", None, "", Usage())


def refusal_of(status: int, code: str | None, retry_after: str | None) -> NoReply:
    """Return what an error status means: wait and try again, or stop, because asking again changes nothing."""
    try:
        wait = min(max(float(retry_after or 0), 0.0), LONGEST_RETRY_AFTER_S)
    except ValueError:
        wait = 0.0
    if code == "insufficient_quota":
        return NoReply(Outcome.REJECTED, "HTTP 429: no money left at the provider")
    if status in (408, 409, 429) or status >= 500:
        return NoReply(Outcome.LATER, f"HTTP {status}", wait)
    return NoReply(Outcome.REJECTED, f"HTTP {status}")


def _with_cost(judged: Judged, paid: int, asked: int) -> Judged:
    return Judged(
        judged.id,
        judged.outcome,
        judged.scores,
        judged.rationale,
        judged.reason,
        judged.model,
        paid,
        judged.retry_after_s,
        asked,
    )
