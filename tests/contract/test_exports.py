"""Exports on both databases: what owners tell again out of their tables makes the rows that the streams made."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.auditor.api import exports as of_auditor
from services.auditor.handlers import Handlers as AuditorHandlers
from services.auditor.settling import Settling
from services.auditor.speaking import events_of as steps_said
from services.auditor.status.live import Policy
from services.auditor.store import Store as AuditorStore
from services.auditor.tables import status_changes
from services.trainer.api import exports as of_trainer
from services.trainer.handlers import Handlers as TrainerHandlers
from services.trainer.personalising import Personalising
from services.trainer.store import Store as TrainerStore
from services.trainer.store.ratings import RatingStore
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing
from shared.bus.commit import Done, Outcome
from shared.db import Stored
from shared.events import Event
from shared.exports import EXPORTS, Tell
from shared.ids import post_id
from shared.model import dump
from shared.streams import FLOW
from shared.vocabulary import Verdict
from tests.contract.conftest import Migrated
from tests.contract.speech import (
    at,
    conversation,
    corrected,
    deleted,
    erased,
    hidden,
    ingested,
    post,
    promoted,
    retracted,
)
from tests.support.classifier import VERSION, Classifier
from tests.support.exported import hear, rows, told, two_reporters
from tests.support.small_model import small_model

TEXT = "What nonsense, you fool"
WRONG: dict[str, Any] = {"actual_categories": ("insult", "toxic")}


def says(outcomes: Iterable[Outcome]) -> list[Event[Any]]:
    """Return what handlers said."""
    return [event for outcome in outcomes if isinstance(outcome, Done) for event in outcome.says]


def test_every_export_is_of_a_stream_that_the_reporter_hears() -> None:
    streams = {stream for export in EXPORTS.values() for stream in export.streams}
    assert all("reporter" in FLOW[stream].heard_by for stream in streams)
    assert next(iter(EXPORTS)) == "deletions"  # who is gone, before anything that could be theirs


# -- the classifier -----------------------------------------------------------------------------------------


@pytest.fixture
async def classifier(migrated: Migrated, dialect: str, tmp_path: Path) -> Classifier:
    """A classifier with a live model on each database."""
    made = Classifier(await migrated("classifier", dialect), tmp_path)
    assert await made.hear(promoted(VERSION, made.artifact)) == [Done()]
    return made


async def test_scores_and_erasures_make_the_rows_of_live_operation(classifier: Classifier, tmp_path: Path) -> None:
    story = [
        *(ingested(post(n, text=TEXT if n < 3 else None, author="ada" if n % 2 else None)) for n in range(12)),
        ingested(post(4, edit=2, text="edited, you fool")),
        corrected(1, name="a", **WRONG),
        ingested(post(12, author="bram")),
        ingested(post(13, text=TEXT)),
        corrected(3, name="b", expected_categories=("insult",)),
        corrected(4, name="c", minute=70, expected_categories=("threat",)),
        retracted("a"),
        deleted(5),
        deleted(3),
        erased("bram"),
        hidden("ada"),
    ]
    said = [event for each in story for event in says(await classifier.hear(each)) if _is_heard(each)]
    heard = [each for each in story if each.type.startswith("ombud.PostDeleted")]
    scores = await told(classifier.exporting.scores)
    deletions = await told(classifier.exporting.deletions)
    async with two_reporters(tmp_path) as (live, anew):
        await hear(live, [*said, *heard])
        await hear(anew, [*deletions, hidden("ada"), *scores])
        before, after = await rows(live), await rows(anew)
    assert after["reporter_posts"] == before["reporter_posts"]
    # a post that went with its author has a tombstone of its own besides
    assert set(before["reporter_tombstones"]) < set(after["reporter_tombstones"])
    assert {event.id for event in deletions} >= {deleted(5).id, deleted(3).id}
    # each under the id it was said with last, but for what the taking back of a word left
    taken_back = {post_id("forum", str(n)) for n in (0, 1, 2, 13)}
    named = {event.data.post.post_id: event.id for event in said}
    assert len(scores) == 14
    for event in scores:
        gone = event.data.post.text == ""
        assert event.data.post.post_id in taken_back or gone or event.id == named[event.data.post.post_id]
    # and of what was erased nothing is told but numbers
    gone = [event.data.post for event in scores if event.data.post.post_id in {post(n).post_id for n in (3, 5, 12)}]
    assert [(each.text, each.author, each.url) for each in gone] == [("", None, None)] * 3


def _is_heard(event: Event[Any]) -> bool:
    return not event.type.startswith("ombud.PostDeleted")


async def test_a_flag_of_a_model_that_is_not_in_force_any_more_is_explained_by_that_model(
    classifier: Classifier,
) -> None:
    (before,) = says(await classifier.hear(ingested(post(1, text=TEXT))))
    newer = classifier.artifacts.put(dump(small_model(data_hash="e")))
    await classifier.hear(promoted("m-0002-bbbbbbbb", newer, 30, layer="replay"))
    (told_again,) = await told(classifier.exporting.scores)
    assert before.data.spans and told_again.data == before.data and told_again.id == before.id


async def test_a_word_on_nearly_the_same_text_is_told_of_the_posts_it_was_said_for(classifier: Classifier) -> None:
    long = "what utter nonsense you are telling everybody here again today you fool"
    await classifier.hear(ingested(post(1, text=long)))
    await classifier.hear(ingested(post(2, text=f"{long} !! and")))
    await classifier.hear(corrected(1, name="a", **WRONG))
    await classifier.felt.follow()
    (said,) = says(await classifier.hear(ingested(post(3, text=f"{long} and"))))
    assert {word.layer for word in (said.data.corrected or {}).values()} == {"near"}
    found = {event.data.post.external_id: event.data for event in await told(classifier.exporting.scores)}
    assert found["3"] == said.data
    assert found["2"].corrected is None  # nobody said it of this one


# -- the trainer --------------------------------------------------------------------------------------------


@pytest.fixture
async def trainer(migrated: Migrated, dialect: str, tmp_path: Path) -> tuple[TrainerStore, TrainerHandlers]:
    """The trainer's store and handlers on each database."""
    database = await migrated("trainer", dialect)
    store = TrainerStore(database)
    personal = Personalising(RatingStore(database), store, ArtifactStore(tmp_path), 100)
    return store, TrainerHandlers(store, personal)


