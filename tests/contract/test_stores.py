"""Every store answers alike on SQLite and PostgreSQL: ingest's keys and what the classifier keeps."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.classifier.records import run_row
from services.classifier.rescoring import Rescoring
from services.classifier.tables import tombstones
from services.ingest.store import Store as IngestStore
from shared.auth import hash_key
from shared.bus.commit import Again, Dead, Done
from shared.bus.publisher import Publisher, connect
from shared.events import Event
from shared.model import dump
from shared.settings import BusSettings
from shared.vocabulary import Scope, Verdict
from tests.contract import speech
from tests.contract.conftest import Migrated
from tests.contract.speech import at, corrected, deleted, erased, hidden, ingested, post, promoted, retracted
from tests.support.classifier import VERSION, Classifier
from tests.support.kit import entries
from tests.support.servers import Broker
from tests.support.small_model import small_model

KEY, OTHER = hash_key("ombud_one"), hash_key("ombud_two")


@pytest.fixture
async def keys(migrated: Migrated, dialect: str) -> IngestStore:
    """Ingest's store on each database."""
    return IngestStore(await migrated("ingest", dialect))


# -- ingest -------------------------------------------------------------------------------------------------


async def test_a_key_is_valid_until_it_is_revoked(keys: IngestStore) -> None:
    name = await keys.add_key("bridge", KEY, [Scope.INGEST, Scope.READ], at(0))
    await keys.add_key("desk", OTHER, [Scope.REVIEW], at(1))
    found = await keys.valid_keys()
    assert found.keys() == {KEY, OTHER}
    assert (found[KEY].id, found[KEY].name, found[KEY].scopes) == (name, "bridge", {Scope.INGEST, Scope.READ})
    assert await keys.revoke_key(name, at(2))
    assert not await keys.revoke_key(name, at(3))
    assert not await keys.revoke_key("none", at(3))
    assert (await keys.valid_keys()).keys() == {OTHER}
    rows = await keys.list_keys()
    assert [(row.name, row.created_at, row.revoked_at) for row in rows] == [
        ("bridge", at(0), at(2)),
        ("desk", at(1), None),
    ]


async def test_when_keys_were_last_used_never_goes_back(keys: IngestStore) -> None:
    used, idle = await keys.add_key("bridge", KEY, [Scope.READ], at(0)), await keys.add_key("b", OTHER, [], at(1))
    assert {row.last_used_at for row in await keys.list_keys()} == {None}
    await keys.note_uses({used: at(9), "nobody": at(9)})
    await keys.note_uses({used: at(5)})
    await keys.note_uses({})
    assert {row.id: row.last_used_at for row in await keys.list_keys()} == {used: at(9), idle: None}


async def test_a_key_that_is_known_stays_as_it_is(keys: IngestStore) -> None:
    await keys.add_key("bootstrap", KEY, [Scope.ADMIN], at(0))
    await keys.add_key("again", KEY, [Scope.READ], at(5))
    assert [(row.name, row.scopes) for row in await keys.list_keys()] == [("bootstrap", ["admin"])]


async def test_an_invitation_is_used_once_however_many_ask_at_the_same_time(keys: IngestStore) -> None:
    await keys.add_invitation(KEY, at(10))
    answers = await asyncio.gather(*(keys.use_invitation(KEY, at(1)) for _ in range(20)))
    assert sorted(answers) == [False] * 19 + [True]
    assert not await keys.use_invitation(KEY, at(2))


async def test_an_invitation_ends(keys: IngestStore) -> None:
    await keys.add_invitation(KEY, at(10))
    assert not await keys.use_invitation(KEY, at(10))
    assert not await keys.use_invitation(OTHER, at(1))
    assert await keys.use_invitation(KEY, at(10) - timedelta(microseconds=1))


async def test_the_first_salt_stays_for_good(keys: IngestStore) -> None:
    answers = await asyncio.gather(*(keys.salt(f"candidate {n}") for n in range(8)))
    assert len(set(answers)) == 1
    assert await keys.salt("late") == answers[0]


# -- classifier ---------------------------------------------------------------------------------------------


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A broker of the test's own."""
    broker = Broker(tmp_path / "broker").start()
    client = connect(broker.url)
    yield client
    await client.aclose()
    broker.stop()


