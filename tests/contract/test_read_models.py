"""The same events leave the same rows, and the same words, on SQLite and PostgreSQL: trainer, auditor, reporter."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.auditor.audit_store import AuditStore
from services.auditor.following import Following
from services.auditor.handlers import Handlers as AuditorHandlers
from services.auditor.status.live import Policy
from services.auditor.store import Store as AuditorStore
from services.reporter.handlers import Handlers as ReporterHandlers
from services.reporter.store import Store as ReporterStore
from services.trainer.handlers import Handlers as TrainerHandlers
from services.trainer.personalising import Personalising
from services.trainer.runs import Result, RunState, Trigger
from services.trainer.store import Store as TrainerStore
from services.trainer.store.ratings import RatingStore
from shared.artifacts import ArtifactStore
from shared.bus.batch import Handler, settle
from shared.bus.commit import Done, Outcome
from shared.db import Database
from shared.events import Event
from shared.vocabulary import Status, Verdict
from tests.contract import speech
from tests.contract.conftest import Migrated
from tests.contract.speech import at, batches, conversation, corrected, post, retracted, scored
from tests.support.databases import DIALECTS, Contents, contents

READERS = ("trainer", "auditor", "reporter")
SEEDS = (1, 2, 3)
FROM_THE_CLOCK = {
    "reporter_reports": {"redacted_at"},
    "trainer_rating_log": {"heard_at"},
    "auditor_posts": {"sequence"},
    "auditor_ratings": {"sequence"},
    "auditor_counters": {"value"},
}
"""From the clock, or from how many batches came."""
FROM_THE_ARRIVAL = {
    "trainer_posts": {"overall", "scores", "flagged", "model_version", "scored_at", "llm_flagged"},
    "trainer_rating_log": {"heard_at", "system", "version"},
    "trainer_personal_models": {"version"},
}
"""Of several scores of one revision the trainer keeps the one that came last; it learns from none of them. How many
versions a person's model had follows from which ratings came together."""
AS_MANY_AS_CAME = ("trainer_personal_versions", "reporter_gone_accounts")
"""As many posts went with an account as were known when it went."""

every_reader = pytest.mark.parametrize("service", READERS)
every_seed = pytest.mark.parametrize("seed", SEEDS)


async def handlers_of(service: str, database: Database) -> Mapping[str, Handler]:
    """Return the handlers of a service by stream."""
    made: Any
    beside: Any = None
    if service == "trainer":
        trainer = TrainerStore(database)
        made = TrainerHandlers(trainer, Personalising(RatingStore(database), trainer, ArtifactStore(Path("none")), 500))
    elif service == "auditor":
        made = AuditorHandlers(AuditorStore(database), Policy(review_from=0.35))
        beside = Following(AuditStore(database), made)
    else:
        store = ReporterStore(database)
        await store.open()
        made = ReporterHandlers(store)
    names = {
        "posts.scored": "on_post_scored",
        "posts.corrected": "on_post_corrected",
        "posts.rated": "on_post_rated",
        "posts.deleted": "on_post_deleted",
        "posts.status_changed": "on_post_status_changed",
        "models.trained": "on_model_trained",
        "models.promoted": "on_model_promoted",
    }
    return {
        stream: getattr(each, name) for each in (beside, made) for stream, name in names.items() if hasattr(each, name)
    }


def words(outcomes: Sequence[Outcome]) -> list[list[Any]]:
    """What a batch said, without the moment it was said at."""
    found = []
    for outcome in outcomes:
        assert isinstance(outcome, Done), outcome
        found.append([orjson.loads(each.model_copy(update={"time": None}).wire()) for each in outcome.says])
    return found


async def tell(handlers: Mapping[str, Handler], heard: Sequence[tuple[str, list[Event[Any]]]]) -> list[Any]:
    """Deliver batches one after the other and return what was said."""
    return [words(await settle(handlers[stream], batch)) for stream, batch in heard]


