"""Backfills through the Batch API: half the price, the same repairs, resumable by the batch's id."""

from decimal import Decimal
from typing import Any

from services.classifier.policy import Mode
from services.classifier.pricing import BATCH_DISCOUNT, cost, nano, usage_of
from shared.vocabulary import ScoreSource
from tests.integration.llm.conftest import Begin
from tests.support.kit import post
from tests.support.llm import Asker, spent_nano
from tests.support.openai_server import OpenAiServer, Reply, results


def silent(done: int, total: int, usd: float) -> None:
    assert 0 <= done <= total and usd >= 0


async def with_posts(begin: Begin, count: int, **changed: Any) -> Asker:
    """Start a classifier that scored some posts locally."""
    asker = await begin(mode=Mode.LOCAL, analyzer_batch_poll_s=0.05, **changed)
    await asker.hear(*(post(n, f"post {n}{', you fool' if n == 7 else ''}") for n in range(count)))
    return asker


async def by_llm(asker: Asker) -> list[Any]:
    return [score for score in await asker.said() if score.source is ScoreSource.LLM]


async def test_a_batch_scores_every_post_once_at_half_the_price(begin: Begin, api: OpenAiServer) -> None:
    api.polls_until_done = 3
    asker = await with_posts(begin, 47)
    run = await asker.backfill.analyze(silent, batch=True, who="the tests")
    assert (run["state"], run["scored"], run["flagged"]) == ("finished", 47, 1)
    assert len(await by_llm(asker)) == 47
    assert api.requests == [], "nothing was asked at once"
    (batch,) = api.batches.values()
    assert batch["request_counts"]["total"] == 5
    prices = asker.settings.prices.times(BATCH_DISCOUNT)
    assert spent_nano(await asker.rows("calls")) == sum(cost(usage_of(bill), prices) for bill in api.bills)
    (day,) = await asker.rows("days")
    assert (day["reserved_nano"], day["spent_nano"]) == (0, spent_nano(await asker.rows("calls")))
    (row,) = [row for row in await asker.rows("runs") if row["kind"] == "batch"]
    assert (row["batch_id"], row["price_out"]) == (batch["id"], 0.3)


async def test_what_a_batch_leaves_is_asked_at_once(begin: Begin, api: OpenAiServer) -> None:
    def script(asked: list[dict[str, Any]], number: int) -> Reply | None:
        if api.requests:
            return None
        return {
            1: Reply(results=lambda told: [each for each in results(told) if each["id"] != "p3"]),
            2: Reply(finish_reason="length"),
            3: Reply(status=500),
            4: Reply(results=lambda told: results(told)[::-1]),
        }.get(number)

    api.script = script
    asker = await with_posts(begin, 50)
    run = await asker.backfill.analyze(silent, batch=True)
    assert (run["state"], run["scored"], run["failed"]) == ("finished", 50, 0)
    said = await by_llm(asker)
    assert len({score.post.post_id for score in said}) == len(said) == 50
    assert {score.post.text for score in said if score.flagged} == {"post 7, you fool"}
    assert sorted(len(asked) for asked in _asked(api)) == [1, 10, 10]


def _asked(api: OpenAiServer) -> list[list[str]]:
    from tests.support.openai_server import posts_of

    return [[each["text"] for each in posts_of(request)] for request in api.requests]


async def test_a_run_that_stopped_while_it_waited_goes_on_with_the_same_batch(begin: Begin, api: OpenAiServer) -> None:
    asker = await with_posts(begin, 20)
    run_id = await asker.backfill._begin("batch", 0, "")
    made = await asker.bulk._send(run_id)
    assert isinstance(made, str)
    again = await begin(mode=Mode.LOCAL, analyzer_batch_poll_s=0.05)
    run = await again.backfill.analyze(silent, batch=True)
    assert (run["id"], run["state"], run["scored"]) == (run_id, "finished", 20)
    assert list(api.batches) == [made], "no second batch was made"
    assert len(await by_llm(asker)) == 20


async def test_a_run_that_stopped_before_its_batch_was_made_gives_everything_back(
    begin: Begin, api: OpenAiServer
) -> None:
    asker = await with_posts(begin, 20)
    run_id = await asker.backfill._begin("batch", 0, "")
    assert len(await asker.bulk._lines(run_id)) == 2
    again = await begin(mode=Mode.LOCAL, analyzer_batch_poll_s=0.05)
    run = await again.backfill.analyze(silent, batch=True)
    assert (run["id"], run["state"], run["scored"]) == (run_id, "finished", 20)
    (day,) = await asker.rows("days")
    assert day["reserved_nano"] == 0


async def test_a_post_that_is_edited_while_the_batch_runs_gets_no_score_of_its_old_text(
    begin: Begin, api: OpenAiServer
) -> None:
    asker = await with_posts(begin, 10)
    run_id = await asker.backfill._begin("batch", 0, "")
    await asker.bulk._send(run_id)
    old = post(7)
    newer = old.data.post.model_copy(update={"revision": 9, "text": "how kind"})
    await asker.hear(old.model_copy(update={"id": "0" * 36, "data": old.data.model_copy(update={"post": newer})}))
    run = await asker.backfill.analyze(silent, batch=True)
    assert (run["state"], run["scored"], run["flagged"]) == ("finished", 9, 0)
    texts = {score.post.text for score in await by_llm(asker)}
    assert texts == {f"post {n}" for n in range(10) if n != 7}


async def test_a_batch_is_no_larger_than_the_days_money(begin: Begin, api: OpenAiServer) -> None:
    asker = await with_posts(begin, 60, analyzer_daily_budget=Decimal("0.005"))
    run = await asker.backfill.analyze(silent, batch=True)
    assert run["state"] == "finished"
    assert 0 < run["scored"] == run["posts_total"] < 60
    assert spent_nano(await asker.rows("calls")) <= nano(Decimal("0.005"))


async def test_a_refused_key_fails_the_run(begin: Begin, api: OpenAiServer) -> None:
    asker = await with_posts(begin, 10)
    api.script = lambda *_: Reply(status=401)
    run = await asker.backfill.analyze(silent)
    assert (run["state"], run["error"]) == ("failed", "HTTP 401")
    api.script = None
    mended = await begin(mode=Mode.LOCAL)
    run = await mended.backfill.analyze(silent)
    assert (run["state"], run["scored"]) == ("finished", 10)
