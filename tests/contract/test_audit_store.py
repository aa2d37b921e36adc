"""Audits, models' names, draws, evidence and snapshots are kept alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.auditor.audit_store import AuditStore
from services.auditor.following import Following
from services.auditor.handlers import Handlers
from services.auditor.status.live import Policy
from services.auditor.store import Store
from shared.db import Database
from shared.events import ModelPromoted, said
from shared.vocabulary import ModelKind
from tests.contract.conftest import Migrated

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minute: int) -> datetime:
    """Return a moment of the day these tests play on."""
    return NOON + timedelta(minutes=minute)


@pytest.fixture
async def database(migrated: Migrated, dialect: str) -> Database:
    """The auditor's tables on each database."""
    return await migrated("auditor", dialect)


@pytest.fixture
def store(database: Database) -> AuditStore:
    """The store of audits on them."""
    return AuditStore(database)


@pytest.fixture
def corpus(database: Database) -> Store:
    """The store of what audits look at."""
    return Store(database)


def audit(audit_id: str, owner: str = "ann", minute: int = 0, **other: Any) -> dict[str, Any]:
    """Return the row of a new audit."""
    return {
        "audit_id": audit_id,
        "owner": owner,
        "version": 1,
        "request_hash": "0" * 64,
        "kind": "personal",
        "title": "mine",
        "model": "",
        "topic": None,
        "group_id": None,
        "system": "scorer",
        "system_version": "m-1",
        "cut": 2.0,
        "scaffold": "personal",
        "created_at": at(minute),
        "updated_at": at(minute),
        **other,
    }


def promoted(version: str, minute: int, kind: ModelKind = ModelKind.GLOBAL) -> Any:
    """Return the word that a model was put in force."""
    data = ModelPromoted(
        run_id=version, kind=kind, model="scorer", model_version=version, artifact="a" * 64, promoted_at=at(minute)
    )
    return said(data, by="trainer", cause=f"{version} {minute}")


async def test_an_audit_is_its_owners_alone(store: AuditStore) -> None:
    assert await store.begin_audit(audit("a"))
    assert not await store.begin_audit(audit("a", owner="bob")), "an id is given once"
    mine = await store.audit("a", "ann")
    assert mine is not None and (mine.owner, mine.cut, mine.archived_at) == ("ann", 2.0, None)
    assert await store.audit("a", "bob") is None
    assert await store.audit("a", None) is not None, "who administers sees it"
    assert await store.audits_of("bob", archived=True, after=None, limit=9) == []


async def test_audits_are_listed_newest_first_page_by_page_and_the_archived_on_request(store: AuditStore) -> None:
    for name, minute in (("a", 0), ("b", 1), ("c", 1), ("d", 2)):
        await store.begin_audit(audit(name, minute=minute))
    assert await store.change_audit("d", 1, {"archived_at": at(3)})
    found, after = [], None
    while page := await store.audits_of("ann", archived=False, after=after, limit=2):
        found += [row.audit_id for row in page]
        after = (page[-1].created_at, page[-1].audit_id)
    assert found == ["c", "b", "a"]
    assert [row.audit_id for row in await store.audits_of("ann", archived=True, after=None, limit=9)] == [*"dcba"]


async def test_of_two_changes_to_the_same_version_one_is_refused(store: AuditStore) -> None:
    await store.begin_audit(audit("a"))
    assert await store.change_audit("a", 1, {"title": "first"})
    assert not await store.change_audit("a", 1, {"title": "second"})
    row = await store.audit("a", "ann")
    assert row is not None and (row.title, row.version) == ("first", 2)


async def test_a_models_name_is_its_owners_and_changes_by_version(store: AuditStore) -> None:
    row = {"owner": "ann", "model": "m", "name": "strict", "version": 1, "created_at": at(0), "updated_at": at(0)}
    assert await store.name_model(row)
    assert not await store.name_model(row | {"name": "other"})
    assert await store.name_model(row | {"owner": "bob", "name": "theirs"})
    assert await store.rename_model("ann", "m", 1, "stricter", at(1))
    assert not await store.rename_model("ann", "m", 1, "too late", at(2))
    assert not await store.rename_model("eve", "m", 1, "not hers", at(2))
    assert [(each.name, each.version) for each in await store.named_models_of("ann", 9)] == [("stricter", 2)]
    theirs = await store.named_model("bob", "m")
    assert theirs is not None and theirs.name == "theirs"