@pytest.fixture
async def classifier(migrated: Migrated, dialect: str, tmp_path: Path) -> Classifier:
    """A classifier with a live model on each database."""
    made = Classifier(await migrated("classifier", dialect), tmp_path)
    assert await made.hear(promoted(VERSION, made.artifact)) == [Done()]
    return made


async def test_a_post_is_scored_stored_and_said(classifier: Classifier) -> None:
    (said,) = await classifier.says(ingested(post(1, text="What nonsense, you fool", author="ada")))
    assert said is not None
    assert said.flagged
    assert said.scores.keys() == {"toxic", "insult", "threat"}
    assert said.overall == max(said.scores.values()) > 0.9 > 0.1 > said.scores["threat"]
    (row,) = await classifier.rows("toxicity_scores")
    assert {name: row[name] for name in said.scores} == said.scores
    assert (row["overall"], row["racism"], row["scored_at"]) == (said.overall, None, said.scored_at)
    assert (row["model_version"], row["human_reviewed"]) == (VERSION, False)


async def test_a_repetition_says_the_same_event_from_the_stored_row(classifier: Classifier) -> None:
    event = ingested(post(1, author="ada"))
    (first,) = await classifier.hear(event)
    again = await classifier.hear(event, event)
    assert isinstance(first, Done)
    for outcome in again:
        assert isinstance(outcome, Done)
        assert [(each.id, each.data) for each in outcome.says] == [(each.id, each.data) for each in first.says]
    assert len(await classifier.rows("toxicity_scores")) == 1


async def test_a_late_revision_changes_nothing_and_says_nothing(classifier: Classifier) -> None:
    (new,) = await classifier.says(ingested(post(1, edit=2, text="nonsense")))
    assert await classifier.says(ingested(post(1, edit=1, text="a fool")), ingested(post(1))) == [None, None]
    assert new is not None
    (row,) = await classifier.rows("classifier_posts")
    assert (row["text"], row["revision"]) == ("nonsense", new.post.revision)
    assert [each["toxic"] for each in await classifier.rows("toxicity_scores")] == [new.scores["toxic"]]


async def test_of_several_revisions_in_one_batch_the_newest_is_scored(classifier: Classifier) -> None:
    said = await classifier.says(ingested(post(1, edit=1)), ingested(post(1, edit=3)), ingested(post(1, edit=2)))
    assert [each is not None for each in said] == [False, True, False]


async def test_a_deleted_post_leaves_ids_and_scores_but_no_text(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, author="ada")), ingested(post(2, author="ada")))
    await classifier.hear(deleted(1))
    rows = {row["external_id"]: row for row in await classifier.rows("classifier_posts")}
    assert (rows["1"]["text"], rows["1"]["author"]) == (None, None)
    assert rows["2"]["text"]
    assert len(await classifier.rows("toxicity_scores")) == 2


async def test_a_copy_that_comes_after_its_deletion_is_not_stored(classifier: Classifier) -> None:
    await classifier.hear(deleted(1))
    assert await classifier.says(ingested(post(1)), ingested(post(1, edit=1))) == [None, None]
    assert await classifier.rows("classifier_posts") == []


async def test_an_erased_author_leaves_no_text_and_gets_none_back(classifier: Classifier) -> None:
    await classifier.says(*(ingested(post(n, author="ada" if n < 4 else "bram")) for n in range(1, 6)))
    await classifier.hear(erased("ada"))
    left = {row["external_id"]: row["text"] is not None for row in await classifier.rows("classifier_posts")}
    assert left == {"1": False, "2": False, "3": False, "4": True, "5": True}
    assert await classifier.says(ingested(post(7, author="ada"))) == [None]
    assert await classifier.store.mop() == 0


async def test_what_meets_a_tombstone_has_to_leave_the_streams(classifier: Classifier) -> None:
    await classifier.hear(deleted(1), erased("ada"))
    met, theirs, other = await classifier.hear(
        ingested(post(1, edit=3, author="bram")), ingested(post(2, author="ada")), ingested(post(3, author="bram"))
    )
    assert isinstance(met, Done) and set(met.erase) == {post(1).post_id}, "one post's deletion is not its author's"
    assert isinstance(theirs, Done) and set(theirs.erase) == {post(2).post_id}
    assert isinstance(other, Done) and not other.erase and other.says
    quoted, about = await classifier.hear(corrected(1, name="a", text="a quotation"), corrected(3, name="b"))
    assert (quoted, about) == (Done(erase=[post(1).post_id]), Done())


