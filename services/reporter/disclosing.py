"""Reads what can be published about moderation here. Invariant: nothing of it is about one post or one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.reporter.readmodel import categories_of
from services.reporter.store import Store, Stored
from services.reporter.transparency import Line, Review, Seen, lines
from shared.vocabulary import CATEGORIES, Verdict


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A period, `until` exclusive: lines of all posts, by category and by language, and the models that followed."""

    since: datetime
    until: datetime
    lines: Sequence[Line]
    models: Sequence[Stored]


async def disclosed(store: Store, since: datetime, until: datetime) -> Disclosed:
    """Return counts, reversals and times of a period."""
    async with store.read() as connection:
        seen = await store.seen_between(connection, since, until)
        reviews = await store.reviews_between(connection, since, until)
        promoted = await store.promoted_between(connection, since, until)
    counted = [Seen(row.language, tuple(categories_of(row.flagged_mask)), row.posts) for row in seen]
    words = [
        Review(
            row.post_id,
            Verdict(row.verdict),
            tuple(row.expected or ()),
            tuple(row.actual or ()),
            row.corrected_at,
            row.seen_at,
            row.language,
        )
        for row in reviews
    ]
    return Disclosed(since, until, lines(counted, words, CATEGORIES), promoted)
