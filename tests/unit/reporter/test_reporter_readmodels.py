"""The read models end in the same rows whatever the order of the events."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from services.reporter.readmodel import categories_of, flagged_mask
from services.reporter.tables import metadata
from shared.db import Database
from shared.heard import rank as score_rank
from shared.vocabulary import CATEGORIES, ModelKind, Status, Verdict
from tests.unit.reporter.conftest import Reporter, Say, minute


async def test_a_score_fills_one_row(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("a", 0.8, 3, text="words"))
    post = await reporter.post("a")
    assert (post["text"], post["overall"], post["flagged"], post["threshold"]) == ("words", 0.8, True, 0.5)
    assert (post["model"], post["model_version"], post["scored_at"]) == ("ombud-scorer", "v1", minute(3))
    assert post["status"] is None
    assert post["status_sequence"] == -1


async def test_a_late_score_changes_nothing(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("a", 0.8, 3))
    await reporter.hear(say.scored("a", 0.2, 2))
    assert (await reporter.post("a"))["overall"] == 0.8


async def test_a_newer_revision_wins_over_a_newer_score(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("a", 0.2, 1, edited=5, text="edited"))
    await reporter.hear(say.scored("a", 0.8, 9, text="as it was"))
    post = await reporter.post("a")
    assert (post["text"], post["overall"]) == ("edited", 0.2)


async def test_of_one_batch_the_newest_score_counts(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("a", 0.1, 1), say.scored("a", 0.3, 3), say.scored("a", 0.2, 2))
    assert (await reporter.post("a"))["overall"] == 0.3


async def test_a_status_may_come_before_the_score(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.status("a", Status.NEEDS_REVIEW))
    early = await reporter.post("a")
    assert (early["status"], early["overall"], early["scores"]) == ("needs_review", None, None)
    await reporter.hear(say.scored("a", 0.8))
    late = await reporter.post("a")
    assert (late["status"], late["overall"]) == ("needs_review", 0.8)


async def test_the_highest_sequence_wins(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.status("a", Status.CLEARED, 3), say.status("a", Status.FLAGGED, 2))
    await reporter.hear(say.status("a", Status.NEEDS_REVIEW, 1))
    post = await reporter.post("a")
    assert (post["status"], post["status_sequence"]) == ("cleared", 3)


async def test_the_latest_correction_counts(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.corrected("a", "second", 2, verdict=Verdict.CORRECT))
    await reporter.hear(say.corrected("a", "first", 1, expected_categories=("insult",)))
    assert (await reporter.post("a"))["correction_verdict"] == "correct"


@pytest.mark.parametrize("backwards", [False, True])
async def test_what_is_taken_back_no_longer_counts_in_any_order(reporter: Reporter, say: Say, backwards: bool) -> None:
    said = [say.corrected("a", "first", 1, expected_categories=("insult",)), say.corrected("a", "second", 2)]
    for event in reversed([*said, say.retracted("second", 3)]) if backwards else [*said, say.retracted("second", 3)]:
        await reporter.hear(event)
    post = await reporter.post("a")
    assert (post["correction_id"], post["correction_expected"]) == ("first", ["insult"])
    await reporter.hear(say.retracted("first", 4))
    assert (await reporter.post("a"))["correction_verdict"] is None


async def test_the_text_of_a_loose_correction_is_not_kept(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.corrected(None, "c", text="loose words"))
    assert "loose words" not in await reporter.everything()


async def test_a_deleted_post_loses_its_text_but_not_its_numbers(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.scored("a", 0.8, text="secret words", url="https://forum.example/secret", author="p1"))
    assert (await reporter.post("a"))["url"] == "https://forum.example/secret"
    await reporter.hear(say.status("a", Status.FLAGGED))
    await reporter.hear(say.deleted("a"))
    post = await reporter.post("a")
    assert (post["overall"], post["status"], post["deleted_at"]) == (0.8, "flagged", minute(60))
    assert "secret" not in await reporter.everything()


async def test_a_late_copy_of_a_deleted_post_meets_the_tombstone(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.deleted("a"))
    await reporter.hear(say.scored("a", text="secret words", url="http://secret/"), say.scored("b", text="other words"))
    assert "secret" not in await reporter.everything()
    assert (await reporter.post("a"))["deleted_at"] == minute(60)
    assert (await reporter.post("b"))["text"] == "other words"


async def test_an_erased_author_loses_everything_also_what_comes_later(reporter: Reporter, say: Say) -> None:
    mine = [say.scored(f"mine{n}", text=f"secret {n}", url=f"http://secret/{n}", author="p1") for n in range(3)]
    await reporter.hear(*mine[:2], say.scored("theirs", text="other words", author="p2"))
    await reporter.hear(say.deleted(author="p1"))
    await reporter.hear(mine[2])
    everything = await reporter.everything()
    assert "secret" not in everything
    # their pseudonym is left where an erasure itself is noted, and beside how many posts there were
    named = {line.partition(":")[0] for line in everything.splitlines() if "p1" in line}
    assert named == {"reporter_tombstones", "reporter_gone_accounts"}
    assert everything.count("p1") == 3
    assert (await reporter.post("theirs"))["text"] == "other words"


async def test_what_an_author_writes_after_the_newest_erasure_is_a_new_post(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.deleted(author="p1", at=90), say.deleted(author="p1", at=30))
    old, new = [say.scored(f"p{n}", text=f"words {n}", author="p1", written=n) for n in (60, 91)]
    await reporter.hear(old, new)
    assert [(await reporter.post(name))["text"] for name in ("p60", "p91")] == [None, "words 91"]
    await reporter.hear(say.deleted(author="p1", at=120))
    await reporter.hear(say.scored("p100", text="words 100", author="p1", written=100))
    assert [(await reporter.post(name))["text"] for name in ("p60", "p91", "p100")] == [None, None, None]


async def test_a_model_is_known_whichever_word_of_it_comes_first(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.promoted("v2", 5))
    await reporter.hear(say.trained("v2", 4, auc=0.91))
    await reporter.hear(say.trained("v1", 1, auc=0.85))
    await reporter.hear(say.promoted("v1", 2))
    async with reporter.store.read() as connection:
        live = await reporter.store.live_model(connection)
    assert live is not None
    assert (live.version, live.metrics, live.promoted_at) == ("v2", {"auc": 0.91}, minute(5))


async def test_a_persons_own_model_is_not_kept_here(reporter: Reporter, say: Say) -> None:
    theirs = say.trained("v3")
    await reporter.hear(theirs.model_copy(update={"data": theirs.data.model_copy(update={"kind": ModelKind.PERSONAL})}))
    await reporter.hear(say.trained("v4"))
    everything = await reporter.everything()
    assert "'v4'" in everything and "'v3'" not in everything


async def test_going_back_to_an_older_model_makes_it_live_again(reporter: Reporter, say: Say) -> None:
    await reporter.hear(say.promoted("v1", 9), say.promoted("v2", 5), say.promoted("v1", 1))
    await reporter.hear(say.promoted("v1", 1))
    async with reporter.store.read() as connection:
        live = await reporter.store.live_model(connection)
    assert live is not None
    assert (live.version, live.promoted_at) == ("v1", minute(9))


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_and_any_repetition_leave_the_same_rows(
    new_reporter: Callable[[], Any], say: Say, seed: int
) -> None:
    chance = random.Random(seed)
    events: list[Any] = []
    for post in ("a", "b", "c"):
        for at in range(4):
            events.append(say.scored(post, 0.1 + at / 10, at, edited=at % 2, text=f"text {post}", author=f"by {post}"))
            events.append(say.status(post, list(Status)[at % 3], at))
            events.append(say.corrected(post, f"{post}{at}", at, expected_categories=(CATEGORIES[at],)))
    events += [say.retracted("a3"), say.retracted("b1"), say.deleted("b"), say.deleted(author="by c")]
    left = []
    for _ in range(2):
        shuffled = chance.sample(events, len(events)) + chance.sample(events, 10)
        async with new_reporter() as made:
            for event in shuffled:
                await made.hear(event)
            left.append(await made.all_posts())
    assert left[0] == left[1]
    assert [row["text"] for row in left[0]] == ["text a", None, None]


async def test_two_processes_write_the_same_posts_without_a_loss(reporter: Reporter, say: Say) -> None:
    other = Database(reporter.database.url, metadata)
    second = Reporter(other, type(reporter.store)(other), type(reporter.handlers)(type(reporter.store)(other)))
    batches = [[say.scored(f"p{n}", at=at) for n in range(50)] for at in range(6)]
    await asyncio.gather(*((reporter if at % 2 else second).hear(*batch) for at, batch in enumerate(batches)))
    assert {row["scored_at"] for row in await reporter.all_posts()} == {minute(5)}
    await other.close()


def test_ranks_sort_by_revision_then_by_time() -> None:
    ranks = [score_rank(0, minute(5)), score_rank(1, minute(1)), score_rank(1, minute(2)), score_rank(10, minute(0))]
    assert ranks == sorted(ranks)
    assert len({len(rank) for rank in ranks}) == 1


def test_a_mask_names_the_categories_at_or_over_their_threshold() -> None:
    mask = flagged_mask({"toxic": 0.5, "insult": 0.49, "racism": 0.3}, {"racism": 0.2})
    assert categories_of(mask) == ["toxic", "racism"]
