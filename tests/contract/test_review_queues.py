"""Review queues on SQLite and PostgreSQL: pages that neither repeat nor miss a post, saved views."""

from datetime import datetime
from typing import Any

import pytest

from services.reporter.handlers import Handlers
from services.reporter.queue import PAGE, SORTS, Filters, Place
from services.reporter.store import Store
from tests.contract.conftest import Migrated
from tests.contract.speech import at, post, scored


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
