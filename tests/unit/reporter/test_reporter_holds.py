"""A verdict that is held leaves with everything it led to when the hold is over, or not at all."""

from datetime import timedelta
from typing import Any

import pytest

from services.reporter.dispatching import Dispatcher
from services.reporter.settings import ReporterSettings
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from shared.events import Event, PostCorrected, PostStatusChanged, Provenance, caused, said
from shared.vocabulary import Status
from tests.support.receiver import Receiver
from tests.unit.reporter.conftest import START, Say, Sending

ALL = ["posts.scored", "posts.corrected", "posts.status_changed"]
OVER = 31
"""Seconds after which a hold of half a minute is over."""


def word(say: Say, sending: Sending, name: str, post_id: str = "p", **more: Any) -> Event[PostCorrected]:
    """Return a verdict that may be taken back for half a minute."""
    return say.corrected(post_id, name, hold_until=sending.clock.now + timedelta(seconds=30), **more)


def felt(cause: Event[Any], say: Say, post_id: str = "p", *, overall: float = 0.1, carried: str = "") -> Any:
    """Return what classifier and auditor say of a post because of a verdict: the score, and its status twice over."""
    data = say.scored(post_id, overall).data
    if carried:
        data = data.model_copy(update={"corrected": {"insult": Provenance(correction_id=carried, layer="same")}})
    scored = said(data, by="classifier", cause=f"{cause.id}|{post_id}", correlation_id=cause.correlationid)
    return scored, caused(cause, moved(post_id), by="auditor"), caused(scored, moved(post_id), by="auditor")


def moved(post_id: str) -> PostStatusChanged:
    return PostStatusChanged(post_id=post_id, status=Status.CLEARED, rule="reviewer", sequence=2, changed_at=START)


def names(*events: Event[Any]) -> list[str]:
    return [event.id for event in events]


