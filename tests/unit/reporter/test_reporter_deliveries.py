"""Deliveries to a scripted AVID over real HTTP: what may have arrived is never sent again by itself."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from services.reporter.announced import report_completed, report_submitted
from services.reporter.avid import AvidReport
from services.reporter.avid_export import Origin
from services.reporter.delivery import Answer, Reached, kept, receipt_of, settle
from services.reporter.report import Judgement, Person
from services.reporter.reviewing import Reviewing
from services.reporter.sending import Sender
from services.reporter.settings import ReporterSettings
from services.reporter.submitting import Submitting
from services.reporter.tables import deliveries, reports
from services.reporter.writing import Writing
from shared.embedded import free_port
from shared.errors import Problem
from shared.vocabulary import DeliveryState
from tests.support.servers import eventually
from tests.unit.reporter.conftest import Avid, Reporter, Say, open_reporter, settings

UUID = "0b1f3c9e-2a55-4b7e-9d0a-3f5d1c2b4a69"
ME = Person("me")
SLOWLY = {"avid_backoff_base_s": 0.5, "avid_backoff_limit_s": 0.5}
"""Pauses in which a busy machine, too, sees a delivery wait."""
TRACE = {"correlation_id": "corr", "traceparent": None}


class Post:
    """One completed report on its way to AVID."""

    def __init__(self, reporter: Reporter, config: ReporterSettings) -> None:
        sinks = ["avid"] if config.avid_submit_url else []
        self.reporter = reporter
        self.sender = Sender(reporter.store, config)
        self.writing = Writing(reporter.store, Origin("d", "o", "l", "https://ombud.example"), None)
        self.submitting = Submitting(reporter.store, sinks, config.avid_daily, config.avid_daily_of_all)
        self.id = ""

    async def complete(self) -> "Post":
        """Write and complete a report about post `a`, and hear that it is complete."""
        values = {"title": "T", "error_type": "E", "audit_category": "other", "summary": "S", "sep": []}
        self.id = await self.writing.begin(ME, values, ["a"], {"a": Judgement.NOT_TOXIC}, {})
        await self.writing.complete(self.id, 1, ME, None, send=True, **TRACE)
        await self.hear_complete()
        return self

    async def hear_complete(self) -> None:
        """Hear what the table announces."""
        async with self.reporter.store.read() as connection:
            row = (await connection.execute(select(reports).where(reports.c.id == self.id))).one()
        await self.reporter.handlers.on_report_completed(report_completed(row))

    async def row(self) -> Any:
        """Return the delivery."""
        async with self.reporter.store.read() as connection:
            return (await connection.execute(select(deliveries))).one_or_none()

    async def send(self, times: int = 1) -> Any:
        """Let the sender try what is due, several times with a pause, and return the delivery."""
        for _ in range(times):
            await self.sender.send_due()
            await asyncio.sleep(0.03)
        return await self.row()

    async def ended(self) -> Any:
        """Let the sender try what is due until nothing waits for another try, and return the delivery."""

        async def tried() -> Any:
            row = await self.send()
            return row if row.state != DeliveryState.QUEUED else None

        return await eventually(tried)

    async def change(self, **values: Any) -> None:
        """Change the delivery behind everybody's back."""
        async with self.reporter.store.begin() as connection:
            await connection.execute(update(deliveries).values(**values))


@pytest.fixture
async def sending(tmp_path: Path, say: Say) -> AsyncIterator[Reporter]:
    async with open_reporter(tmp_path / "sending.sqlite3", ("avid",)) as made:
        await made.hear(say.scored("a", 0.9, text="first words"))
        yield made


async def test_a_uuid_is_a_receipt(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url + "/", avid_api_key="hunter2")).complete()
    row = await post.send()
    assert (row.state, row.receipt, row.attempts, row.reason) == ("sent", UUID, 1, None)
    [(line, headers, body)] = avid.got
    assert (line, headers["authorization"], headers["content-type"]) == ("POST /submit", "hunter2", "application/json")
    assert orjson.loads(body)["metrics"][0]["results"]["rows"][0]["system_rating"] == "0.9"
    await post.send(2)
    assert len(avid.got) == 1