@every_reader
@every_seed
async def test_both_databases_end_in_equal_rows_and_say_the_same(service: str, seed: int, migrated: Migrated) -> None:
    heard = batches(service, seed, conversation(seed))
    found: dict[str, tuple[Contents, list[Any]]] = {}
    for dialect in DIALECTS:
        database = await migrated(service, dialect)
        said = await tell(await handlers_of(service, database), heard)
        found[dialect] = await contents(database, FROM_THE_CLOCK), said
    assert found["sqlite"] == found["postgresql"]
    filled = [name for name, rows in found["sqlite"][0].items() if rows]
    assert len(filled) >= 3


@every_reader
@every_seed
async def test_no_text_of_a_deleted_post_is_left_whatever_the_order(
    service: str, seed: int, dialect: str, migrated: Migrated
) -> None:
    database = await migrated(service, dialect)
    await tell(await handlers_of(service, database), batches(service, seed, conversation(seed)))
    everything = repr(await contents(database))
    for text in speech.texts_that_must_be_gone():
        assert text not in everything
    gone = speech.author_of(1)
    assert gone == speech.GONE_AUTHOR
    assert repr(post(1, author=gone).author) not in everything.replace(f"|{post(1, author=gone).author}", "")


@every_reader
async def test_a_whole_repetition_changes_no_row_and_says_the_same_events(
    service: str, dialect: str, migrated: Migrated
) -> None:
    database = await migrated(service, dialect)
    handlers = await handlers_of(service, database)
    heard = batches(service, 4, conversation(4))
    first = await tell(handlers, heard)
    before = await contents(database)
    again = await tell(handlers, heard)
    assert await contents(database, FROM_THE_CLOCK) == {
        name: [{key: row[key] for key in row if key not in FROM_THE_CLOCK.get(name, ())} for row in rows]
        for name, rows in before.items()
    }
    assert {each["id"] for each in flat(again)} == {each["id"] for each in flat(first)}


def flat(said: list[Any]) -> list[dict[str, Any]]:
    """Every event of what was said."""
    return [event for batch in said for outcome in batch for event in outcome]


def differing(one: Contents, other: Contents) -> set[tuple[str, str]]:
    """Every (table, column) in which some row differs; "rows" where one has more of them."""
    found = {(name, "rows") for name in one if len(one[name]) != len(other[name])}
    for name in one:
        for left, right in zip(one[name], other[name], strict=False):
            found |= {(name, column) for column in left if left[column] != right[column]}
    return found


@pytest.mark.parametrize("service", ["reporter", "trainer"])
@every_seed
async def test_any_order_of_the_same_events_leaves_the_same_rows(service: str, seed: int, migrated: Migrated) -> None:
    events = conversation(seed)
    found = []
    for dialect, order in (("sqlite", seed), ("sqlite", seed + 50), ("postgresql", seed + 99)):
        database = await migrated(service, dialect)
        mixed = random.Random(order).sample(events, k=len(events))
        await tell(await handlers_of(service, database), batches(service, order, mixed))
        rows = await contents(database, FROM_THE_CLOCK | FROM_THE_ARRIVAL)
        found.append({name: rows[name] for name in rows if name not in AS_MANY_AS_CAME})
    for other in found[1:]:
        assert differing(found[0], other) == set()


# -- auditor ------------------------------------------------------------------------------------------------


