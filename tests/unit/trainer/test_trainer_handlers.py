"""What the trainer keeps and forgets, whatever the order events come in."""

from services.trainer.tables import corrections, posts, tombstones
from shared.bus.commit import Dead, Done
from tests.unit.trainer.spoken import at, corrected, deleted, scored


async def test_the_newest_revision_of_a_post_is_kept(handlers, rows) -> None:
    await handlers.on_post_scored([scored("p", "new", revision=2), scored("p", "old", revision=1)])
    await handlers.on_post_scored([scored("p", "older", revision=0)])
    assert [(row.text, row.revision) for row in await rows(posts)] == [("new", 2)]


async def test_the_latest_score_of_one_revision_is_kept(handlers, rows) -> None:
    late, early = scored("p", overall=0.9, scored_at=at(1)), scored("p", overall=0.1, scored_at=at(0))
    await handlers.on_post_scored([late, early])
    assert [row.overall for row in await rows(posts)] == [0.9]


async def test_a_repeated_correction_changes_nothing(handlers, rows) -> None:
    one = corrected("c", "p")
    assert await handlers.on_post_corrected([one, one]) == [Done(), Done()]
    before = await rows(corrections)
    await handlers.on_post_corrected([one])
    assert await rows(corrections) == before
    assert len(before) == 1


async def test_a_correction_may_come_before_its_post(handlers, rows) -> None:
    await handlers.on_post_corrected([corrected("c", "p", spoke_about=("insult", "toxic"))])
    await handlers.on_post_scored([scored("p")])
    kept = (await rows(corrections))[0]
    assert (kept.post_id, kept.expected, kept.spoke_about) == ("p", ["insult"], ["insult", "toxic"])


async def test_a_deleted_post_leaves_no_text(handlers, rows) -> None:
    await handlers.on_post_scored([scored("p"), scored("q")])
    await handlers.on_post_corrected([corrected("c", "p", text="some words"), corrected("d", "q", text="some words")])
    await handlers.on_post_deleted([deleted("p")])
    assert {row.post_id: (row.text, row.author) for row in await rows(posts)} == {
        "p": (None, None),
        "q": ("some words", "anna"),
    }
    assert [row.text for row in await rows(corrections)] == [None, "some words"]


async def test_copies_that_come_after_the_deletion_bring_no_text_back(handlers, rows) -> None:
    await handlers.on_post_deleted([deleted("p")])
    await handlers.on_post_scored([scored("p", revision=9)])
    await handlers.on_post_corrected([corrected("c", "p", text="some words")])
    kept = (await rows(posts))[0]
    assert (kept.text, kept.author, kept.deleted_at) == (None, None, at(60))
    assert [row.text for row in await rows(corrections)] == [None]


async def test_an_erased_author_leaves_no_text_anywhere(handlers, rows) -> None:
    await handlers.on_post_scored([scored("p", author="anna"), scored("q", author="ben")])
    await handlers.on_post_corrected([corrected("c", "p", text="some words")])
    await handlers.on_post_deleted([deleted(author="anna")])
    assert [(row.post_id, row.text) for row in await rows(posts)] == [("p", None), ("q", "some words")]
    assert [row.text for row in await rows(corrections)] == [None]


async def test_a_post_that_comes_after_its_author_was_erased_takes_its_corrections_text_along(handlers, rows) -> None:
    await handlers.on_post_deleted([deleted(author="anna")])
    await handlers.on_post_corrected([corrected("c", "p", text="some words")])
    await handlers.on_post_scored([scored("p", author="anna")])
    await handlers.on_post_corrected([corrected("d", "p", text="some words")])
    assert [(row.text, row.author) for row in await rows(posts)] == [(None, None)]
    assert [row.text for row in await rows(corrections)] == [None, None]
    assert [row.subject for row in await rows(tombstones)] == ["author:test:anna", "p"]


async def test_a_deletion_of_nothing_is_a_dead_letter_and_its_neighbours_count(handlers, rows) -> None:
    outcomes = await handlers.on_post_deleted([deleted(), deleted("p")])
    assert [type(outcome) for outcome in outcomes] == [Dead, Done]
    assert [row.subject for row in await rows(tombstones)] == ["p"]


async def test_a_score_that_meets_a_tombstone_has_to_leave_the_streams(handlers) -> None:
    await handlers.on_post_deleted([deleted("p"), deleted(author="anna")])
    met, theirs = await handlers.on_post_scored([scored("p", author="ben"), scored("q", author="anna")])
    assert "p" in met.erase and "q" in theirs.erase
    assert await handlers.on_post_scored([scored("r", author="ben")]) == [Done()]


async def test_what_an_author_writes_after_the_newest_erasure_is_kept(handlers, rows) -> None:
    await handlers.on_post_deleted([deleted(author="anna", when=90), deleted(author="anna", when=30)])
    old, new = scored("old", author="anna", created_at=at(60)), scored("new", author="anna", created_at=at(91))
    assert [bool(each.erase) for each in await handlers.on_post_scored([old, new])] == [True, False]
    assert {row.post_id: row.text for row in await rows(posts)} == {"old": None, "new": "some words"}
    await handlers.on_post_deleted([deleted(author="anna", when=120)])
    await handlers.on_post_scored([scored("newer", author="anna", created_at=at(100))])
    assert [row.text for row in await rows(posts)] == [None, None, None]
