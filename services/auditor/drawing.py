"""Which posts an audit asks a person about, and how far they are.

Invariant: a draw is kept before it is shown, and of two at once with the same number one is drawn anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.auditor.audit_store import AuditStore
from services.auditor.auditing import TRIES, Command
from services.auditor.audits.labelling import (
    FIRST,
    MORE,
    REPLACEMENT,
    Draw,
    Way,
    first_draw,
    next_draw,
    replacement,
    seed_of,
)
from services.auditor.looking import Looking, Sight
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem
from shared.ids import digest
from shared.judgement import DRAWN


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person is: posts drawn, of those rated, unsure of and left; how many a next draw would bring."""

    drawn: int
    rated: int
    unsure: int
    left: int
    next_draw: int


class Drawing:
    """Draws posts for the models of people."""

    def __init__(self, store: AuditStore, looking: Looking) -> None:
        self._store = store
        self._looking = looking

    async def draw(self, audit: Stored, command: Command, count: int | None, topic: int | None) -> Stored:
        """Return a new draw, or the one this command made before. Raises Problem 422 for a topic without posts."""
        key = digest(f"{audit.audit_id}|{command.key}".encode()) if command.key else None
        if audit.kind == "topic" and topic is None:
            topic = audit.topic
        for _ in range(TRIES):
            known = await self._store.draws_of(audit.owner, audit.model)
            if key is not None and (before := next((each for each in known if each.command == key), None)) is not None:
                return before
            sight = await self._looking.at(audit)
            if topic is not None and not len(sight.corpus.by_topic.rows_of(topic)):
                raise Problem(422, "topic_empty", "No post speaks of this topic.", field="topic")
            ratings = await self._looking.ratings_of(audit)
            number = len(known) + 1
            drawn = drawn_by(sight, known, ratings, seed_of(audit.owner, audit.model, number), count, topic)
            row = {
                "owner": audit.owner,
                "model": audit.model,
                "number": number,
                "audit_id": audit.audit_id,
                "command": key,
                "topic": topic,
                "asked": drawn.asked,
                "method": drawn.way.value,
                "seed": f"{drawn.seed:x}",
                "posts": list(drawn.posts),
                "system_version": audit.system_version,
                "model_version": None if sight.judge is None else sight.judge.basis.version,
                "made_at": utcnow(),
            }
            if await self._store.keep_draw(row):
                return next(
                    each for each in await self._store.draws_of(audit.owner, audit.model) if each.number == number
                )
        raise Problem(409, "busy", "Too many draws at once; try again.", headers={"Retry-After": "1"})


def drawn_by(
    sight: Sight,
    known: Sequence[Stored],
    ratings: Mapping[str, int | None],
    seed: int,
    count: int | None,
    topic: int | None,
) -> Draw:
    """Return the next draw: of every severity until twenty were drawn, then what tells most.

    One post alone stands in for the oldest one that the person was unsure of and that nothing stands in for yet.
    """
    posts = [post for each in known for post in each.posts]
    seen = {*posts, *ratings}
    wanted = progress(posts, ratings).next_draw if count is None else count
    replaced = sum(each.method == Way.REPLACEMENT.value for each in known)
    unsure = [post for post in posts if post in ratings and ratings[post] is None]
    if wanted == REPLACEMENT and len(unsure) > replaced:
        return replacement(sight.corpus, seed, seen, unsure[replaced], topic)
    if len(posts) < FIRST or sight.judge is None:
        return first_draw(sight.corpus, seed, seen, topic, shares(wanted))
    return next_draw(sight.corpus, sight.judge, seed, seen, topic, wanted, sight.table.cut)


def progress(posts: Collection[str], ratings: Mapping[str, int | None]) -> Progress:
    """Return how far a person is with the posts that were drawn."""
    rated = sum(ratings.get(post) is not None for post in posts)
    unsure = sum(post in ratings and ratings[post] is None for post in posts)
    left = len(posts) - rated - unsure
    lacking = FIRST - rated - left
    after = FIRST if not posts else REPLACEMENT if lacking > 0 else MORE
    return Progress(len(posts), rated, unsure, left, after)


def shares(count: int) -> tuple[int, ...]:
    """Return how many posts of each severity a draw of `count` has, in the proportion of the first twenty."""
    whole = [count * each // FIRST for each in DRAWN]
    most_owed = sorted(range(len(DRAWN)), key=lambda at: (-(count * DRAWN[at] % FIRST), at))
    for at in most_owed[: count - sum(whole)]:
        whole[at] += 1
    return tuple(whole)
