"""Scores of a newly promoted model wait, are judged together, and are applied, held or dropped; on both databases."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from services.auditor.audit_store import AuditStore
from services.auditor.closing import AT_ONCE, Closing
from services.auditor.following import Following
from services.auditor.handlers import Handlers
from services.auditor.rebuilding import rebuild
from services.auditor.round_store import RoundStore
from services.auditor.speaking import decided_of
from services.auditor.staging import Staging
from services.auditor.status.gating import Decision, State, Terms
from services.auditor.status.live import Policy
from services.auditor.store import Store
from services.auditor.tables import rounds, staged_scores, status_changes, statuses
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, ModelPromoted, PostScored, Provenance, said
from shared.vocabulary import ScoreSource
from tests.contract.conftest import Migrated
from tests.contract.speech import at, corrected, post, scored
from tests.contract.test_read_models import tell
from tests.contract.test_status_histories import of_statuses
from tests.support.databases import contents

POLICY = Policy()
OLD, NEW, NEXT, LATER = "m-0001-aaaaaaaa", "m-0002-bbbbbbbb", "m-0003-cccccccc", "m-0004-dddddddd"
POSTS = 260
FLAGGED = 40
WILD = 0.9
"""A score that flags."""


class Auditor:
    """The parts of an auditor that rounds are about, on one database."""

    def __init__(self, database: Database, quiet_s: float = 0, terms: Terms = Terms()) -> None:  # noqa: B008
        self.database = database
        self.store, self.rounds = Store(database), RoundStore(database)
        handlers = Handlers(self.store, POLICY, Staging(self.store, self.rounds))
        following = Following(AuditStore(database), handlers)
        self.hears = {
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "models.promoted": following.on_model_promoted,
        }
        self.close = Closing(self.store, self.rounds, POLICY, terms, quiet_s)

    async def hear(self, stream: str, events: Sequence[Event[Any]]) -> list[Any]:
        return [each for some in await tell(self.hears, [(stream, list(events))]) for each in some]

    async def promote(self, version: str, layer: str, replaces: str | None = None, minute: float = 20) -> None:
        await self.hear("models.promoted", [promotion(version, layer, replaces, at(minute))])

    async def statuses(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in await self.store.list_statuses(status=None, after=None, limit=1000):
            found[row.status] = found.get(row.status, 0) + 1
        return found

    async def the_round(self) -> Any:
        (row,) = await self.rounds.page(state=None, before=None, limit=9)
        return row

    async def decide(self, decision: Decision) -> Any:
        row = await self.the_round()
        return await self.rounds.settle(row.round_id, decision, "noor", "looked at it", utcnow())

    async def until_done(self) -> None:
        """Close rounds until a step leaves them as they were."""
        before: Any = None
        while (now := await self.rounds.page(state=None, before=None, limit=9)) != before:
            before = now
            await self.close()


def promotion(version: str, layer: str, replaces: str | None, moment: datetime) -> Event[ModelPromoted]:
    data = ModelPromoted(
        run_id="r",
        model="ombud-scorer",
        model_version=version,
        artifact="f" * 64,
        replaces=replaces,
        promoted_at=moment,
        layer=layer,
    )
    return said(data, by="trainer", cause=f"{version}|{moment}")


def old_scores() -> list[Event[PostScored]]:
    """The first forty posts are flagged, the others are not."""
    return [scored(post(n), WILD if n < FLAGGED else 0.1, model=OLD) for n in range(POSTS)]


def rescored(flagged: range, model: str = NEW, posts: range = range(POSTS), minute: float = 40) -> list[Any]:
    return [scored(post(n), WILD if n in flagged else 0.1, model=model, minute=minute) for n in posts]


async def beginning(database: Database, **settings: Any) -> Auditor:
    """An auditor whose posts were scored by the first model, and that heard of a refit in its place."""
    auditor = Auditor(database, **settings)
    await auditor.promote(OLD, "start", minute=1)
    await auditor.hear("posts.scored", old_scores())
    await auditor.promote(NEW, "refit", OLD)
    return auditor


async def is_empty(database: Database) -> bool:
    async with database.read() as connection:
        return (await connection.execute(select(staged_scores))).first() is None


async def test_a_model_that_flips_few_statuses_is_applied_and_nobody_has_to_do_anything(
    dialect: str, migrated: Migrated
) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    outcomes = await auditor.hear("posts.scored", rescored(range(5, 45)))
    assert not any(outcomes)  # nothing is said yet
    assert await auditor.statuses() == {"flagged": 40, "cleared": 220}
    assert (await auditor.store.find_status(post(2).post_id)).status == "flagged"  # type: ignore[union-attr]
    await auditor.until_done()
    assert (await auditor.store.find_status(post(2).post_id)).status == "cleared"  # type: ignore[union-attr]
    row = await auditor.the_round()
    assert (row.state, row.decision, row.rows, row.waiting) == ("applied", "passed", POSTS, 0)
    steps = await auditor.store.log(post(2).post_id, limit=9)
    assert [each.round_id for each in steps] == [None, row.round_id]
    assert await is_empty(database)


async def test_a_model_that_flips_too_many_is_held_with_the_subsets_that_failed(
    dialect: str, migrated: Migrated
) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    before = await of_statuses(database)
    await auditor.hear("posts.scored", rescored(range(100)))
    await auditor.until_done()
    assert await of_statuses(database) == before
    row = await auditor.the_round()
    assert (row.state, row.decision, row.waiting) == ("held", None, POSTS)
    found = {each["name"]: each for each in row.flips}
    assert (found["all"]["before"], found["all"]["after"], found["all"]["gained"], found["all"]["lost"]) == (
        40,
        100,
        60,
        0,
    )
    failed = {name for name, each in found.items() if each["failed"] == "gained"}
    assert failed == {"all", "platform:forum", "language:en", "category:insult"}  # of 20 nl posts few were new
    assert len(row.examples["all"]["gained"]) == 10
    # later scores of that model wait, too; posts that nobody scored before do not
    await auditor.hear("posts.scored", [scored(post(3), 0.1, model=NEW, minute=50), scored(post(999), WILD, model=NEW)])
    assert (await auditor.store.find_status(post(3).post_id)).status == "flagged"  # type: ignore[union-attr]
    assert (await auditor.store.find_status(post(999).post_id)).status == "flagged"  # type: ignore[union-attr]


async def test_a_person_confirms_a_held_round_once_and_it_is_applied(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(100)))
    await auditor.until_done()
    assert await auditor.decide(Decision.CONFIRMED) is Decision.CONFIRMED
    decided = await auditor.the_round()
    assert await auditor.decide(Decision.CONFIRMED) is Decision.CONFIRMED
    assert await auditor.decide(Decision.ROLLED_BACK) is Decision.CONFIRMED  # too late
    assert (await auditor.the_round()).decided_at == decided.decided_at
    await auditor.until_done()
    assert await auditor.statuses() == {"flagged": 100, "cleared": 160}
    row = await auditor.the_round()
    assert (row.state, row.decision, row.decided_by, row.reason) == ("applied", "confirmed", "noor", "looked at it")
    (event,) = decided_of(row)
    assert (event.data.decision, event.data.model_version) == ("confirmed", NEW)
    # what its model says of older posts from now on is not asked about again
    await auditor.hear("posts.scored", [scored(post(270), 0.1, model=OLD)])
    await auditor.hear("posts.scored", [scored(post(270), WILD, model=NEW, minute=60)])
    assert (await auditor.store.find_status(post(270).post_id)).status == "flagged"  # type: ignore[union-attr]


async def test_a_round_that_is_rolled_back_leaves_nothing_and_the_older_model_decides_again(
    dialect: str, migrated: Migrated
) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(100)))
    await auditor.hear("posts.scored", [scored(post(999), WILD, model=NEW)])  # new: directly
    await auditor.until_done()
    assert await auditor.decide(Decision.ROLLED_BACK) is Decision.ROLLED_BACK
    await auditor.until_done()
    assert await is_empty(database)
    row = await auditor.the_round()
    assert (row.state, row.decision, row.closed_at is not None) == ("discarded", "rolled_back", True)
    # scores of the refused model that come late change nothing
    await auditor.hear("posts.scored", rescored(range(100), minute=45))
    await auditor.until_done()
    assert await auditor.statuses() == {"flagged": 41, "cleared": 220}
    assert await is_empty(database)
    # the model before, in force again, decides at once, also what only the refused one had scored
    await auditor.promote(OLD, "rollback", NEW, minute=50)
    again = said(scored(post(999), 0.1, model=OLD, minute=55).data, by="classifier", cause="once more")
    await auditor.hear("posts.scored", [again])
    assert await auditor.statuses() == {"flagged": 40, "cleared": 221}
    # and so do replays on top of it
    await auditor.promote(LATER, "replay", OLD, minute=60)
    await auditor.hear("posts.scored", [scored(post(999), WILD, model=LATER, minute=65)])
    assert await auditor.statuses() == {"flagged": 41, "cleared": 220}


async def test_a_round_heard_again_is_a_no_op(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    events = rescored(range(5, 45))
    await auditor.hear("posts.scored", events)
    await auditor.hear("posts.scored", events)
    await auditor.until_done()
    before, row = await of_statuses(database), await auditor.the_round()
    assert row.rows == POSTS
    outcomes = await auditor.hear("posts.scored", events)
    assert not any(outcomes)  # what a round brought is the announcer's to say
    await auditor.promote(NEW, "refit", OLD)
    await auditor.until_done()
    assert await of_statuses(database) == before
    assert await auditor.the_round() == row


async def test_a_round_in_parts_passes_no_sooner_than_a_whole(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(100), posts=range(30, 70)))  # too few to be looked at
    await auditor.until_done()
    assert await auditor.statuses() == {"flagged": 70, "cleared": 190}
    await auditor.hear("posts.scored", rescored(range(100), posts=range(70, POSTS)))
    await auditor.until_done()
    row = await auditor.the_round()
    assert (row.state, row.rows, row.waiting) == ("held", 230, 190)
    assert await auditor.statuses() == {"flagged": 70, "cleared": 190}


async def test_scores_that_come_before_the_promotion_wait_until_it_is_heard(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    # a replay on top of the refit, unknown yet, goes on with what the refit had not scored
    await auditor.hear("posts.scored", rescored(range(100), posts=range(100)))
    await auditor.hear("posts.scored", rescored(range(100), model=NEXT, posts=range(100, POSTS), minute=42))
    assert {row.version for row in await auditor.rounds.page(state=None, before=None, limit=9)} == {NEW, NEXT}
    await auditor.promote(NEXT, "replay", NEW, minute=41)
    await auditor.until_done()
    row = await auditor.the_round()
    assert (row.version, row.state, row.rows) == (NEW, "held", POSTS)


async def test_replays_move_posts_of_their_own_training_at_once(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(40)))
    await auditor.until_done()
    await auditor.promote(NEXT, "replay", NEW, minute=50)
    await auditor.hear("posts.scored", [scored(post(100), WILD, model=NEXT, minute=55)])
    assert await auditor.statuses() == {"flagged": 41, "cleared": 219}


async def test_another_model_in_force_ends_a_held_round(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(100)))
    await auditor.until_done()
    await auditor.promote(NEXT, "refit", NEW, minute=60)
    await auditor.until_done()
    row = await auditor.the_round()
    assert (row.state, row.decision, row.waiting) == ("discarded", "superseded", 0)
    assert await auditor.decide(Decision.CONFIRMED) is Decision.SUPERSEDED
    assert await auditor.statuses() == {"flagged": 40, "cleared": 220}


async def test_what_people_said_stands_whatever_a_round_says(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.corrected", [corrected(1, name="a", minute=35)])
    await auditor.hear("posts.scored", rescored(range(5, 45)))
    await auditor.until_done()
    row = await auditor.store.find_status(post(1).post_id)
    assert row is not None
    assert (row.status, row.rule) == ("cleared", "reviewer")
    found = {each["name"]: each for each in (await auditor.the_round()).flips}
    assert (found["all"]["before"], found["all"]["lost"]) == (39, 4)


async def test_an_llms_word_and_a_persons_word_on_an_equal_text_do_not_wait(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    mine = scored(post(100), WILD, model=NEW, minute=40)
    asked = mine.model_copy(update={"data": mine.data.model_copy(update={"source": ScoreSource.LLM})})
    other = scored(post(101), WILD, model=NEW, minute=40)
    word = Provenance(correction_id="c", post_id=post(7).post_id, layer="same", instead_of=0.1)
    felt = other.model_copy(update={"data": other.data.model_copy(update={"corrected": {"insult": word}})})
    await auditor.hear("posts.scored", [asked, felt])
    assert await auditor.statuses() == {"flagged": 42, "cleared": 218}


async def test_of_an_edited_post_the_first_score_counts_at_once_and_the_next_model_s_waits(
    dialect: str, migrated: Migrated
) -> None:
    auditor = await beginning(await migrated("auditor", dialect))
    edited = [scored(post(100, edit=1), WILD, model=model, minute=45 + n) for n, model in enumerate([OLD, NEW])]
    again = scored(post(100, edit=1), 0.1, model=NEW, minute=50)
    await auditor.hear("posts.scored", [*edited, again.model_copy(update={"id": "again"})])
    assert await auditor.statuses() == {"flagged": 41, "cleared": 219}
    assert (await auditor.the_round()).waiting == 2


async def test_several_that_close_the_same_round_apply_it_once(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(5, 45)))
    others = [Auditor(database), Auditor(database)]
    for _ in range(8):
        await asyncio.gather(auditor.close(), *(each.close() for each in others))
    assert (await auditor.the_round()).state == "applied"
    assert await auditor.statuses() == {"flagged": 40, "cleared": 220}


async def test_what_dies_in_the_middle_of_a_round_leaves_the_rest_to_whoever_comes_next(
    dialect: str, migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(5, 45)))
    await auditor.close()  # judged
    save, calls = auditor.store.save, 0

    async def dies(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        await save(*args, **kwargs)
        if calls == 2:
            raise RuntimeError("gone")

    monkeypatch.setattr(auditor.store, "save", dies)
    with pytest.raises(RuntimeError):
        await auditor.close()
    row = await auditor.the_round()
    assert (row.state, row.waiting) == ("applying", POSTS - AT_ONCE)
    after = Auditor(database)
    await after.until_done()
    assert (await after.the_round()).state == "applied"
    compared = await rebuild(after.store, POLICY)
    assert (compared.posts, compared.differences) == (POSTS, {})
    async with database.read() as connection:
        unsaid = (await connection.execute(select(status_changes).where(status_changes.c.announced_at.is_(None)))).all()
    assert len(unsaid) == 10  # five lost, five gained, each once


async def test_a_round_waits_until_no_score_came_for_a_while(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database, quiet_s=3600)
    await auditor.hear("posts.scored", rescored(range(5, 45)))
    await auditor.until_done()
    assert (await auditor.the_round()).state == "gathering"
    async with database.begin() as connection:  # long ago, but this process may not have read everything yet
        await connection.execute(update(rounds).values(last_heard_at=utcnow() - timedelta(days=1)))
    await auditor.until_done()
    assert (await auditor.the_round()).state == State.GATHERING
    later = Auditor(database)
    await later.until_done()
    assert (await later.the_round()).state == State.APPLIED


async def test_no_text_waits_in_a_round(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    await auditor.hear("posts.scored", rescored(range(100)))
    await auditor.until_done()
    found = await contents(database)
    assert "What post" not in repr([found["auditor_rounds"], found["auditor_staged_scores"]])


async def test_a_rebuild_finds_what_does_not_follow_from_the_judgements(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    auditor = await beginning(database)
    reported: list[tuple[int, int]] = []
    found = await rebuild(auditor.store, POLICY, lambda done, total: reported.append((done, total)))
    assert (found.posts, found.different, reported[-1]) == (POSTS, 0, (POSTS, POSTS))
    before = await contents(database)
    async with database.begin() as connection:
        mine = statuses.c.post_id == post(3).post_id
        await connection.execute(update(statuses).where(mine).values(status="cleared"))
        other = status_changes.c.post_id == post(4).post_id
        await connection.execute(update(status_changes).where(other).values(status="needs_review"))
        older = status_changes.c.post_id == post(5).post_id
        await connection.execute(update(status_changes).where(older).values(policy=None))
    found = await rebuild(auditor.store, POLICY)
    assert (found.posts, found.older, set(found.differences)) == (POSTS, 1, {post(3).post_id, post(4).post_id})
    assert found.differences[post(3).post_id] == ["status: cleared is stored, flagged follows"]
    assert (await contents(database))["auditor_judgements"] == before["auditor_judgements"]
