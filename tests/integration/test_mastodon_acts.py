"""Decisions lead to acts on a Mastodon server, over HTTP and through Mastodon.py: held, capped, logged, taken back."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.reporter.mastodon_client import MastodonClient
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from shared.clock import utcnow
from shared.events import PostDeleted, said
from shared.vocabulary import Standing, Status, Verdict
from tests.support.acting import TOWN, Deciding, empty_store, number
from tests.support.mastodon import report, status
from tests.support.moderated import ModeratedServer


@pytest.fixture
def server() -> Iterator[ModeratedServer]:
    with ModeratedServer([status(number(n)) for n in range(1, 4)], token="t") as each:
        yield each


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with empty_store(tmp_path) as made:
        yield made


def connected(store: Store, server: ModeratedServer, settings: dict[str, Any] | None = None, **outlet: Any) -> Deciding:
    """Return a reporter whose decisions lead to acts on the server."""
    entry = {"kind": "mastodon", "base_url": server.url, "token": "t", "timeout_s": 10, **outlet}
    chosen = ReporterSettings(outlets={TOWN: entry}, **(settings or {}))
    edges = {name: MastodonClient(each) for name, each in chosen.outlets.items() if each.kind == "mastodon"}
    return Deciding(store, chosen, edges)


async def test_a_report_is_resolved_half_a_minute_after_a_person_decided_and_reopened_when_it_is_overturned(
    store: Store, server: ModeratedServer
) -> None:
    server.reports += [report("1", server.statuses[:1]), report("2", server.statuses[1:2])]
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    assert await reporter.after(seconds=20) == [] and not server.asked
    assert await reporter.after(seconds=31) == [("resolve", "1", "done", False)]
    assert server.done == ["resolve 1"] and server.open() == {"2"}
    await reporter.status(1, Status.CLEARED)
    await reporter.retract(1)
    assert (await reporter.after(seconds=31))[1:] == [("resolve", "1", "done", True)]
    assert server.done == ["resolve 1", "reopen 1"] and server.open() == {"1", "2"}


async def test_a_decision_that_is_taken_back_within_the_hold_leaves_no_trace_there(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve", "silence", "report"])
    await reporter.decide(1)
    await reporter.retract(1)
    await reporter.status(1, Status.NEEDS_REVIEW)
    assert await reporter.after(seconds=31) == []
    assert server.asked == []


async def test_an_outlet_without_acts_and_another_platform_s_posts_lead_to_nothing(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    off = connected(store, server)
    await off.decide(1)
    assert await off.after(seconds=31) == [] and server.done == []
    elsewhere = connected(store, server, flagged=["resolve"], platform="elsewhere")
    await elsewhere.decide(2)
    assert await elsewhere.after(seconds=31) == [] and server.asked == []


async def test_only_a_reviewer_decides_neither_a_reporter_nor_the_model(store: Store, server: ModeratedServer) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.score(1)
    await reporter.correct(1, Verdict.INCORRECT, standing=Standing.REPORTER, expected_categories=("toxic",))
    assert await reporter.after(seconds=31) == []
    assert server.open() == {"1"}


async def test_a_report_about_several_posts_is_resolved_when_all_of_them_are_decided(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:2]))
    reporter = connected(store, server, flagged=["resolve"], cleared=["resolve"])
    await reporter.decide(1)
    assert await reporter.after(seconds=31) == []
    await reporter.decide(2, Status.CLEARED)
    assert await reporter.after(seconds=31) == [("resolve", "1", "done", False)]


async def test_reports_on_later_pages_are_found(store: Store, server: ModeratedServer) -> None:
    server.reports += [report(str(n), server.statuses[2:]) for n in range(2, 60)]
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    assert await reporter.after(seconds=31) == [("resolve", "1", "done", False)]


async def test_an_account_is_restricted_once_and_freed_when_no_decision_keeps_it(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("5", server.statuses[:1]))
    reporter = connected(store, server, flagged=["silence"])
    await reporter.decide(1)
    await reporter.decide(2)
    log = await reporter.after(seconds=31)
    assert sorted(log) == [
        ("along", "5", "done", False),
        ("silence", "9", "done", False),
        ("silence", "9", "done", False),
    ]
    assert server.done == ["silence 9"] and server.open() == set()
    await reporter.status(1, Status.CLEARED)
    await reporter.after(seconds=31)
    assert server.done == ["silence 9", "reopen 5"] and server.people["9"]["silenced"]
    await reporter.status(2, Status.CLEARED)
    await reporter.after(seconds=31)
    assert server.done[2:] == ["unsilence 9"] and not server.people["9"]["silenced"]


async def test_what_a_moderator_did_is_neither_repeated_nor_taken_back(store: Store, server: ModeratedServer) -> None:
    server.people["9"]["silenced"] = True
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["silence", "resolve", "report"])
    await reporter.decide(1)
    assert sorted(await reporter.after(seconds=31)) == [
        ("report", "1", "already", False),
        ("resolve", "1", "done", False),
        ("silence", "9", "already", False),
    ]
    server.reports[0]["action_taken"] = False  # a moderator reopens it: that stays
    await reporter.correct(1, name="d")
    await reporter.after(seconds=31)
    assert server.open() == {"1"}
    await reporter.status(1, Status.CLEARED)
    await reporter.after(seconds=31)
    assert server.people["9"]["silenced"] and "unsilence 9" not in server.done


async def test_the_model_alone_reports_where_that_is_switched_on_and_resolves_it_when_a_person_clears_the_post(
    store: Store, server: ModeratedServer
) -> None:
    reporter = connected(store, server, automatic=["report"])
    await reporter.score(1)
    assert await reporter.after(seconds=31) == [("report", "1", "done", False)]
    (made,) = server.reports
    assert made["comment"] == ("Ombud: flagged by the model (toxic, hate_speech). https://ombud.example/v1/posts/p1")
    assert [each["id"] for each in made["statuses"]] == [number(1)]
    await reporter.status(1, Status.CLEARED)
    await reporter.correct(1, Verdict.INCORRECT)
    assert (await reporter.after(seconds=31))[1:] == [("report", "1", "done", True)]
    assert server.open() == set()


async def test_a_report_of_ours_that_comes_back_as_a_doubt_does_not_undo_itself(
    store: Store, server: ModeratedServer
) -> None:
    reporter = connected(store, server, automatic=["report"])
    await reporter.score(1)
    await reporter.after(seconds=31)
    await reporter.correct(1, Verdict.UNSURE, standing=Standing.REPORTER)
    await reporter.status(1, Status.NEEDS_REVIEW)
    assert await reporter.after(seconds=31) == [("report", "1", "done", False)]
    assert server.open() == {"1"}


async def test_a_retracted_word_takes_its_acts_back_also_while_the_post_needs_review(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    await reporter.after(seconds=31)
    await reporter.status(1, Status.NEEDS_REVIEW)
    assert len(await reporter.after(seconds=31)) == 1
    await reporter.retract(1)
    assert (await reporter.after(seconds=31))[1:] == [("resolve", "1", "done", True)]


async def test_a_dry_run_writes_down_what_it_would_do_and_does_nothing(store: Store, server: ModeratedServer) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve", "silence"], dry_run=True)
    await reporter.decide(1)
    assert await reporter.after(seconds=31) == [("resolve", "1", "dry_run", False), ("silence", "9", "dry_run", False)]
    await reporter.status(1, Status.CLEARED)
    assert [each[3] for each in await reporter.after(seconds=31)] == [False, False, True, True]
    assert server.done == [] and all(each.form is None for each in server.asked)


async def test_an_hour_and_a_day_have_so_many_acts_and_taking_back_is_not_counted(
    store: Store, server: ModeratedServer
) -> None:
    server.reports += [report(str(n), server.statuses[n - 1 : n]) for n in (1, 2, 3)]
    reporter = connected(store, server, {"acts_hourly": 1, "acts_daily": 2}, flagged=["resolve"])
    for n in (1, 2, 3):
        await reporter.decide(n)
    await reporter.after(seconds=31)
    assert len(server.done) == 1
    await reporter.status(1, Status.CLEARED)
    await reporter.after(seconds=32)
    assert len(server.done) == 2 and server.done[1].startswith("reopen")
    await reporter.after(hours=1, minutes=2)
    assert len(server.done) == 3
    await reporter.after(hours=3)
    assert len(server.done) == 3
    await reporter.after(hours=26)
    assert len(server.done) == 4


async def test_a_server_that_fails_is_asked_again_and_one_that_asks_for_patience_gets_it(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    server.script += [503]
    assert await reporter.after(seconds=31) == []
    server.script += [429]
    server.reset = utcnow() + timedelta(minutes=10)
    assert await reporter.after(minutes=2) == []
    assert await reporter.after(minutes=3) == []
    assert await reporter.after(minutes=30) == [("resolve", "1", "done", False)]


async def test_a_server_that_always_fails_is_given_up_with_the_reason_and_looked_at_again_on_request(
    store: Store, server: ModeratedServer
) -> None:
    server.reports.append(report("1", server.statuses[:1]))
    reporter = connected(store, server, {"acts_attempts": 2}, flagged=["resolve"])
    await reporter.decide(1)
    server.script += [403, 500]
    await reporter.after(seconds=31)
    assert await reporter.after(hours=3) == [("resolve", "", "failed", False)]
    assert (await reporter.after(hours=9))[1:] == []
    async with store.begin() as connection:
        await store.act_after(connection, ["p1"], utcnow())
    assert (await reporter.after(seconds=1))[1:] == [("resolve", "1", "done", False)]


async def test_an_act_whose_end_was_not_heard_is_looked_at_and_not_done_twice(
    store: Store, server: ModeratedServer
) -> None:
    reporter = connected(store, server, flagged=["silence"])
    await reporter.decide(1)
    server.script += [200, 200, 200, 500]  # status, account, reports, then the act
    assert await reporter.after(seconds=31) == [("silence", "9", "begun", False)]
    server.people["9"]["silenced"] = True  # it was done, only the answer was lost
    assert await reporter.after(minutes=5) == [("silence", "9", "done", False)]
    assert server.done == []
    await reporter.status(1, Status.CLEARED)
    await reporter.after(minutes=10)
    assert server.done == ["unsilence 9"]


async def test_a_status_that_is_gone_there_is_a_failure_and_a_post_that_is_deleted_here_is_none(
    store: Store, server: ModeratedServer
) -> None:
    server.statuses.clear()
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    assert await reporter.after(seconds=31) == [("resolve", "", "failed", False)]
    await reporter.decide(2)
    gone = said(PostDeleted(post_id="p2", deleted_at=utcnow()), by="ingest", cause="gone")
    await reporter.handlers.on_post_deleted([gone])
    assert len(await reporter.after(seconds=31)) == 1


async def test_a_word_that_comes_while_somebody_looks_is_not_forgotten(store: Store, server: ModeratedServer) -> None:
    reporter = connected(store, server, flagged=["resolve"])
    await reporter.decide(1)
    now = utcnow() + timedelta(seconds=31)
    async with store.begin() as connection:
        row = await store.claim_act(connection, "me", now, now + timedelta(minutes=1))
    assert row is not None
    await reporter.status(1, Status.CLEARED)
    async with store.begin() as connection:
        assert await store.claim_act(connection, "another", now + timedelta(seconds=40), now) is None
        await store.release_act(connection, "me", row, again_at=None)
        assert await store.claim_act(connection, "another", now + timedelta(seconds=40), now) is not None


@pytest.mark.parametrize(
    "wrong",
    [{"flagged": ["explode"]}, {"automatic": ["suspend"]}, {"base_url": "ftp://x"}, {"kind": "other"}, {"more": 1}],
)
def test_an_outlet_that_is_none_stops_the_start_and_the_token_is_not_shown(wrong: dict[str, Any]) -> None:
    entry = {"kind": "mastodon", "base_url": "https://town.example", "token": "secret-token"}
    with pytest.raises(ValueError, match="outlets") as refused:
        ReporterSettings(outlets={TOWN: entry | wrong})
    assert "secret-token" not in str(refused.value)
