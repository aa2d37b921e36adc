"""The scripted Mastodon server of these tests behaves as Mastodon.py, which we did not write, expects a server to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mastodon import Mastodon
from mastodon.errors import (
    MastodonAPIError,
    MastodonNotFoundError,
    MastodonRatelimitError,
    MastodonServiceUnavailableError,
    MastodonUnauthorizedError,
)

from tests.support.mastodon import MastodonServer, account, snowflake, status, timeline

NEWEST = datetime(2026, 11, 14, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[MastodonServer]:
    with MastodonServer(timeline(105, NEWEST, timedelta(seconds=7))) as each:
        yield each


def client(server: MastodonServer) -> Mastodon:
    return Mastodon(access_token="t", api_base_url=server.url, version_check_mode="none", ratelimit_method="throw")


def test_a_timeline_is_paged_by_its_link_headers_until_nothing_is_left(server: MastodonServer) -> None:
    mastodon = client(server)
    page, found = mastodon.timeline_public(limit=40), []
    while page:
        found += [each.id for each in page]
        page = mastodon.fetch_next(page)
    assert found == [each["id"] for each in reversed(server.statuses)]
    assert found == [each.id for each in mastodon.fetch_remaining(mastodon.timeline_public(limit=40))]


def test_a_timeline_is_paged_towards_the_newest(server: MastodonServer) -> None:
    mastodon = client(server)
    page = mastodon.timeline_public(min_id=server.statuses[9]["id"], limit=40)
    assert [each.id for each in page] == [each["id"] for each in reversed(server.statuses[10:50])]
    after = mastodon.fetch_previous(page)
    assert [each.id for each in after] == [each["id"] for each in reversed(server.statuses[50:90])]


def test_since_id_gives_the_newest_and_min_id_the_next(server: MastodonServer) -> None:
    mastodon, first = client(server), server.statuses[0]["id"]
    assert mastodon.timeline_public(since_id=first, limit=5)[0].id == server.statuses[-1]["id"]
    assert mastodon.timeline_public(min_id=first, limit=5)[-1].id == server.statuses[1]["id"]
    assert mastodon.timeline_public(min_id=server.statuses[-1]["id"]) == []


def test_a_page_has_twenty_statuses_and_never_more_than_forty(server: MastodonServer) -> None:
    assert len(client(server).timeline_public()) == 20
    assert len(client(server).timeline_public(limit=400)) == 40


def test_a_status_has_the_types_that_the_client_knows(server: MastodonServer) -> None:
    (newest,) = client(server).timeline_public(limit=1)
    assert (newest.account.acct, newest.visibility, newest.reblog) == ("ada", "public", None)
    assert newest.created_at == NEWEST
    assert client(server).status(newest.id).content == newest.content


def test_timelines_differ(server: MastodonServer) -> None:
    tags = [{"name": "Soup", "url": "https://town.example/tags/soup"}]
    boosted = status(snowflake(NEWEST, 900))
    server.statuses += [
        status(snowflake(NEWEST, 901), by="eve@far.example", account=account("eve@far.example", "11"), tags=tags),
        status(snowflake(NEWEST, 902), visibility="unlisted"),
        status(snowflake(NEWEST, 903), reblog=boosted),
    ]
    mastodon = client(server)
    assert [each.account.acct for each in mastodon.timeline_public(limit=1)] == ["eve@far.example"]
    assert mastodon.timeline_local(limit=1)[0].account.acct == "ada"
    assert [each.account.acct for each in mastodon.timeline_hashtag("soup")] == ["eve@far.example"]
    ada = mastodon.account_lookup("ada")
    assert mastodon.account_statuses(ada.id, limit=1)[0].reblog is not None
    assert mastodon.account_statuses(ada.id, limit=1, exclude_reblogs=True)[0].visibility == "unlisted"


def test_refusals_are_the_client_s_own_errors(server: MastodonServer) -> None:
    mastodon = client(server)
    with pytest.raises(MastodonNotFoundError):
        mastodon.status("1")
    with pytest.raises(MastodonNotFoundError):
        mastodon.account_lookup("nobody")
    server.forbidden.add(server.statuses[0]["id"])
    with pytest.raises(MastodonAPIError) as refused:
        mastodon.status(server.statuses[0]["id"])
    assert refused.value.args[1] == 403
    server.script += [503]
    with pytest.raises(MastodonServiceUnavailableError):
        mastodon.timeline_public()
    server.token = "another"
    with pytest.raises(MastodonUnauthorizedError):
        mastodon.timeline_public()


def test_the_rate_limit_is_told_and_kept(server: MastodonServer) -> None:
    mastodon = client(server)
    server.remaining, server.reset = 2, datetime.now(UTC) + timedelta(seconds=90)
    mastodon.timeline_public()
    mastodon.timeline_public()
    assert mastodon.ratelimit_remaining == 0
    with pytest.raises(MastodonRatelimitError):
        mastodon.timeline_public()
    assert mastodon.ratelimit_reset == pytest.approx(server.reset.timestamp(), abs=2)