def tells(module: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tell]:
    """Return the exports of a service by name."""
    found: dict[str, Tell] = {}
    monkeypatch.setattr(module, "add_export", lambda _, __, export, tell, *___: found.update({export.name: tell}))
    module.build_router(store, KeyRing(None))  # type: ignore[arg-type]
    return found


async def test_corrections_come_back_as_they_were_said_and_before_what_takes_them_back(
    trainer: tuple[TrainerStore, TrainerHandlers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, handlers = trainer
    more: dict[str, Any] = {"batch_id": "b1", "version": 2, "hold_until": at(61), "sampled": True, "reviewer": "r1"}
    said = [
        *(corrected(n, name=f"{n}", minute=60 + n, version=1, reviewer="r2") for n in range(8)),
        corrected(1, name="more", verdict=Verdict.CORRECT, spoke_about=("insult",), **more),
        corrected(2, name="with text", text="words of a post that goes", standing="author"),
        *(retracted(f"{n}") for n in (2, 5, 7)),
        retracted("never heard of"),
    ]
    for event in said:
        await handlers.on_post_corrected([event])
    before = {event.id: event.data for event in said}
    found = await told(tells(of_trainer, store, monkeypatch)["corrections"])
    assert {event.id: event.data for event in found} == before and len(found) == len(said)
    assert [event.data.retracts is not None for event in found] == sorted(
        event.data.retracts is not None for event in found
    )
    async with two_reporters(tmp_path) as (live, anew):
        await hear(live, said)
        await hear(anew, found)
        assert await rows(anew) == await rows(live)
    await handlers.on_post_deleted([deleted(2)])
    found = await told(tells(of_trainer, store, monkeypatch)["corrections"])
    assert "words of" not in repr(found) and len(found) == len(said)


# -- the auditor --------------------------------------------------------------------------------------------


async def test_statuses_and_hidden_authors_come_back_as_they_were_said(
    migrated: Migrated, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await migrated("auditor", dialect)
    store, policy = AuditorStore(database), Policy(0.2, 60.0, 86_400.0, 3, 0.8)
    handlers = AuditorHandlers(store, policy)
    hears = {
        "PostScored": handlers.on_post_scored,
        "PostCorrected": handlers.on_post_corrected,
        "PostRated": handlers.on_post_rated,
        "PostDeleted": handlers.on_post_deleted,
    }
    story = [event for event in conversation(7) if type(event.data).__name__ in hears]
    said: list[Event[Any]] = []
    for event in story:
        said += says(await hears[type(event.data).__name__]([event]))  # type: ignore[operator]
    await Settling(store, policy)()  # what time does is said by the announcer
    async with database.read() as connection:
        waits = status_changes.select().where(status_changes.c.announced_at.is_(None))
        unsaid: list[Stored] = list(await connection.execute(waits))
    assert unsaid
    said += [event for row in unsaid for event in steps_said(row)]
    exports = tells(of_auditor, store, monkeypatch)
    found = await told(exports["statuses"])
    assert {event.id: event.data for event in found} == {event.id: event.data for event in said}
    assert len(found) == len(said)
    turned = [event for event in story if event.type.startswith("ombud.PostDeleted") and event.data.visibility]
    hidings = await told(exports["hidings"], 1)
    assert {event.data.account: event.data.visibility for event in hidings}[turned[0].data.account]
    async with two_reporters(tmp_path) as (live, anew):
        await hear(live, [*said, *turned])
        await hear(anew, [*hidings, *found])
        assert await rows(anew) == await rows(live)
