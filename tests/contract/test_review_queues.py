"""Review queues on SQLite and PostgreSQL: pages that neither repeat nor miss a post, saved views."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.reporter.console.members import Member, Preferences, preferences
from services.reporter.console.pages.focus import Focus
from services.reporter.console.roles import Role
from services.reporter.handlers import Handlers
from services.reporter.mixing import SKIPPED_FOR
from services.reporter.queue import PAGE, SORTS, Filters, Place
from services.reporter.store import Store
from shared.clock import utcnow
from shared.events import PostDeleted, said
from shared.vocabulary import DeletionCause, Verdict
from tests.contract.conftest import Migrated
from tests.contract.speech import at, corrected, post, scored


async def filled(migrated: Migrated, dialect: str, first: int, last: int) -> Store:
    store = Store(await migrated("reporter", dialect))
    await store.open()
    await bring(store, first, last)
    return store


async def bring(store: Store, first: int, last: int) -> None:
    """Let posts come: many of one score, so that ids decide, and of one moment."""
    events = [scored(post(n), 0.5 + (n % 5) / 10, minute=n // 3) for n in range(first, last)]
    await Handlers(store).on_post_scored(events)


async def page_after(store: Store, filters: Filters, place: Place | None) -> list[Any]:
    async with store.read() as connection:
        return list(await store.page_of_queue(connection, filters, place, PAGE))


def end_of(rows: list[Any]) -> Place:
    return Place(rows[-1].sorted_by, rows[-1].post_id)


async def test_notes_go_with_their_post_with_who_wrote_the_post_and_with_who_wrote_them(
    dialect: str, migrated: Migrated
) -> None:
    store = Store(await migrated("reporter", dialect))
    await store.open()
    events = [scored(post(n, author="ada" if n == 3 else "bob"), 0.9) for n in range(4)]
    await Handlers(store).on_post_scored(events)
    last = events[3].data.post
    async with store.begin() as connection:
        for n, event in enumerate(events):
            for who in ("ann", "ben"):
                row = {"id": f"{who}{n}", "post_id": event.data.post.post_id, "person_id": who, "at": at(n)}
                await store.add_note(connection, row | {"text": f"{who} says"})
        await store.change_note(connection, "ann0", "ann thought again", at(9))

    async def left() -> list[tuple[str, str]]:
        async with store.read() as connection:
            found = [await store.notes_on(connection, event.data.post.post_id) for event in events]
        return [(row.id, row.text) for rows in found for row in rows]

    assert (await left())[:2] == [("ann0", "ann thought again"), ("ben0", "ben says")] and len(await left()) == 8
    gone = [
        PostDeleted(post_id=events[1].data.post.post_id, cause=DeletionCause.PLATFORM, deleted_at=at(10)),
        PostDeleted(platform=last.platform, author=last.author, cause=DeletionCause.PLATFORM, deleted_at=at(10)),
    ]
    await Handlers(store).on_post_deleted([said(each, by="ingest", cause=f"gone {n}") for n, each in enumerate(gone)])
    assert [name for name, _ in await left()] == ["ann0", "ben0", "ann2", "ben2"]
    async with store.begin() as connection:
        await store.forget_person(connection, "ann", at(11))
    assert [name for name, _ in await left()] == ["ben0", "ben2"]


@pytest.mark.check("CON-13")
async def test_fifty_newer_posts_between_two_pages_repeat_and_hide_nothing(dialect: str, migrated: Migrated) -> None:
    store = await filled(migrated, dialect, 0, 2 * PAGE + 10)
    before: dict[str, list[str]] = {}
    places: dict[str, Place] = {}
    for sort in SORTS:
        whole, place = [], None
        while rows := await page_after(store, Filters(sort=sort), place):
            whole += [row.post_id for row in rows]
            place = end_of(rows)
            places.setdefault(sort, place)
        before[sort] = whole
        assert len(set(whole)) == len(whole) == 2 * PAGE + 10, sort
    await bring(store, 100, 150)
    for sort in SORTS:
        seen, place = before[sort][:PAGE], places[sort]
        while rows := await page_after(store, Filters(sort=sort), place):
            seen += [row.post_id for row in rows]
            place = end_of(rows)
        assert len(set(seen)) == len(seen), sort
        assert [each for each in seen if each in set(before[sort])] == before[sort], sort


async def test_what_came_since_is_counted_and_the_newest_is_known(dialect: str, migrated: Migrated) -> None:
    store = await filled(migrated, dialect, 0, 5)
    async with store.read() as connection:
        newest = await store.newest_in_queue(connection, Filters())
        assert isinstance(newest, datetime)
        assert await store.newer_in_queue(connection, Filters(), newest) == 0
        assert await store.newest_in_queue(connection, Filters(lang="fr")) is None
    await bring(store, 30, 37)
    async with store.read() as connection:
        assert await store.newer_in_queue(connection, Filters(), newest) == 7


async def test_a_view_is_its_owners_or_the_teams(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    view = {"name": "x", "query": "?lang=nl", "created_at": at(0)}
    async with store.begin() as connection:
        for slug, name, person, team in (
            ("b", "beta", "p1", False),
            ("a", "Alpha", "p2", True),
            ("c", "c", "p2", False),
        ):
            made = view | {"slug": slug, "name": name, "person_id": person, "team": team}
            assert await store.add_view(connection, made)
        assert not await store.add_view(connection, view | {"slug": "a", "person_id": "p1", "team": False})
    async with store.read() as connection:
        assert [row.slug for row in await store.views_for(connection, "p1", 9)] == ["a", "b"]
        assert await store.count_views(connection, "p2") == 2
    async with store.begin() as connection:
        await store.drop_view(connection, "a")
        assert await store.view(connection, "a") is None


async def test_the_stream_of_newest_posts_is_narrowed_and_its_pace_is_counted_in_steps(
    dialect: str, migrated: Migrated
) -> None:
    store = await filled(migrated, dialect, 0, 30)  # three a minute
    async with store.read() as connection:
        counts = await store.scored_lately(connection, at(5), 10)
        assert counts == {int(at(minute).timestamp()) // 10: 3 for minute in range(5, 10)}
        newest = await store.newest_posts(connection, after=at(8), least=0, flagged=False, category=None, limit=50)
        assert {row.post_id for row in newest} == {post(n).post_id for n in (27, 28, 29)}
        insulting = await store.newest_posts(
            connection, after=None, least=0.7, flagged=True, category="insult", limit=50
        )
        assert {row.post_id for row in insulting} == {post(n).post_id for n in range(30) if n % 5 >= 2}
        other = await store.newest_posts(connection, after=None, least=0, flagged=False, category="toxic", limit=50)
        assert other == []


async def test_of_a_removed_account_its_counts_are_left(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    await store.open()
    handlers = Handlers(store)
    ours = [post(n, author="ada", text=f"same words {'!' * (n % 2)}" if n < 4 else None) for n in range(6)]
    events = [scored(each, 0.2 if n == 5 else 0.9, minute=n) for n, each in enumerate([*ours, post(9, author="bob")])]
    await handlers.on_post_scored(events)
    await handlers.on_post_corrected([corrected(0, name="c", verdict=Verdict.CORRECT)])
    author = str(ours[0].author)
    async with store.read() as connection:
        row = await store.account(connection, author)
        assert (row.posts, row.flagged, row.correct, row.incorrect, row.platform) == (6, 5, 1, 0, "forum")
        days = await store.account_days(connection, author, at(-1), at(4))
        assert sum(each.posts for each in days) == 4
        (repeat,) = await store.account_repeats(connection, author, 9)
        assert (repeat.posts, repeat.own) == (4, 4)
        assert (await store.newest_with(connection, author, [repeat.text_key]))[repeat.text_key].post_id
        assert await store.removed_account(connection, author) is None
    gone = PostDeleted(platform="forum", author=author, cause=DeletionCause.AUTHOR, deleted_at=at(600))
    for _ in range(2):  # a redelivery finds nothing more to count
        await handlers.on_post_deleted([said(gone, by="ingest", cause="gone")])
    async with store.read() as connection:
        assert (await store.account(connection, author)).posts == 0
        assert await store.removed_account(connection, author) == at(600)
        counts = await store.counts_of_removed(connection, author)
        assert counts == {"posts": 6, "flagged": 5, "correct": 1}


async def test_near_duplicates_that_wait_are_found_up_to_a_limit(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    await store.open()
    handlers = Handlers(store)
    await handlers.on_post_scored([scored(post(n, text=f"Same WORDS{'.' * n}"), 0.9) for n in range(6)])
    await handlers.on_post_corrected([corrected(0, name="a"), corrected(1, name="b")])
    async with store.read() as connection:
        first = await store.reviewed_post(connection, post(0).post_id)
        waiting = await store.waiting_alike(connection, first.text_key, first.post_id, 3)
        assert [each.post_id for each in waiting] == [post(n).post_id for n in (5, 4, 3)]
        assert await store.count_waiting_alike(connection, first.text_key, first.post_id) == 4
        seen = await store.reviewed_posts(connection, [post(0).post_id, "nobody"])
        assert set(seen) == {post(0).post_id}


REVIEWER = Member("p1", "noor", "Noor", Role.REVIEWER, Preferences(), "a token")


async def decided(store: Store, nth: int, post_id: str) -> None:
    """Let the reviewer have judged a post, a while after the one before."""
    moment = utcnow() - timedelta(minutes=20) + timedelta(seconds=nth)
    said_of = {"post_id": post_id, "reviewer": REVIEWER.principal, "corrected_at": moment}
    await Handlers(store).on_post_corrected([corrected(0, name=post_id, verdict=Verdict.CORRECT, **said_of)])


async def walked(store: Store, member: Member, filters: Filters) -> list[bool]:
    """Decide one post after the other as the queue gives them; return of each whether it was High."""
    parts: Any = SimpleNamespace(store=store, settings=SimpleNamespace(severity_high=0.7))
    seen: list[Any] = []
    while True:
        focus = Focus(parts, member, filters, utcnow())
        last = seen[-1].post_id if seen else None
        async with store.read() as connection:
            shown = await focus.first(connection, PAGE)
            way = await focus.after(connection, last, decided=True)
            rows = [await store.page_of_queue(connection, filters, place, PAGE, part) for part, place in way.steps]
        found = next((each[0] for each in rows if each), None)
        if found is None:
            assert not shown
            return [row.own_overall >= 0.7 for row in seen]
        assert shown[0].post_id == found.post_id  # what the page lists is what comes
        seen.append(found)
        await decided(store, len(seen), found.post_id)


async def test_no_more_than_three_high_posts_come_in_a_row_and_none_is_lost(dialect: str, migrated: Migrated) -> None:
    store = await filled(migrated, dialect, 0, 20)  # 0.5 to 0.9: twelve of them High
    high = await walked(store, REVIEWER, Filters())
    assert high == [True, True, True, False] * 4 + [False] * 4
    async with store.read() as connection:
        assert await store.page_of_queue(connection, Filters(), None, PAGE) == []


async def test_a_queue_is_as_sorted_for_who_asks_for_it_and_skips_what_nobody_asked_for(
    dialect: str, migrated: Migrated
) -> None:
    store = await filled(migrated, dialect, 0, 10)
    asked_for = replace(REVIEWER, preferences=Preferences(mixed=False))
    assert await walked(store, asked_for, Filters()) == [True] * 6 + [False] * 4
    await bring(store, 30, 40)
    skipping = replace(REVIEWER, preferences=Preferences().skipping("insult", utcnow()))
    assert await walked(store, skipping, Filters()) == []
    assert len(await walked(store, skipping, Filters(category=("insult",)))) == 10
    over = Preferences().skipping("insult", utcnow() - 2 * SKIPPED_FOR)
    assert (over.skipped(utcnow()), preferences(over.row(), {}).skips) == ({}, over.skips)