async def test_numbers_are_sent_as_numbers_if_wanted(sending: Reporter, avid: Avid) -> None:
    avid.answer(201, UUID)
    post = await Post(sending, settings(avid_api_url=avid.url, avid_decimals_as_text=False)).complete()
    assert (await post.send()).state == "sent"
    AvidReport.model_validate_json(avid.got[0][2])
    assert "authorization" not in avid.got[0][1]


async def test_a_server_error_is_tried_again(sending: Reporter, avid: Avid) -> None:
    avid.answer(500, "broken")
    avid.answer(429, "slowly")
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url, **SLOWLY)).complete()
    first = await post.send()
    assert (first.state, first.reason, first.finished_at) == ("queued", "answered 500", None)
    row = await post.ended()
    assert (row.state, row.receipt, row.attempts) == ("sent", UUID, 3)
    assert len({body for _, _, body in avid.got}) == 1


async def test_errors_end_after_the_last_try(sending: Reporter, avid: Avid) -> None:
    avid.answer(503, "down")
    post = await Post(sending, settings(avid_api_url=avid.url, avid_attempts=2)).complete()
    row = await post.ended()
    assert (row.state, row.attempts, row.reason) == ("failed", 2, "answered 503 at try 2 of 2")
    assert len(avid.got) == 2


async def test_a_refusal_is_final(sending: Reporter, avid: Avid) -> None:
    avid.answer(400, "the key hunter2 is wrong")
    post = await Post(sending, settings(avid_api_url=avid.url, avid_api_key="hunter2")).complete()
    row = await post.send(3)
    assert (row.state, row.attempts, row.answer) == ("failed", 1, "the key [key] is wrong")
    assert len(avid.got) == 1


async def test_an_answer_that_is_no_uuid_is_unknown_and_not_sent_again(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, "thank you" + "!" * 5000)
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    row = await post.send(3)
    assert (row.state, row.receipt, len(row.answer)) == ("unknown", None, 2000)
    assert len(avid.got) == 1


