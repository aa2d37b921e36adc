"""What the quality page asks of the reporter's tables, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

from services.reporter.store import Store
from services.reporter.tables import posts
from shared.db import upsert
from tests.contract.conftest import Migrated

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEARD = {"correction_id": "c1", "post_id": "a", "verdict": "correct", "standing": "reviewer", "corrected_at": AT}


async def test_a_blind_verdict_is_marked_whether_it_was_heard_before_or_not(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    async with store.begin() as connection:
        await store.note_blind(connection, "c1")  # the console knows first
        await store.put_corrections(connection, [HEARD, HEARD | {"correction_id": "c2"}])
        await store.note_blind(connection, "c2")
        await store.put_corrections(connection, [HEARD | {"correction_id": "c2"}])  # told again
        words = await store.words_on(connection, "a")
    assert [(word.correction_id, word.blind, word.verdict) for word in words] == [
        ("c1", True, "correct"),
        ("c2", True, "correct"),
    ]


async def test_verdicts_come_with_scores_and_without_what_is_gone_or_taken_back(
    dialect: str, migrated: Migrated
) -> None:
    store = Store(await migrated("reporter", dialect))
    later = AT + timedelta(days=2)
    words = [HEARD | {"correction_id": f"c{n}", "post_id": post} for n, post in enumerate(("a", "gone", "b"))]
    async with store.begin() as connection:
        scored = {"source": "local", "own_scores": {"insult": 0.8}, "thresholds": {"overall": 0.6}, "language": "nl"}
        there = [
            {"post_id": "a", **scored, "scored_at": AT, "deleted_at": None},
            {"post_id": "gone", **scored, "scored_at": AT, "deleted_at": later},
            {"post_id": "b", **scored, "scored_at": later, "deleted_at": None, "thresholds": {"overall": 0.7}},
        ]
        await upsert(connection, posts, there)
        await store.put_corrections(connection, words)
        await store.put_corrections(
            connection, [HEARD | {"correction_id": "r", "post_id": "a", "standing": "reporter"}]
        )
        await store.take_back(connection, [{"correction_id": "c2", "retracted": True}])
    async with store.read() as connection:
        (said,) = await store.verdicts_between(connection, AT, later, "nl")
        assert (said.post_id, said.own_scores, said.blind) == ("a", {"insult": 0.8}, None)
        assert list(await store.verdicts_between(connection, AT, later, "en")) == []
        assert list(await store.verdicts_between(connection, later, later, None)) == []
        assert await store.newest_scores(connection, 1) == [{"insult": 0.8}]
        assert await store.last_thresholds(connection) == {"overall": 0.7}


async def test_lives_of_models_are_kept_once_and_newest_first(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    step = {
        "event_id": "e1",
        "version": "v1",
        "stage": "candidate",
        "layer": None,
        "reasons": ["why"],
        "replaces": None,
    }
    model = {"version": "v1", "kind": "global", "metrics": {"auc": 0.9}, "champion_metrics": {"auc": 0.8}}
    async with store.begin() as connection:
        await store.put_trained(connection, [model | {"trained_at": AT}])
        await store.put_trained(connection, [model | {"version": "v2", "trained_at": AT + timedelta(days=1)}])
        for _ in range(2):
            await store.put_steps(connection, [step | {"at": AT}])
        await store.put_steps(
            connection, [step | {"event_id": "e2", "stage": "refused", "at": AT + timedelta(hours=1)}]
        )
    async with store.read() as connection:
        found = await store.newest_models(connection, 5)
        assert [(row.version, row.champion_metrics) for row in found] == [("v2", {"auc": 0.8}), ("v1", {"auc": 0.8})]
        steps = await store.steps_of_models(connection, ["v1", "v2"])
        assert [(row.stage, row.reasons) for row in steps] == [("candidate", ["why"]), ("refused", ["why"])]