async def test_a_draw_is_kept_once_per_number_and_in_its_order(store: AuditStore) -> None:
    row = {
        "owner": "ann", "model": "", "number": 1, "audit_id": "a", "command": None, "topic": None, "asked": 2,
        "method": "severities", "seed": "5" * 64, "posts": ["p2", "p1"], "system_version": "m-1",
        "model_version": None, "made_at": at(0),
    }  # fmt: skip
    assert await store.keep_draw(row)
    assert not await store.keep_draw(row | {"posts": ["p3"]})
    assert await store.keep_draw(row | {"number": 2, "posts": ["p4"], "topic": 7})
    assert await store.keep_draw(row | {"model": "strict"})
    assert [(each.number, each.posts, each.topic) for each in await store.draws_of("ann", "")] == [
        (1, ["p2", "p1"], None),
        (2, ["p4"], 7),
    ]


async def test_evidence_is_replaced_and_taken_out_and_loses_its_note_with_its_post(
    store: AuditStore, corpus: Store
) -> None:
    row = {
        "audit_id": "a", "post_id": "p1", "judgement": "disagree", "note": "mild words", "snapshot": {"sd": 0.5},
        "added_at": at(0), "updated_at": at(0),
    }  # fmt: skip
    await store.keep_evidence(row)
    await store.keep_evidence(row | {"post_id": "p2", "added_at": at(1)})
    await store.keep_evidence(row | {"judgement": "unsure", "added_at": at(5), "updated_at": at(5)})
    found = await store.evidence_of("a")
    assert [(each.post_id, each.judgement, each.added_at) for each in found] == [
        ("p1", "unsure", at(0)),
        ("p2", "disagree", at(1)),
    ]
    async with corpus.begin() as connection:
        await corpus.bury(connection, {"p2": at(6), "p9": at(6)})
    await store.forget_notes()
    kept, gone = await store.evidence_of("a")
    assert (kept.note, kept.deleted_at) == ("mild words", None)
    assert (gone.note, gone.deleted_at, gone.snapshot) == ("", at(6), {"sd": 0.5})
    assert await store.drop_evidence("a", "p1")
    assert not await store.drop_evidence("a", "p1")
    assert not await store.drop_evidence("b", "p2")


async def test_snapshots_are_appended_by_one_process_only(store: AuditStore) -> None:
    row = {
        "audit_id": "a", "sequence": 1, "cause": "begun", "system": "scorer", "system_version": "m-1",
        "model_version": None, "figures": {"n": 3}, "differences": None, "data_hash": "0" * 64, "decisions": None,
        "taken_at": at(0),
    }  # fmt: skip
    assert await store.keep_snapshot(row)
    assert not await store.keep_snapshot(row | {"figures": {"n": 4}})
    assert await store.keep_snapshot(row | {"sequence": 2, "cause": "promoted", "differences": {"mae": 0.5}})
    assert await store.keep_snapshot(row | {"audit_id": "b"})
    newest = await store.newest_snapshots(["a", "b", "c"])
    assert {name: (each.sequence, each.figures) for name, each in newest.items()} == {
        "a": (2, {"n": 3}),
        "b": (1, {"n": 3}),
    }
    assert [each.sequence for each in await store.snapshots_of("a", before=None, limit=9)] == [2, 1]
    assert [each.sequence for each in await store.snapshots_of("a", before=2, limit=9)] == [1]


async def test_the_system_in_force_is_the_newest_word_in_whatever_order_words_come(
    store: AuditStore, corpus: Store
) -> None:
    assert await store.live_system() is None
    follow = Following(store, Handlers(corpus, Policy()))
    await follow.on_model_promoted([promoted("m-2", 2), promoted("m-1", 1)])
    await follow.on_model_promoted([promoted("m-1", 1), promoted("t-1", 9, ModelKind.TOPIC)])
    live = await store.live_system()
    assert live is not None and (live.model, live.model_version, live.artifact) == ("scorer", "m-2", "a" * 64)
    await follow.on_model_promoted([promoted("m-1", 3)])  # rolled back
    live = await store.live_system()
    assert live is not None and live.model_version == "m-1"
    await follow.on_model_promoted([promoted("m-1", 1)])  # heard again
    live = await store.live_system()
    assert live is not None and live.promoted_at == at(3)


