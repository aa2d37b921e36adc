"""Outgoing webhooks: signatures, order, hours of patience in no time, dead letters, pauses, and where nobody posts."""

import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from services.reporter.dispatching import Dispatcher
from services.reporter.hooking import Hooking
from services.reporter.sealing import key_of
from services.reporter.settings import ReporterSettings
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from services.reporter.webhooks import Posted, WebhookState, failed, headers, is_public, url_fault
from shared.errors import Problem
from tests.support.receiver import Receiver
from tests.unit.reporter.conftest import HOOKED, Say, Sending


async def test_what_is_said_arrives_in_order_signed_and_without_text(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    await sending.say(say.scored("before"))
    webhook_id, secret = await sending.make(receiver)
    said = [say.scored(f"p{n}", text="zwunderquast", author="somebody") for n in range(30)]
    await sending.say(*said)
    await sending.round()
    assert receiver.ids == [event.id for event in said]
    receiver.verify(secret)
    assert all(b"zwunderquast" not in body and b"somebody" not in body for _, body in receiver.got)
    assert set(await sending.states(webhook_id)) == {"delivered"}
    assert "zwunderquast" not in await sending.reporter.everything()
    document = receiver.taken[0]
    assert (document["type"], document["data"]["post"]["post_id"]) == ("ombud.PostScored.v1", "p0")


async def test_a_receiver_that_fails_for_an_hour_gets_everything_afterwards_once_and_in_order(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    back = sending.clock.now + timedelta(hours=1)
    receiver.answer = lambda number, document: (503 if sending.clock.now < back else 204, {})
    webhook_id, _ = await sending.make(receiver)
    said = [say.scored(f"p{n}") for n in range(60)]
    for minute in range(240):
        if minute < 60:
            await sending.say(said[minute])
        await sending.round()
        sending.clock.pass_(minutes=1)
    assert [document["id"] for document in receiver.taken] == [event.id for event in said]
    refused = len(receiver.got) - len(said)
    assert refused == 4  # at once, after 5 s, 5 min and 30 min, each a little longer: not every minute
    assert (await sending.webhook(webhook_id)).state == WebhookState.ACTIVE


async def test_the_last_try_makes_a_dead_letter_and_a_pause_with_the_reason_until_somebody_resumes(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    receiver.answer = lambda number, document: (500, {})
    webhook_id, _ = await sending.make(receiver)
    said = [say.scored(f"p{n}") for n in range(3)]
    await sending.say(*said)
    for _ in range(60):
        await sending.round()
        sending.clock.pass_(hours=1)
    assert len(receiver.got) == 8
    assert await sending.states(webhook_id) == ["dead", "queued", "queued"]
    row = await sending.webhook(webhook_id)
    assert row.state == WebhookState.PAUSED and row.reason.startswith("answered 500 at try 8")
    receiver.answer = lambda number, document: (200, {})
    await sending.round()
    assert receiver.taken == []
    assert await sending.hooking.redrive(webhook_id) == 1
    await sending.hooking.change(webhook_id, {}, paused=False, rotate=False)
    await sending.round()
    assert [document["id"] for document in receiver.taken] == [event.id for event in said]
    assert await sending.hooking.redrive(webhook_id) == 0


async def test_an_event_that_the_receiver_refuses_to_the_last_try_is_a_dead_letter_and_the_line_goes_on(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    said = [say.scored(f"p{n}") for n in range(3)]
    receiver.answer = lambda number, document: (422 if document["id"] == said[1].id else 200, {})
    webhook_id, _ = await sending.make(receiver)
    await sending.say(*said)
    for _ in range(60):
        await sending.round()
        sending.clock.pass_(hours=1)
    assert [document["id"] for document in receiver.taken] == [said[0].id, said[2].id]
    assert await sending.states(webhook_id) == ["dead"]  # what was delivered is forgotten by then
    row = await sending.webhook(webhook_id)
    assert (row.state, row.attempts, row.reason) == (WebhookState.ACTIVE, 0, None)
    receiver.answer = lambda number, document: (200, {})
    assert await sending.hooking.redrive(webhook_id) == 1
    await sending.round()
    assert receiver.taken[-1]["id"] == said[1].id


async def test_secrets_are_sealed_in_the_table_and_those_from_before_at_the_next_start(
    sending: Sending, receiver: Receiver, say: Say, tmp_path: Path
) -> None:
    before, plain = await sending.make(receiver)
    assert (await sending.webhook(before)).secret == plain
    folder = tmp_path / "new"
    key = key_of(None, folder, alone=True)
    assert key is not None and key_of(None, folder, alone=True) == key
    assert stat.S_IMODE((folder / "reporter.key").stat().st_mode) == 0o600
    assert [each.name for each in folder.iterdir()] == ["reporter.key"]
    sending.seal.use(key)
    await sending.hooking.seal()
    after, secret = await sending.make(receiver)
    kept = [(await sending.webhook(each)).secret for each in (before, after)]
    assert plain not in str(kept) and secret not in str(kept) and all(each.startswith("sealed:") for each in kept)
    await sending.say(say.scored("p"))
    await sending.round()
    assert sorted(_signer(each, [plain, secret]) for each in receiver.got) == [0, 1]
    sending.seal.use("another key of sixteen")
    await sending.say(say.scored("q"))
    await sending.round()
    assert (await sending.webhook(after)).reason == "the secret was sealed with another key: rotate it"


def _signer(got: tuple[dict[str, str], bytes], secrets: list[str]) -> int:
    """Return which of the secrets signed a request."""
    for number, secret in enumerate(secrets):
        with suppress(WebhookVerificationError):
            Webhook(secret).verify(got[1], got[0])
            return number
    raise AssertionError("nobody signed it")


def test_processes_that_share_a_database_make_no_key_each(tmp_path: Path) -> None:
    assert key_of(None, tmp_path, alone=False) is None
    assert key_of(SecretStr("a key for all of them"), tmp_path, alone=False) == "a key for all of them"
    assert list(tmp_path.iterdir()) == []


async def test_410_stops_a_webhook_at_once_and_retry_after_is_waited_for(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    answers = iter([(429, {"Retry-After": "4000"}), (410, {}), (200, {})])
    receiver.answer = lambda number, document: next(answers)
    webhook_id, _ = await sending.make(receiver)
    await sending.say(say.scored("p"))
    await sending.round()
    sending.clock.pass_(seconds=3990)
    await sending.round()
    assert len(receiver.got) == 1
    sending.clock.pass_(seconds=20)
    await sending.round()
    assert (await sending.webhook(webhook_id)).reason.startswith("the receiver answered 410")
    sending.clock.pass_(days=2)
    await sending.round()
    assert len(receiver.got) == 2
    await sending.hooking.change(webhook_id, {}, paused=False, rotate=False)
    await sending.round()
    assert len(receiver.taken) == 1


async def test_one_who_fails_holds_up_nobody_else(sending: Sending, receiver: Receiver, say: Say) -> None:
    broken = Receiver(lambda number, document: (500, {}))
    with broken.server:
        await sending.make(broken)
        await sending.make(receiver)
        said = [say.scored(f"p{n}") for n in range(5)]
        await sending.say(*said)
        await sending.round()
    assert (len(broken.got), receiver.ids) == (1, [event.id for event in said])


async def test_text_goes_along_where_it_was_asked_for_unless_the_post_is_gone(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    await sending.make(receiver, text=True)
    kept, gone = say.scored("kept", text="some kept words"), say.scored("gone", text="zwunderquast")
    await sending.reporter.hear(kept, gone)
    await sending.say(kept, gone)
    receiver.answer = lambda number, document: (503, {})
    await sending.round()
    await sending.reporter.hear(say.deleted("gone"))
    receiver.answer = lambda number, document: (200, {})
    sending.clock.pass_(hours=1)
    await sending.round()
    texts = [document["data"]["post"].get("text") for document in receiver.taken]
    assert texts == ["some kept words", None]
    assert "zwunderquast" not in await sending.reporter.everything()


async def test_both_secrets_sign_for_a_day_after_a_rotation(sending: Sending, receiver: Receiver, say: Say) -> None:
    webhook_id, old = await sending.make(receiver)
    new = await sending.hooking.change(webhook_id, {}, paused=None, rotate=True)
    assert new is not None and new != old
    await sending.say(say.scored("p1"))
    await sending.round()
    receiver.verify(old)
    receiver.verify(new)
    sending.clock.pass_(days=1, hours=1)
    await sending.say(say.scored("p2"))
    await sending.round()
    assert [signed["webhook-signature"].count("v1,") for signed, _ in receiver.got] == [2, 1]


async def test_streams_that_are_added_begin_now_and_a_removed_webhook_gets_nothing(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    webhook_id, _ = await sending.make(receiver, ["posts.deleted"])
    await sending.say(say.scored("p1"))
    await sending.round()
    await sending.hooking.change(webhook_id, {"streams": ["posts.scored"]}, paused=None, rotate=False)
    later = say.scored("p2")
    await sending.say(later)
    await sending.round()
    assert receiver.ids == [later.id]
    await sending.hooking.remove(webhook_id)
    await sending.say(say.scored("p3"))
    await sending.round()
    assert len(receiver.got) == 1
    with pytest.raises(Problem, match="no such webhook"):
        await sending.hooking.redrive(webhook_id)


async def test_a_try_out_says_how_the_receiver_answered(sending: Sending, receiver: Receiver) -> None:
    webhook_id, secret = await sending.make(receiver)
    assert (await sending.hooking.try_out(webhook_id, "me")).taken
    receiver.verify(secret)
    receiver.answer = lambda number, document: (418, {})
    assert (await sending.hooking.try_out(webhook_id, "me")).reason == "answered 418"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://localhost/x",
        "http://[::1]/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/x",
        "http://0/x",
        "http://2130706433/x",
        "ftp://example.org/x",
        "http://user:word@example.org/x",
        "http://example.org:0/x",
        "http:///x",
        "http://exa mple.org/x",
    ],
)
async def test_addresses_in_private_networks_and_odd_ones_are_refused(url: str, sending: Sending) -> None:
    guarded = WebhookClient(private=False, timeout_s=5)
    hooking = Hooking(sending.reporter.store, Tail(sending.redis), guarded)
    with pytest.raises(Problem) as refused:
        await hooking.make(url, HOOKED, text=False, description="", by="a test")
    assert (refused.value.status, refused.value.field) == (422, "url")
    if url_fault(url) is None:
        posted = await guarded.post(url, b"{}", {}, datetime.now(UTC))
        assert not posted.taken and posted.status == 0


async def test_an_address_that_became_private_is_not_posted_to(sending: Sending, receiver: Receiver, say: Say) -> None:
    await sending.make(receiver)
    guarded = WebhookClient(private=False, timeout_s=5)
    dispatcher = Dispatcher(sending.reporter.store, Tail(sending.redis), guarded, ReporterSettings(), sending.clock)
    await sending.say(say.scored("p"))
    await dispatcher()
    await dispatcher.idle()
    await dispatcher.stop()
    assert receiver.got == []


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.215.14") and is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    assert not is_public("fe80::1%eth0") and not is_public("224.0.0.1") and not is_public("2002:7f00:1::")


def test_pauses_grow_with_jitter_and_end() -> None:
    pauses = ReporterSettings().webhook_pauses_s
    assert pauses == (5, 300, 1800, 7200, 18_000, 36_000, 50_400)
    for attempt, pause in enumerate(pauses, 1):
        low, high = (failed(Posted(500), attempt=attempt, pauses_s=pauses, jitter=jitter) for jitter in (0, 1))
        assert (low.pause_s, low.dead, low.stop) == (pause, False, None)
        assert high.pause_s == pytest.approx(1.2 * pause)
    assert failed(Posted(why="no connection"), attempt=8, pauses_s=pauses, jitter=0).dead


def test_a_signature_is_over_id_time_and_body() -> None:
    secret = "whsec_" + "QUJD" * 8
    signed = headers("an id", b'{"a":1}', [secret], datetime.now(UTC))
    assert Webhook(secret).verify(b'{"a":1}', signed) == {"a": 1}
    for changed in (b'{"a": 1}', b'{"a":2}'):
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(secret).verify(changed, signed)