async def test_no_answer_after_sending_is_unknown_and_not_sent_again(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"', after_s=0.6)
    post = await Post(sending, settings(avid_api_url=avid.url, avid_timeout_s=0.3)).complete()
    row = await post.send(3)
    assert (row.state, row.receipt, row.attempts) == ("unknown", None, 1)
    assert "may have arrived" in row.reason
    assert len(avid.got) == 1
    await asyncio.sleep(0.5)  # the scripted server ends its answer


async def test_nobody_there_is_tried_again(sending: Reporter, avid: Avid) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    post = await Post(sending, settings(avid_api_url=url, avid_attempts=3, **SLOWLY)).complete()
    first = await post.send()
    assert (first.state, first.reason) == ("queued", "no connection (ConnectError)")
    assert (await post.ended()).state == "failed"


async def test_a_redirect_is_not_followed(sending: Reporter, avid: Avid) -> None:
    avid.answer(307, "elsewhere")
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    assert (await post.send()).state == "failed"


async def test_without_an_address_nothing_is_queued(tmp_path: Path, say: Say) -> None:
    async with open_reporter(tmp_path / "quiet.sqlite3") as reporter:
        await reporter.hear(say.scored("a"))
        post = await Post(reporter, settings()).complete()
        assert await post.send() is None
        assert AvidReport.model_validate_json(orjson.dumps(await post.writing.export(post.id, ME)))
        with pytest.raises(Problem) as refused:
            await post.submitting.send_again(post.id, ME)
        assert refused.value.reason == "no_sink"


async def test_hearing_of_a_report_again_queues_it_once(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    await post.send()
    await post.hear_complete()
    assert (await post.send()).state == "sent"
    assert len(avid.got) == 1


async def test_two_senders_send_once(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"', after_s=0.1)
    config = settings(avid_api_url=avid.url)
    post = await Post(sending, config).complete()
    tries = await asyncio.gather(*(Sender(sending.store, config).send_due() for _ in range(5)))
    assert sum(tries) == len(avid.got) == 1
    assert (await post.row()).state == "sent"


async def test_a_sender_that_is_gone_leaves_an_unknown_outcome(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    now = datetime.now(UTC)
    await post.change(state="sending", owner="somebody", lease_until=now + timedelta(seconds=30), attempts=1)
    await post.sender()
    assert (await post.row()).state == "sending"  # its sender may still be at it
    await post.change(lease_until=now - timedelta(seconds=1))
    await post.sender()
    await post.sender.stop()
    row = await post.row()
    assert (row.state, row.owner) == ("unknown", None)
    assert row.finished_at is not None
    assert avid.got == []


async def test_stopping_while_sending_leaves_an_unknown_outcome(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"', after_s=0.4)
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    await post.sender()
    while not avid.got:
        await asyncio.sleep(0.01)
    await post.sender.stop()
    assert (await post.row()).state == "unknown"
    await asyncio.sleep(0.4)


async def test_a_person_may_send_again_what_ended_badly_and_the_end_is_said_anew(sending: Reporter, avid: Avid) -> None:
    avid.answer(400, "no")
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    failed = await post.send()
    [said] = report_submitted(failed)
    assert (said.data.state, said.correlationid) == (DeliveryState.FAILED, "corr")
    assert report_submitted(failed)[0].id == said.id
    with pytest.raises(Problem) as early:
        await post.submitting.send_again(post.id, ME)
    assert early.value.reason == "not_ended"  # its failure was not announced yet
    await post.change(announced_at=datetime.now(UTC))
    await post.submitting.send_again(post.id, ME)
    row = await post.send()
    assert (row.state, row.receipt, row.attempts, row.announced_at) == ("sent", UUID, 1, None)
    [again] = report_submitted(row)
    assert again.id != said.id
    with pytest.raises(Problem):
        await post.submitting.send_again(post.id, ME)


async def test_a_report_completed_before_avid_was_configured_can_be_sent_later(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    post = Post(sending, settings(avid_api_url=avid.url))
    sending.handlers = type(sending.handlers)(sending.store)
    await post.complete()
    assert await post.row() is None
    for _ in range(2):  # asking again for the same version sends nothing twice
        await post.submitting.submit(post.id, 2, ME, **TRACE)
    assert (await post.send()).state == "sent"


async def test_a_receipt_is_noted_on_the_report(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    said = report_submitted(await post.send())
    await sending.handlers.on_report_submitted(said)
    old = said[0].model_copy(
        update={
            "data": said[0].data.model_copy(
                update={
                    "receipt": None,
                    "state": DeliveryState.FAILED,
                    "submitted_at": said[0].data.submitted_at - timedelta(seconds=1),
                }
            )
        }
    )
    await sending.handlers.on_report_submitted([old])
    async with sending.store.read() as connection:
        row = await sending.store.report(connection, post.id, ME)
    assert row is not None
    assert (row.receipt, row.receipt_state) == (UUID, "sent")


async def test_what_avid_answered_is_forgotten_when_a_post_is_deleted(sending: Reporter, avid: Avid, say: Say) -> None:
    avid.answer(400, "we do not like: first words")
    post = await Post(sending, settings(avid_api_url=avid.url)).complete()
    assert "first words" in (await post.send()).answer
    await sending.hear(say.deleted("a"))
    assert "first words" not in await sending.everything()


async def test_the_key_and_the_text_reach_no_log(
    sending: Reporter, avid: Avid, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    avid.answer(403, "hunter2 first words")
    post = await Post(sending, settings(avid_api_url=avid.url, avid_api_key="hunter2")).complete()
    await post.send()
    printed = capsys.readouterr()
    seen = caplog.text + printed.out + printed.err
    assert "403" in seen
    assert "hunter2" not in seen
    assert "first words" not in seen


@pytest.mark.parametrize(
    ("text", "receipt"),
    [
        (f'"{UUID}"', UUID),
        (f" {UUID.upper()}\n", UUID),
        ("{}", None),
        ("", None),
        ("123", None),
        (f'{{"uuid": "{UUID}"}}', None),
        ('"not-a-uuid"', None),
    ],
)
def test_only_a_uuid_is_a_receipt(text: str, receipt: str | None) -> None:
    assert receipt_of(text) == receipt


def test_what_an_answer_means() -> None:
    def means(reached: Reached, status: int = 0, text: str = "", attempt: int = 1) -> str:
        return settle(Answer(reached, "why", status, text), attempt=attempt, attempts=3).state.value

    assert means(Reached.UNCLEAR) == "unknown"
    assert [means(Reached.NOT_SENT, attempt=n) for n in (1, 3)] == ["queued", "failed"]
    assert [means(Reached.ANSWERED, status) for status in (429, 500, 599)] == ["queued"] * 3
    assert [means(Reached.ANSWERED, status) for status in (301, 400, 401, 404, 422)] == ["failed"] * 5
    assert means(Reached.ANSWERED, 204, UUID) == "sent"


def test_an_answer_is_kept_short_and_without_the_key() -> None:
    assert kept("a\x00 key " + "x" * 5000, "key")[:9] == "a [key] x"
    assert len(kept("x" * 5000, None)) == 2000


async def reviewed(post: Post, config: ReporterSettings) -> Any:
    """Ask the editors once, as if it were time, and return the delivery."""
    await post.change(review_due_at=datetime.now(UTC) - timedelta(seconds=1))
    await Reviewing(post.reporter.store, config)()
    return await post.row()


async def test_the_editors_word_is_asked_for_ever_more_rarely(sending: Reporter, avid: Avid) -> None:
    avid.answer(200, f'"{UUID}"')
    for status, text in ((200, '"draft"'), (503, "down"), (200, '{"status": "pub\\u0000lished"}'), (200, "[]")):
        avid.answer(status, text)
    config = settings(avid_api_url=avid.url, avid_api_key="hunter2")
    post = await Post(sending, config).complete()
    sent = await post.send()
    assert sent.review_due_at - sent.finished_at == timedelta(hours=1)
    assert await Reviewing(sending.store, config)() == 0, "it is not time yet"
    first = await reviewed(post, config)
    line, headers, body = avid.got[-1]
    assert (line, headers["authorization"], body) == (f"GET /review/{UUID}/status", "hunter2", b"")
    assert (first.review_status, first.state) == ("draft", "sent")
    assert timedelta(minutes=59) < first.review_due_at - first.review_asked_at < timedelta(minutes=61)
    assert (await reviewed(post, config)).review_status == "draft", "a failure says nothing"
    assert (await reviewed(post, config)).review_status == "published"
    assert (await reviewed(post, config)).review_status == "published", "what is no word is none"
    await post.change(finished_at=datetime.now(UTC) - timedelta(days=3))
    later = await reviewed(post, config)
    assert timedelta(days=2.9) < later.review_due_at - later.review_asked_at < timedelta(days=3.1)
    await post.change(finished_at=datetime.now(UTC) - timedelta(days=400))
    assert (await reviewed(post, config)).review_due_at is None


async def test_nobody_is_asked_about_what_did_not_arrive(sending: Reporter, avid: Avid) -> None:
    avid.answer(400, "no")
    config = settings(avid_api_url=avid.url)
    post = await Post(sending, config).complete()
    assert (await post.send()).review_due_at is None
    await reviewed(post, config)
    assert len(avid.got) == 1


@pytest.mark.parametrize("path", ["review/status", "review/{uuid}/{uuid}", "../{uuid}", "https://evil.example/{uuid}"])
def test_a_path_of_reviews_names_the_receipt_once(path: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        settings(avid_review_path=path)


def test_an_installation_that_must_not_ask_does_not(avid: Avid) -> None:
    assert settings(avid_api_url=avid.url, avid_review_path="").avid_review_url(UUID) is None