async def test_the_erasure_of_an_author_names_their_posts_however_often_it_is_heard(classifier: Classifier) -> None:
    await classifier.says(*(ingested(post(n, author="ada" if n < 4 else "bram")) for n in range(1, 6)))
    theirs = {post(n).post_id for n in (1, 2, 3)}
    for _ in range(2):  # a crash after the commit of the tables repeats it, when nobody is an author any more
        (heard,) = await classifier.hear(erased("ada"))
        assert isinstance(heard, Done) and set(heard.erase) == theirs
    assert await classifier.says(ingested(post(2, edit=9))) == [None], "nor do they come back without a name"


async def test_who_is_hidden_or_erased_elsewhere_keeps_everything(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, author="ada")), ingested(post(2)))
    assert await classifier.hear(hidden("ada"), erased("bram")) == [Done(), Done()]
    assert [row["text"] is None for row in await classifier.rows("classifier_posts")] == [False, False]


async def test_an_edit_without_an_author_is_the_work_of_who_wrote_the_post(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, author="ada")))
    (said,) = await classifier.says(ingested(post(1, edit=1)))
    assert said is not None and said.post.author == post(1, author="ada").author
    await classifier.hear(erased("ada"))
    assert [row["text"] for row in await classifier.rows("classifier_posts")] == [None]


@pytest.mark.parametrize("deletion", [erased("ada"), deleted(1)], ids=["author", "post"])
async def test_an_erasure_that_comes_while_a_post_is_scored_counts(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, deletion: Event[Any]
) -> None:
    known = classifier.store.known

    async def late(*args: Any) -> Any:
        found = await known(*args)
        await classifier.hear(deletion)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(classifier.store, "known", late)
        (outcome,) = await classifier.hear(ingested(post(1, author="ada")))
    assert isinstance(outcome, Done) and outcome.says == [] and post(1).post_id in outcome.erase
    assert [row["text"] for row in await classifier.rows("classifier_posts")] == [None]


async def test_the_mop_wipes_up_what_a_write_beside_the_erasure_left(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1)))
    async with classifier.store.begin() as connection:
        await connection.execute(tombstones.insert(), [{"subject": post(1).post_id, "deleted_at": at(1)}])
    assert await classifier.store.mop() == 1
    assert [row["text"] for row in await classifier.rows("classifier_posts")] == [None]


async def test_the_newest_standing_verdict_is_marked_whatever_the_order(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1)), ingested(post(2)))
    await classifier.hear(corrected(1, name="b", verdict=Verdict.INCORRECT, minute=61))
    await classifier.hear(corrected(1, name="a", verdict=Verdict.CORRECT, minute=60), retracted("never heard of"))

    async def marks() -> dict[str, tuple[bool, str | None]]:
        rows = await classifier.rows("toxicity_scores")
        return {row["post_id"]: (row["human_reviewed"], row["review_status"]) for row in rows}

    one, two = post(1).post_id, post(2).post_id
    assert await marks() == {one: (True, "incorrect"), two: (False, None)}
    await classifier.hear(retracted("b"))
    assert await marks() == {one: (True, "correct"), two: (False, None)}
    await classifier.hear(retracted("a"))
    assert await marks() == {one: (False, None), two: (False, None)}
    await classifier.hear(corrected(1, name="a", verdict=Verdict.CORRECT, minute=60))
    assert await marks() == {one: (False, None), two: (False, None)}


async def test_a_promotion_swaps_the_model_and_asks_for_new_scores(classifier: Classifier) -> None:
    await classifier.says(*(ingested(post(n)) for n in range(5)))
    better = classifier.artifacts.put(dump(small_model(data_hash="e")))
    await classifier.hear(promoted("m-0002-bbbbbbbb", better, minute=40))
    assert classifier.live.version == "m-0002-bbbbbbbb"
    run = await classifier.store.rescoring("m-0002-bbbbbbbb")
    assert run is not None
    assert (run.kind, run.state, run.scored) == ("rescore", "running", 0)
    assert len(await classifier.store.without_score(["m-0002-bbbbbbbb"], None, None, 100)) == 5
    assert await classifier.store.without_score([VERSION], None, None, 100) == []


