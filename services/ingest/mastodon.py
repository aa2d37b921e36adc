"""Reads a Mastodon server: public timelines, hashtags and accounts, and whether a status still exists.

The only file that knows Mastodon.py. Invariant: a feed's position only ever moves to a status whose predecessors were
handed on, oldest first, so that whoever is killed in between goes on without a gap.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from mastodon import Mastodon
from mastodon.errors import MastodonAPIError, MastodonError, MastodonNotFoundError, MastodonRatelimitError
from pydantic import SecretStr, ValidationError

from services.ingest.changes import Batch, Change, Pause
from services.ingest.mastodon_posts import Status, change_of
from services.ingest.sources import MastodonTimelines
from shared import ids
from shared.clock import utcnow
from shared.errors import Problem, describe

log = structlog.get_logger("ombud.ingest")

PAGE = 40
"""The most statuses a Mastodon server gives at once."""
PATIENCE_S = 60.0
"""How long to wait when a server that refuses does not say how long."""
LONGEST_PAUSE_S = 1_800.0
GONE = ((404,), (410,))
"""Second argument of Mastodon.py's errors: statuses of HTTP that say there is no such status any more."""

Read = Callable[..., Sequence[Any]]
"""Reads one page of a feed."""


def id_at(moment: datetime) -> str:
    """Return the id that a status of this moment would have at least. Source: Mastodon's lib/mastodon/snowflake.rb."""
    return str(int(moment.timestamp() * 1000) << 16)


def order(status_id: str) -> tuple[int, str]:
    """Return what sorts ids by age: Mastodon's are numbers, and text of one length sorts like them."""
    return len(status_id), status_id


async def follow(source: MastodonTimelines, cursor: Mapping[str, Any] | None) -> AsyncGenerator[Batch, None]:
    """Yield what is new in the feeds of a source, page by page; every round ends with a batch, often an empty one.

    Raises Pause when the server asks for patience, MastodonError when it fails.
    """
    reading = _Reading(source, cursor)
    yield await reading.begin()
    while True:
        async with aclosing(reading.forward()) as batches:
            async for batch in batches:
                yield batch
        yield await reading.look_again()
        await asyncio.sleep(source.every_s)


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says about statuses: those it has, ids it has no longer, and those it was not asked about."""

    there: list[Status] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


async def look_up(base_url: str, token: SecretStr | None, timeout_s: float, status_ids: Sequence[str]) -> Found:
    """Ask a server about statuses one by one, until it asks for patience. Raises Problem 502 when it fails."""
    client, found = _client(base_url, token, timeout_s), Found()
    for at, status_id in enumerate(status_ids):
        try:
            status = await asyncio.to_thread(client.status, status_id)
            found.there.append(Status.model_validate(status))
        except MastodonRatelimitError:
            found.unasked.extend(status_ids[at:])
            break
        except (MastodonError, ValidationError) as error:
            if not (isinstance(error, MastodonAPIError) and error.args[1:2] in GONE):
                log.warning("the server did not say whether a status exists", base_url=base_url, error=describe(error))
                raise Problem(502, "platform_failed", "The Mastodon server gave no usable answer.") from None
            found.gone.append(status_id)
    return found


def _client(base_url: str, token: SecretStr | None, timeout_s: float) -> Mastodon:
    return Mastodon(
        api_base_url=base_url.rstrip("/"),
        access_token=token.get_secret_value() if token else None,
        version_check_mode="none",
        ratelimit_method="throw",
        request_timeout=timeout_s,
        user_agent="ombud",
    )


class _Reading:
    """One pass over a source's feeds, and where each of them stands.

    A place is `from` (nothing older is taken), `after` (everything up to it was handed on) and `seen` (the newest
    page, id -> revision: it is read again every round, for edits and for statuses that arrived late).
    """

    def __init__(self, source: MastodonTimelines, cursor: Mapping[str, Any] | None) -> None:
        self._source = source
        self._client = _client(source.base_url, source.token, source.timeout_s)
        self._places: dict[str, dict[str, Any]] = {name: dict(place) for name, place in (cursor or {}).items()}
        self._feeds: dict[str, Read] = {}

    async def begin(self) -> Batch:
        """Find the accounts and fix where each new feed begins, before anything is read."""
        self._feeds = {name: getattr(self._client, f"timeline_{name}") for name in self._source.timelines}
        for tag in self._source.hashtags:
            self._feeds[f"#{tag}"] = lambda tag=tag, **where: self._client.timeline_hashtag(tag, **where)
        for name in self._source.accounts:
            try:
                account = await self._ask(self._client.account_lookup, name)
            except MastodonNotFoundError:
                log.warning("the server knows no such account", base_url=self._source.base_url)
                continue
            self._feeds[f"@{name}"] = lambda each=account.id, **where: self._client.account_statuses(
                each, exclude_reblogs=True, **where
            )
        start = id_at(utcnow() - timedelta(seconds=self._source.backfill_s))
        for name in self._feeds:
            self._places.setdefault(name, {"from": start, "after": start, "seen": {}})
        return self._batch([])

    async def forward(self) -> AsyncGenerator[Batch, None]:
        """Yield everything newer than the places, oldest first; a page of each feed in turn, so that none waits."""
        behind = list(self._feeds)
        while behind:
            for name in list(behind):
                place = self._places[name]
                page, newest = await self._page(name, min_id=place["after"])
                if order(newest) > order(place["after"]):
                    place["after"] = newest
                    place["seen"] = dict([*place["seen"].items(), *_revisions(page).items()][-PAGE:])
                    yield self._batch(self._changes(page))
                else:
                    behind.remove(name)

    async def look_again(self) -> Batch:
        """Return what was edited in, or arrived late for, the newest page of each feed."""
        changes: list[Change] = []
        for name in self._feeds:
            place = self._places[name]
            since, until = order(place["from"]), order(place["after"])
            page = [each for each in (await self._page(name))[0] if since < order(each.id) <= until]
            seen = _revisions(page)
            changes += self._changes([each for each in page if place["seen"].get(each.id) != seen[each.id]])
            place["seen"] = seen
        return self._batch(changes)

    def _batch(self, changes: Sequence[Change]) -> Batch:
        return Batch(changes, {name: dict(place) for name, place in self._places.items()})

    def _changes(self, page: Sequence[Status]) -> list[Change]:
        changes = [change_of(each, self._source.visibilities, self._source.language) for each in page]
        return [change for change in changes if change is not None]

    async def _page(self, feed: str, **where: str) -> tuple[list[Status], str]:
        """Return a page of a feed, oldest first and without what is no status, and the newest id of everything."""
        page, newest = [], ""
        for raw in await self._ask(self._feeds[feed], limit=PAGE, **where):
            newest = max(newest, str(raw["id"]), key=order)
            try:
                page.append(Status.model_validate(raw))
            except ValidationError as error:
                log.warning("not a status", base_url=self._source.base_url, error=describe(error))
        return sorted(page, key=lambda each: order(each.id)), newest

    async def _ask(self, call: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Call the server in a thread. Raises Pause for as long as it wants to be left alone."""
        try:
            return await asyncio.to_thread(call, *values, **named)
        except MastodonRatelimitError:
            reset = getattr(self._client, "ratelimit_reset", None)
            pause = PATIENCE_S if reset is None else reset - utcnow().timestamp()
            raise Pause(min(max(pause, 1.0), LONGEST_PAUSE_S), "the server's rate limit is reached") from None


def _revisions(page: Sequence[Status]) -> dict[str, int]:
    return {each.id: ids.revision_of(each.edited_at) for each in page}