async def test_an_audit_is_behind_until_its_newest_snapshot_is_of_the_system_in_force(store: AuditStore) -> None:
    for name in ("a", "b", "c"):
        await store.begin_audit(audit(name))
    assert await store.change_audit("c", 1, {"archived_at": at(1)})
    row = {
        "sequence": 1, "cause": "begun", "system": "scorer", "model_version": None, "figures": {}, "differences": None,
        "data_hash": "0" * 64, "taken_at": at(0),
    }  # fmt: skip

    async def behind(version: str, *, begun: bool = False) -> list[str]:
        return [each.audit_id for each in await store.audits_behind(version, begun=begun, after="", limit=9)]

    assert (await behind("m-1", begun=True), await behind("m-1")) == (["a", "b"], [])
    await store.keep_decisions("1" * 64, b"one")
    await store.keep_snapshot({**row, "audit_id": "a", "system_version": "m-1", "decisions": "1" * 64})
    assert (await behind("m-1", begun=True), await behind("m-1"), await behind("m-2")) == (["b"], [], ["a"])
    await store.keep_decisions("2" * 64, b"two")
    assert await store.decisions_of("1" * 64) == b"one", "the newest snapshot of an audit is of these"
    await store.keep_snapshot({**row, "audit_id": "a", "system_version": "m-2", "decisions": "2" * 64, "sequence": 2})
    await store.keep_decisions("3" * 64, b"three")
    assert [await store.decisions_of(each * 64) for each in "123"] == [None, b"two", b"three"]
    assert await behind("m-1") == ["a"], "rolled back: what counts is the newest snapshot"


async def test_who_takes_ratings_back_takes_what_audits_made_of_them(store: AuditStore) -> None:
    for name, owner, model in (("a", "ann", ""), ("b", "ann", "strict"), ("c", "bob", "")):
        await store.begin_audit(audit(name, owner=owner, model=model))
        snapshot = {
            "audit_id": name, "sequence": 1, "cause": "begun", "system": "scorer", "system_version": "m-1",
            "model_version": 3, "figures": {"n": 3}, "differences": None, "data_hash": "0" * 64, "decisions": None,
            "taken_at": at(0),
        }  # fmt: skip
        await store.keep_snapshot(snapshot)
        then = {"system_rating": 3.0, "human_label": 4, "prediction": 3.5}
        kept = {"audit_id": name, "post_id": "p", "judgement": "agree", "note": "", "snapshot": then}
        await store.keep_evidence({**kept, "added_at": at(0), "updated_at": at(0)})

    async def left() -> list[tuple[str, int, object]]:
        newest = await store.newest_snapshots(["a", "b", "c"])
        labels = [(await store.evidence_of(name))[0].snapshot["human_label"] for name in "abc"]
        return [(name, int(name in newest), label) for name, label in zip("abc", labels, strict=True)]

    await store.forget_ratings("ann", "")
    assert await left() == [("a", 0, None), ("b", 1, 4), ("c", 1, 4)]
    assert (await store.evidence_of("a"))[0].snapshot["system_rating"] == 3.0
    await store.forget_ratings("ann", None)
    assert await left() == [("a", 0, None), ("b", 0, None), ("c", 1, 4)]


async def test_calls_are_of_peoples_last_words_on_the_model_everybody_has(store: AuditStore, corpus: Store) -> None:
    said = [("ann", "p1", 4), ("ann", "p1", 1), ("bob", "p1", 3), ("bob", "p2", None), ("cas", "p2", 0)]
    rows = [
        {
            "event_id": str(n), "rater": rater, "model": "", "post_id": post, "rating": rating, "rated_at": at(n),
            "said_at": at(n), "sequence": n,
        }
        for n, (rater, post, rating) in enumerate(said)
    ]  # fmt: skip
    async with corpus.begin() as connection:
        await corpus.put_ratings(connection, [*rows, {**rows[0], "event_id": "named", "model": "strict"}])
    first = await store.page_of_calls("", 1)
    second = await store.page_of_calls(first[-1].post_id, 1)
    assert [tuple(row) for row in (*first, *second)] == [("p1", 0, 1, 0, 1, 0), ("p2", 1, 0, 0, 0, 0)]
    assert await store.page_of_calls("p2", 1) == []
    assert (await store.mark_of_ratings())[1] == 6