async def test_two_processes_that_judge_the_same_posts_lose_no_step(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    handlers = await handlers_of("auditor", database)
    await tell(handlers, [("posts.scored", [scored(post(n), 0.9) for n in range(20)])])

    async def correct(names: str) -> None:
        batch = [corrected(n, name=f"{n}{names}", verdict=Verdict.INCORRECT, minute=60 + n) for n in range(20)]
        words(await settle(handlers["posts.corrected"], batch))

    await asyncio.gather(*(correct(each) for each in "abc"))
    store = AuditorStore(database)
    for n in range(20):
        steps = await store.history(post(n).post_id, limit=10)
        assert [step.sequence for step in steps] == [1, 2]
        assert [step.status for step in steps] == [Status.FLAGGED, Status.CLEARED]


async def test_a_retraction_gives_the_decision_back_to_the_model(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    handlers = await handlers_of("auditor", database)
    heard: list[tuple[str, list[Event[Any]]]] = [
        ("posts.scored", [scored(post(1), 0.9)]),
        ("posts.corrected", [corrected(1, name="a")]),
        ("posts.corrected", [retracted("a")]),
    ]
    said = flat(await tell(handlers, heard))
    assert [(each["data"]["status"], each["data"]["rule"]) for each in said] == [
        ("flagged", "model"),
        ("cleared", "reviewer"),
        ("flagged", "model"),
    ]
    assert [(row.status, row.posts, row.reviewed) for row in await AuditorStore(database).totals()] == [
        ("flagged", 1, 0)
    ]


# -- trainer ------------------------------------------------------------------------------------------------

RESULT = Result(
    model="ombud-scorer",
    artifact="a" * 64,
    data_hash="d" * 64,
    examples=900,
    corrections=1,
    held_out=200,
    metrics={"macro": {"auc": 0.9}, "categories": {}},
    champion_metrics=None,
    passed=True,
    reasons=("there is no champion",),
    taught=(),
)


async def several(work: Callable[[], Awaitable[Any]], times: int = 8) -> list[Any]:
    """The answers of several callers at the same time."""
    return list(await asyncio.gather(*(work() for _ in range(times))))


async def test_of_many_who_want_a_run_one_gets_it_and_one_works_on_it(dialect: str, migrated: Migrated) -> None:
    store = TrainerStore(await migrated("trainer", dialect))
    queued = await several(lambda: store.queue_run(Trigger.COMMAND, "hashed", at(0)))
    assert len({run_id for run_id, _ in queued}) == 1
    assert [mine for _, mine in queued].count(True) == 1
    claims = await several(lambda: store.claim(queued[0][0], "me", at(1)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_run_that_was_taken_over_cannot_be_finished_by_its_old_owner(dialect: str, migrated: Migrated) -> None:
    store = TrainerStore(await migrated("trainer", dialect))
    run_id, _ = await store.queue_run(Trigger.START, "hashed", at(0))
    assert run_id is not None
    lost = await store.claim(run_id, "gone", at(1))
    assert lost is not None
    await store.recover_lost(at(1.4))
    assert await store.beat(lost, at(1.5))
    await store.recover_lost(at(10))
    taken = await store.claim(run_id, "next", at(11))
    assert taken is not None
    assert not await store.beat(lost, at(11))
    assert await store.finish(lost, RESULT, None, at(12)) is None
    assert await store.finish(taken, RESULT, None, at(12)) == "m-0001-aaaaaaaa"
    (model,) = await store.latest_models(10)
    assert (model.promoted, model.promoted_at, model.announced_at) == (True, at(12), None)
    row = await store.run(run_id)
    assert row is not None
    assert (row.state, row.attempt, row.metrics) == (RunState.FINISHED, 2, RESULT.metrics)
    _, mine = await store.queue_run(Trigger.COMMAND, "hashed", at(13))
    assert mine


async def test_a_snapshot_holds_each_correction_with_its_post_and_is_taken_once(
    dialect: str, migrated: Migrated
) -> None:
    database = await migrated("trainer", dialect)
    store = TrainerStore(database)
    what = post(1, edit=1)
    heard: list[tuple[str, list[Event[Any]]]] = [
        ("posts.corrected", [corrected(1, name="a", expected_categories=("insult",)), corrected(2, name="b")]),
        ("posts.scored", [scored(what, 0.2)]),
    ]
    await tell(await handlers_of("trainer", database), heard)
    assert (await store.outlook()).waiting == 2
    run_id, _ = await store.queue_run(Trigger.CORRECTIONS, "hashed", at(0))
    assert run_id is not None
    claim = await store.claim(run_id, "me", at(1))
    assert claim is not None
    champion, material = await store.snapshot(claim)
    assert champion is None
    assert {each.post_id: (each.post_text, each.expected) for each in material} == {
        what.post_id: (what.text, ("insult",)),
        post(2).post_id: (None, ()),
    }
    assert (await store.outlook()).waiting == 0