async def test_an_older_promotion_that_comes_late_does_not_win(classifier: Classifier) -> None:
    await classifier.hear(promoted("m-0003-cccccccc", classifier.artifact, minute=50))
    await classifier.hear(promoted("m-0002-bbbbbbbb", classifier.artifact, minute=45))
    assert classifier.live.version == "m-0003-cccccccc"


async def test_a_promotion_waits_for_its_artifact_and_refuses_a_foreign_one(classifier: Classifier) -> None:
    (missing,) = await classifier.hear(promoted("m-0002-bbbbbbbb", "0" * 64, minute=40))
    assert isinstance(missing, Again)
    foreign = classifier.artifacts.put(b"no model")
    (refused,) = await classifier.hear(promoted("m-0002-bbbbbbbb", foreign, minute=40))
    assert isinstance(refused, Dead)
    assert classifier.live.version == VERSION


async def test_posts_without_a_score_come_newest_first_page_by_page(classifier: Classifier) -> None:
    for n in range(7):
        await classifier.says(ingested(post(n)))
    await classifier.hear(deleted(3))
    met: list[str] = []
    before = None
    while page := await classifier.store.without_score(["m-0002-bbbbbbbb"], None, before, 3):
        fresh = [row for row in page if row["external_id"] not in met]
        if not fresh:
            break
        met += [row["external_id"] for row in fresh]
        before = page[-1]["seen_at"]
    assert met == ["6", "5", "4", "2", "1", "0"]


async def test_rescoring_keeps_the_old_scores_and_the_reviews(classifier: Classifier, redis: Redis) -> None:
    await classifier.says(*(ingested(post(n, text="nonsense" if n == 1 else None)) for n in range(3)))
    await classifier.hear(corrected(1, name="a"))
    better = classifier.artifacts.put(dump(small_model(data_hash="e")))
    await classifier.hear(promoted("m-0002-bbbbbbbb", better, minute=40))
    publisher = Publisher(redis, BusSettings())
    await Rescoring(classifier.store, classifier.live, classifier.speaking, publisher, classifier.settings).step()
    rows = await classifier.rows("toxicity_scores")
    assert {(row["post_id"], row["model_version"]) for row in rows} == {
        (post(n).post_id, version) for n in range(3) for version in (VERSION, "m-0002-bbbbbbbb")
    }
    reviewed = [row["model_version"] for row in rows if row["human_reviewed"]]
    assert reviewed == [VERSION, "m-0002-bbbbbbbb"]
    said = await entries(redis, "posts.scored")
    assert [event.data.model_version for event in said] == ["m-0002-bbbbbbbb"] * 3
    assert {event.id for event in said} == {row["cause_id"] for row in rows if row["model_version"] != VERSION}
    assert await classifier.store.rescoring("m-0002-bbbbbbbb") is None
    runs = {(row["kind"], row["model_version"]): row for row in await classifier.rows("analysis_runs")}
    assert (runs["rescore", "m-0002-bbbbbbbb"]["scored"], runs["live", VERSION]["scored"]) == (3, 3)


async def test_a_run_counts_what_several_processes_add(classifier: Classifier) -> None:
    run = run_row("live", "ombud-scorer", "m-0009-99999999", at(0))

    async def add(scored: int, flagged: int) -> None:
        async with classifier.store.begin() as connection:
            await classifier.store.count(connection, run, scored, flagged)

    await asyncio.gather(*(add(n, n % 2) for n in range(10)))
    (row,) = [row for row in await classifier.rows("analysis_runs") if row["id"] == run["id"]]
    assert (row["scored"], row["posts_total"], row["flagged"]) == (45, 45, 5)


async def test_a_big_batch_fits(classifier: Classifier) -> None:
    said = await classifier.says(*(ingested(post(n, author=f"a{n}")) for n in range(1000)))
    assert None not in said
    assert len(await classifier.rows("toxicity_scores")) == 1000


def test_the_story_is_the_same_each_time() -> None:
    first, second = speech.conversation(1), speech.conversation(1)
    assert [event.id for event in first] == [event.id for event in second]
    assert [event.id for event in first] != [event.id for event in speech.conversation(2)]
