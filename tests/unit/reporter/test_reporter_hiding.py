"""An author whom the platform hides for a while is out of every list, loses nothing, and comes back."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.reporter.api import page, posts
from services.reporter.tables import metadata
from shared.runtime import Platform, Service
from tests.unit.reporter.conftest import Reporter, Say, serving, settings

WORDS = "words of somebody who is hidden"


@pytest.fixture
async def http(reporter: Reporter, platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the routes that show posts, with the key `reader`."""
    routers = [
        posts.build_router(reporter.store, platform.keys),
        page.build_router(reporter.store, platform.keys, show_posts=True),
    ]
    database = platform.database("reporter", metadata)
    async with serving(Service("reporter", routers, {}, settings(), database)) as client:
        client.headers["Authorization"] = "Bearer reader"
        yield client
    await database.close()


async def listed(http: httpx.AsyncClient) -> list[str]:
    """Return the ids of all posts in the list."""
    return [each["post_id"] for each in (await http.get("/v1/posts")).json()["posts"]]


async def read(http: httpx.AsyncClient, post_id: str) -> dict[str, Any]:
    """Return one post as the API shows it."""
    answer = await http.get(f"/v1/posts/{post_id}")
    assert answer.status_code == 200
    return dict(answer.json())


async def test_a_hidden_author_is_out_of_every_list_and_the_text_is_not_shown(
    reporter: Reporter, say: Say, http: httpx.AsyncClient
) -> None:
    await reporter.hear(say.scored("mine", text=WORDS, author="p1"), say.scored("theirs", author="p2"))
    assert WORDS in (await http.get("/overview")).text
    await reporter.hear(say.hidden("p1"))
    assert await listed(http) == ["theirs"]
    assert WORDS not in (await http.get("/overview")).text
    post = await read(http, "mine")
    assert (post["hidden"], post["text"], post["overall"], post["deleted_at"]) == (True, None, 0.9, None)


async def test_an_author_who_is_shown_again_has_lost_nothing(
    reporter: Reporter, say: Say, http: httpx.AsyncClient
) -> None:
    await reporter.hear(say.scored("mine", text=WORDS, author="p1"))
    await reporter.hear(say.hidden("p1", 60))
    await reporter.hear(say.shown("p1", 61))
    assert await listed(http) == ["mine"]
    post = await read(http, "mine")
    assert (post["hidden"], post["text"]) == (False, WORDS)


async def test_a_post_that_comes_while_its_author_is_hidden_is_hidden_too(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.hidden("p1"))
    await reporter.hear(say.scored("mine", author="p1"), say.scored("theirs", author="p2"), say.scored("nobodys"))
    assert {row["post_id"]: row["hidden"] for row in await reporter.all_posts()} == {
        "mine": True,
        "theirs": False,
        "nobodys": False,
    }


async def test_the_newest_word_on_an_author_counts_in_any_order(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("mine", author="p1"))
    await reporter.hear(say.shown("p1", 70))
    await reporter.hear(say.hidden("p1", 60), say.hidden("p1", 50))
    assert not (await reporter.post("mine"))["hidden"]
    await reporter.hear(say.hidden("p1", 90), say.shown("p1", 80))
    assert (await reporter.post("mine"))["hidden"]


async def test_the_same_author_on_another_platform_is_not_hidden(reporter: Reporter, say: Say) -> None:
    event = say.hidden("p1")
    elsewhere = event.model_copy(update={"data": event.data.model_copy(update={"platform": "elsewhere"})})
    await reporter.hear(say.scored("mine", author="p1"))
    await reporter.hear(elsewhere)
    assert not (await reporter.post("mine"))["hidden"]


@pytest.mark.parametrize("hidden_first", [True, False])
async def test_an_erasure_stays_one_whether_the_author_is_hidden_before_or_after(
    reporter: Reporter, say: Say, http: httpx.AsyncClient, hidden_first: bool
) -> None:
    await reporter.hear(say.scored("mine", text=WORDS, author="p1"))
    events = [say.hidden("p1", 60), say.deleted(author="p1", at=61)]
    for event in events if hidden_first else reversed(events):
        await reporter.hear(event)
    post = await read(http, "mine")
    assert (post["text"], post["hidden"], post["deleted_at"] is None) == (None, False, False)
    assert WORDS not in await reporter.everything()
