"""`ombud run reporter --rebuild --streams-only`: read models made anew from the streams are those of live operation.

Who cannot be asked for more is named. What owners tell is compared in test_exports and test_embedded_equals_split.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, update

from services.reporter.rebuilding import Rebuilding
from services.reporter.tables import corrections, metadata, model_steps, models, posts
from services.reporter.tail import Tail
from shared.bus.publisher import Publisher, connect
from shared.events import Event
from shared.settings import BusSettings
from shared.vocabulary import Status, Verdict
from tests.support.acting import empty_store
from tests.support.commands import ombud, succeeds
from tests.support.exported import READ_MODELS, hear, rows
from tests.support.servers import Broker
from tests.unit.reporter.conftest import Say, minute


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    running = Broker(tmp_path_factory.mktemp("broker")).start()
    yield running
    running.stop()


@pytest.fixture
def say() -> Say:
    return Say()


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    each = connect(broker.url)
    await each.flushall()
    yield each
    await each.aclose()


def history(say: Say) -> list[Event[Any]]:
    """Return what happened: scores replaced, words taken back, a deletion, an author out of sight."""
    many = [say.scored(f"m{n}", 0.6, n, author="ada") for n in range(700)]
    return [
        *many,
        say.scored("a", 0.9, 1, text="first"),
        say.scored("a", 0.4, 5, text="first"),
        say.scored("a", 0.7, 3, text="first", url="https://forum.example/a"),
        say.scored("b", 0.8, 1, edited=4, text="edited"),
        say.scored("gone", 0.9, 1, text="quizzel", url="https://forum.example/quizzel"),
        say.status("a", Status.FLAGGED, 1),
        say.status("a", Status.CLEARED, 2),
        say.status("b", Status.FLAGGED, 1),
        say.corrected("a", "c1", at=2, verdict=Verdict.INCORRECT),
        say.corrected("a", "c2", at=3),
        say.retracted("c2", at=4),
        say.deleted("gone", at=6),
        say.trained("v2"),
        say.promoted("v2", at=7),
        say.promoted("v2", at=9),
        say.hidden("ada", at=8),
    ]


async def publish(redis: Redis, events: list[Event[Any]]) -> None:
    publisher = Publisher(redis, BusSettings())
    for event in events:
        await publisher.publish_many([event])


async def test_an_empty_store_gets_the_rows_of_live_operation_and_a_second_time_changes_nothing(
    redis: Redis, tmp_path: Path, say: Say
) -> None:
    events = history(say)
    await publish(redis, events)
    (tmp_path / "live").mkdir()
    (tmp_path / "anew").mkdir()
    async with empty_store(tmp_path / "live") as lived, empty_store(tmp_path / "anew") as anew:
        await hear(lived, events)
        done = await Rebuilding(anew, Tail(redis))()
        assert await rows(anew) == await rows(lived)
        assert done.events["posts.scored"] == 705 and done.anew["scores"] == 703 and done.kept == 0
        await Rebuilding(anew, Tail(redis))()
        assert await rows(anew) == await rows(lived)


async def test_rows_that_went_wrong_are_mended_and_what_is_older_than_the_streams_is_kept(
    redis: Redis, tmp_path: Path, say: Say
) -> None:
    events = history(say)
    await publish(redis, events)
    async with empty_store(tmp_path) as store:
        await hear(store, [say.scored("old", 0.7), say.status("old", Status.FLAGGED, 1), *events])
        before = await rows(store)
        async with store.begin() as connection:
            wrong = {"overall": 0.1, "text": "wrong", "score_rank": "9" * 33}
            await connection.execute(update(posts).where(posts.c.post_id != "old").values(wrong))
            stale = {"status": "needs_review", "status_sequence": 99}
            await connection.execute(update(posts).where(posts.c.post_id.in_(["a", "b"])).values(stale))
            await connection.execute(update(corrections).values(verdict="unsure", retracted=True))
            await connection.execute(update(models).values(name="?", promoted_at=minute(99)))
            await connection.execute(update(model_steps).values(stage="refused", at=minute(99)))
            await connection.execute(delete(posts).where(posts.c.post_id == "m1"))
        assert await rows(store) != before
        done = await Rebuilding(store, Tail(redis))()
        assert await rows(store) == before
        assert done.kept == 1


async def test_the_command_says_what_it_did_and_refuses_other_services(
    redis: Redis, broker: Broker, tmp_path: Path, say: Say
) -> None:
    await publish(redis, [say.scored("a", 0.9), say.status("a", Status.FLAGGED)])
    rebuild = ("run", "reporter", "--rebuild")
    told = await succeeds(*rebuild, "--streams-only", data_dir=tmp_path, redis_url=broker.url)
    assert "replayed         1 events of posts.scored" in told
    assert "made anew: 1 scores, 1 statuses" in told
    with sqlite3.connect(tmp_path / "reporter.sqlite3") as file:
        assert file.execute("SELECT post_id, status, overall FROM reporter_posts").fetchall() == [("a", "flagged", 0.9)]
    refused = await ombud("run", "trainer", "--rebuild", data_dir=tmp_path, redis_url=broker.url)
    assert refused.returncode == 2
    # whoever cannot be asked is named, and nothing is made anew without them
    (tmp_path / "other").mkdir()
    for where, said in (({}, "nobody said where"), ({"reporter_classifier_url": "http://127.0.0.1:1"}, "no answer at")):
        stopped = await ombud(
            *rebuild, data_dir=tmp_path / "other", redis_url=broker.url, bootstrap_key="k" * 40, **where
        )
        assert stopped.returncode == 1 and f"Stopped: classifier: {said}" in stopped.stdout, stopped.stderr
        assert "nothing was changed" in stopped.stdout
    with sqlite3.connect(tmp_path / "other" / "reporter.sqlite3") as file:
        assert file.execute("SELECT count(*) FROM reporter_posts").fetchone() == (0,)


def test_every_table_of_read_models_is_compared_here() -> None:
    own = {
        "reporter_reports",
        "reporter_report_steps",
        "reporter_evidence",
        "reporter_statements",
        "reporter_deliveries",
        "reporter_webhooks",
        "reporter_dispatches",
        "reporter_webhook_holds",
        "reporter_labels",
        "reporter_label_work",
        "reporter_acts",
        "reporter_act_work",
        "reporter_people",
        "reporter_sessions",
        "reporter_invitations",
        "reporter_commands",
        "reporter_reveals",
        "reporter_secrets",
        "reporter_console_acts",
        "reporter_views",
        "reporter_notes",
        "reporter_tries",
        "reporter_gone_accounts",
        "reporter_team",
    }
    assert set(metadata.tables) - own == {table.name for table in READ_MODELS}