async def test_a_held_verdict_leaves_in_its_place_with_all_it_led_to_once_the_hold_is_over(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    await sending.make(receiver, ALL)
    before, after = say.scored("before"), say.scored("after")
    held = word(say, sending, "c")
    mine = [held, *felt(held, say)]
    await sending.say_in_turn(before, *mine, after)
    await sending.round()
    assert receiver.ids == names(before)  # the order is kept: what came later waits behind it
    sending.clock.pass_(seconds=20)
    await sending.round()
    assert receiver.ids == names(before)
    sending.clock.pass_(seconds=OVER - 20)
    await sending.round()
    assert receiver.ids == names(before, *mine, after)
    assert len(receiver.got) == 6  # each once


@pytest.mark.parametrize("streams", [ALL, ["posts.status_changed"], ["posts.scored"], ["posts.corrected"]])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_verdict_taken_back_in_time_leaves_nothing_outside(
    streams: list[str], at_once: bool, sending: Sending, receiver: Receiver, say: Say
) -> None:
    webhook_id, _ = await sending.make(receiver, streams)
    held = word(say, sending, "c")
    back = say.retracted("c")
    late = felt(back, say, overall=0.9)
    other = (say.scored("other"), say.corrected("other", "d"), said(moved("other"), by="auditor", cause="else"))
    await sending.say_in_turn(held, *felt(held, say))
    if not at_once:
        await sending.round()
        sending.clock.pass_(seconds=25)
    await sending.say_in_turn(back, late[0], *other)
    await sending.round()
    sending.clock.pass_(seconds=OVER)
    await sending.say_in_turn(*late[1:])  # a hearer that was down says it when it is back
    await sending.round()
    wanted = [event for event, stream in zip(other, ALL, strict=True) if stream in streams]
    assert receiver.ids == names(*wanted)
    assert set(await sending.states(webhook_id)) == {"delivered"}  # and nothing waits


async def test_a_verdict_taken_back_after_its_hold_is_told_with_what_followed(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    await sending.make(receiver, ALL)
    held, back = word(say, sending, "c"), say.retracted("c")
    await sending.say_in_turn(held)
    await sending.round()
    sending.clock.pass_(seconds=OVER)
    await sending.round()
    assert receiver.ids == names(held)
    await sending.say_in_turn(back, *felt(back, say))
    await sending.say_in_turn(held, back)  # a repetition changes nothing
    await sending.round()
    assert receiver.ids == names(held, back, *felt(back, say))


async def test_requests_that_share_a_correlation_are_told_apart(sending: Sending, receiver: Receiver, say: Say) -> None:
    await sending.make(receiver, ALL)
    shared = {"correlation_id": "one-request-id-for-all"}
    held, plain, back = (
        said(event.data, by="ingest", cause=event.id, **shared)
        for event in (word(say, sending, "c"), say.corrected("q", "d"), say.retracted("c"))
    )
    await sending.say_in_turn(held, *felt(held, say), plain, *felt(plain, say, "q"), back, *felt(back, say))
    await sending.round()
    assert receiver.ids == names(plain, *felt(plain, say, "q"))


async def test_a_score_that_carries_a_held_word_waits_with_it_and_the_one_after_its_end_is_news(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    await sending.make(receiver, ALL)
    held, back = word(say, sending, "c"), say.retracted("c")
    data = say.scored("new").data.model_copy(
        update={"corrected": {"insult": Provenance(correction_id="c", layer="same", post_id="p")}}
    )
    fresh = said(data, by="classifier", cause="somebody posted the same words")
    await sending.say_in_turn(held, *felt(held, say, carried="c"), fresh)
    await sending.round()
    assert receiver.ids == []
    of_it = [felt(back, say)[0], felt(back, say, "new")[0]]
    await sending.say_in_turn(back, *of_it)
    await sending.round()
    assert receiver.ids == names(of_it[1])  # nobody outside heard of this post before


async def test_of_two_verdicts_the_one_that_stands_leaves(sending: Sending, receiver: Receiver, say: Say) -> None:
    await sending.make(receiver, ALL)
    first, second = word(say, sending, "first"), word(say, sending, "second")
    back = say.retracted("second")
    await sending.say_in_turn(first, *felt(first, say), second, *felt(second, say), back, *felt(back, say))
    sending.clock.pass_(seconds=OVER)
    await sending.round()
    await sending.round()
    assert receiver.ids == names(first, *felt(first, say))


async def test_who_comes_after_a_kill_and_whoever_shares_the_work_keep_to_the_hold(
    sending: Sending, receiver: Receiver, say: Say
) -> None:
    webhook_id, _ = await sending.make(receiver, ALL)
    held = word(say, sending, "c")
    mine = [held, *felt(held, say)]
    await sending.say_in_turn(*mine[:2])
    await sending.round()
    store, tail = sending.reporter.store, Tail(sending.redis)
    more = Dispatcher(store, tail, WebhookClient(private=True, timeout_s=5), ReporterSettings(), sending.clock)
    for each in (more, sending.dispatcher):
        await each()
        await each.idle()
    assert receiver.ids == []
    sending.clock.pass_(seconds=OVER)
    await sending.say_in_turn(*mine[2:])
    for each in (more, sending.dispatcher, more):
        await each()
        await each.idle()
    assert receiver.ids == names(*mine) and len(receiver.got) == len(mine)
    await more.stop()
    async with store.begin() as connection:
        kept = await store.holds(connection, webhook_id, [], ["c"])
        assert [each.state.value for each in kept] == ["over"]
        assert await store.forget_holds(connection, sending.clock.now) == 1


async def test_a_line_without_room_still_lets_go_what_it_holds(
    sending: Sending, receiver: Receiver, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending.dispatcher, "_settings", ReporterSettings(webhook_room=100))
    await sending.make(receiver, ALL)
    held = word(say, sending, "c")
    rest = [say.scored(f"m{n}") for n in range(400)]
    await sending.say_in_turn(held)
    await sending.say(*rest)
    await sending.round()
    assert receiver.ids == []
    sending.clock.pass_(seconds=OVER)
    for _ in range(3):
        await sending.round()
    assert receiver.ids == names(held, *rest)
