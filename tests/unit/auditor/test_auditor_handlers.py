"""What the auditor stores and says, on a real database."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sql
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.auditor.handlers import LATE
from services.auditor.tables import corrections, metadata, status_changes, statuses
from shared.events import Event
from shared.vocabulary import Verdict

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
Opener = Callable[[], AbstractAsyncContextManager[Any]]


def payloads(said: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [event["data"] for events in said for event in events]


async def test_a_first_score_is_a_change_and_is_said(auditor: Any, say: Any) -> None:
    event = say.scored("p", 0.9, 1)
    [[said]] = await auditor.hear(event)
    assert said["source"] == "ombud/auditor"
    assert said["correlationid"] == event.correlationid
    changed = said["data"]
    assert (changed["status"], changed["previous"], changed["sequence"], changed["rule"]) == (
        "flagged",
        None,
        1,
        "model",
    )
    assert changed["changed_at"] == changed["first_changed_at"] == event.data.scored_at
    assert await auditor.steps("p") == [(None, "flagged")]


async def test_a_score_that_changes_no_status_is_kept_and_not_said(auditor: Any, say: Any) -> None:
    await auditor.hear(say.scored("p", 0.9, 1))
    assert await auditor.hear(say.scored("p", 0.8, 2)) == [[]]
    stands = await auditor.stands("p")
    assert (stands["model_version"], stands["sequence"]) == ("v2", 1)


async def test_a_redelivered_batch_says_the_same_again(auditor: Any, say: Any) -> None:
    scores = [say.scored("p", 0.9, 1), say.scored("q", 0.1, 1), say.scored("p", 0.1, 2)]
    words = [say.corrected("p", "c", 3, expected=("insult",)), say.retracted("c", 4)]
    first = [await auditor.hear(*scores), await auditor.hear(*words)]
    again = [await auditor.hear(*scores), await auditor.hear(*words)]
    assert again == first
    assert [len(said) for said in first[0] + first[1]] == [1, 1, 1, 1, 1]
    assert await auditor.steps("p") == [
        (None, "flagged"),
        ("flagged", "cleared"),
        ("cleared", "flagged"),
        ("flagged", "cleared"),
    ]


async def test_an_event_twice_in_a_batch_makes_one_step(auditor: Any, say: Any) -> None:
    event = say.scored("p", 0.9, 1)
    [[one], [two]] = await auditor.hear(event, event)
    assert one == two
    assert await auditor.steps("p") == [(None, "flagged")]


async def test_several_events_of_one_post_in_a_batch_are_taken_in_order(auditor: Any, say: Any) -> None:
    said = await auditor.hear(say.scored("p", 0.9, 1), say.scored("p", 0.4, 2), say.scored("p", 0.1, 3))
    assert [changed["status"] for changed in payloads(said)] == ["flagged", "needs_review", "cleared"]
    assert [changed["sequence"] for changed in payloads(said)] == [1, 2, 3]


async def test_a_correction_before_its_score_makes_the_record(auditor: Any, say: Any) -> None:
    await auditor.hear(say.corrected("p", "c", 5, expected=("threat",)))
    assert (await auditor.stands("p"))["rule"] == "reviewer"
    assert await auditor.hear(say.scored("p", 0.1, 1)) == [[]]
    stands = await auditor.stands("p")
    assert (stands["status"], stands["rule"], stands["model_version"]) == ("flagged", "reviewer", "v1")


async def test_a_correction_of_a_bare_text_says_nothing(auditor: Any, say: Any) -> None:
    assert await auditor.hear(say.corrected(None, "c", 5, expected=("threat",))) == [[]]
    assert await auditor.store.totals() == []


async def test_retractions_in_one_batch_uncover_what_earlier_batches_said(auditor: Any, say: Any) -> None:
    await auditor.hear(say.scored("p", 0.1, 1))
    for number, verdict in enumerate([Verdict.INCORRECT, Verdict.UNSURE, Verdict.INCORRECT]):
        expected = ("threat",) if number == 0 else ()
        await auditor.hear(say.corrected("p", f"c{number}", 2 + number, verdict=verdict, expected=expected))
    said = await auditor.hear(say.retracted("c2", 8), say.retracted("c1", 9), say.retracted("c0", 10))
    assert [changed["status"] for changed in payloads(said)] == ["needs_review", "flagged", "cleared"]
    assert (await auditor.stands("p"))["rule"] == "model"


@pytest.mark.parametrize("together", [True, False])
async def test_a_retraction_that_comes_first_takes_its_correction_back(auditor: Any, say: Any, together: bool) -> None:
    await auditor.hear(say.scored("p", 0.9, 1))
    words = [say.retracted("c", 3), say.corrected("p", "c", 2)]
    if together:
        await auditor.hear(*words)
    else:
        for word in words:
            await auditor.hear(word)
    assert await auditor.steps("p") == [(None, "flagged")]


async def test_a_retraction_finds_the_post_of_its_correction_by_itself(auditor: Any, say: Any) -> None:
    await auditor.hear(say.corrected("p", "c", 2, expected=("threat",)))
    said = await auditor.hear(say.retracted("c", 3, post_id="somewhere else"))
    assert [(changed["post_id"], changed["status"]) for changed in payloads(said)] == [("p", "needs_review")]
    assert await auditor.stands("somewhere else") is None


async def test_a_second_correction_of_the_same_id_is_not_believed(auditor: Any, say: Any) -> None:
    await auditor.hear(say.scored("q", 0.1, 1))
    await auditor.hear(say.corrected("p", "c", 2, expected=("threat",)))
    await auditor.hear(say.corrected("p", "d", 4))
    for changed in (say.corrected("p", "c", 9, expected=("threat",)), say.corrected("q", "c", 9, expected=("threat",))):
        assert await auditor.hear(changed.model_copy(update={"id": f"other {changed.subject}"})) == [[]]
    await auditor.hear(say.retracted("d", 10))
    assert await auditor.steps("p") == [(None, "flagged"), ("flagged", "cleared"), ("cleared", "flagged")]
    assert await auditor.steps("q") == [(None, "cleared")]


async def test_a_late_score_of_an_older_revision_changes_nothing(auditor: Any, say: Any) -> None:
    edited = say.scored("p", 0.9, 5, edited=4)
    await auditor.hear(edited)
    assert await auditor.hear(say.scored("p", 0.1, 9)) == [[]]
    stands = await auditor.stands("p")
    assert (stands["status"], stands["revision"]) == ("flagged", edited.data.post.revision)


async def test_judgements_that_come_after_newer_ones_are_counted_by_source(auditor: Any, say: Any) -> None:
    def counted() -> list[float]:
        return [LATE.labels(source)._value.get() for source in ("model", "reviewer")]

    before = counted()
    newest = [say.scored("p", 0.9, 5), say.scored("q", 0.9, 5)]
    await auditor.hear(*newest)
    await auditor.hear(say.corrected("p", "new", 9))
    assert counted() == before  # what comes in order, and a post's first, is not late
    late = say.scored("p", 0.1, 3)
    await auditor.hear(late, say.scored("q", 0.2, 8), newest[0])  # nor is what comes again
    await auditor.hear(late)
    await auditor.hear(say.corrected("p", "old", 7))
    assert counted() == [before[0] + 1, before[1] + 1]


async def test_an_edit_gives_the_post_back_to_the_model(auditor: Any, say: Any) -> None:
    await auditor.hear(say.scored("p", 0.9, 1))
    await auditor.hear(say.corrected("p", "c", 2))
    said = await auditor.hear(say.scored("p", 0.8, 6, edited=4))
    assert [(changed["status"], changed["rule"]) for changed in payloads(said)] == [("flagged", "model")]


@pytest.mark.parametrize("deletion_first", [True, False])
async def test_a_deleted_post_keeps_its_status_and_the_time_it_went(
    auditor: Any, say: Any, deletion_first: bool
) -> None:
    heard = [[say.scored("p", 0.9, 1)], [say.deleted("p", 7), say.deleted("p", 5), say.deleted("p", 6)]]
    for batch in heard[::-1] if deletion_first else heard:
        await auditor.hear(*batch)
    stands = await auditor.stands("p")
    assert (stands["status"], stands["sequence"]) == ("flagged", 1)
    assert stands["deleted_at"] == say.deleted("p", 5).data.deleted_at


async def test_the_earliest_deletion_counts_whenever_it_comes(auditor: Any, say: Any) -> None:
    for at in (6, 5, 7):
        await auditor.hear(say.deleted("p", at))
    await auditor.hear(say.scored("p", 0.9, 1))
    assert (await auditor.stands("p"))["deleted_at"] == say.deleted("p", 5).data.deleted_at


async def test_a_deletion_alone_says_no_status(auditor: Any, say: Any) -> None:
    assert await auditor.hear(say.deleted("p", 5)) == [[]]
    assert await auditor.stands("p") is None
    assert await auditor.store.totals() == []


async def test_only_the_corpus_holds_words_of_a_post_and_no_table_once_it_was_deleted(auditor: Any, say: Any) -> None:
    async def holding() -> set[str]:
        async with auditor.database.read() as connection:
            stored = {table.name: (await connection.execute(select(table))).all() for table in metadata.sorted_tables}
        assert stored["auditor_statuses"] and stored["auditor_status_changes"] and stored["auditor_corrections"]
        return {name for name, rows in stored.items() if "unmistakable" in str(rows) or "some words" in str(rows)}

    await auditor.hear(say.scored("p", 0.9, 1, text="unmistakable"))
    await auditor.hear(say.corrected("p", "c", 2), say.corrected(None, "d", 2))
    assert await holding() == {"auditor_posts"}
    await auditor.hear(say.deleted("p", 5))
    assert await holding() == set()


async def test_statements_stay_the_same_number_whatever_the_batch(auditor: Any, say: Any) -> None:
    counted: list[str] = []
    sql.listen(auditor.database.engine.sync_engine, "before_cursor_execute", lambda *call: counted.append(call[2]))

    async def effort(*events: Event[Any]) -> int:
        counted.clear()
        await auditor.hear(*events)
        return len(counted)

    assert await effort(say.scored("a", 0.9, 1)) == await effort(*(say.scored(f"b{n}", 0.9, 1) for n in range(200)))
    few = await effort(say.corrected("a", "c", 2))
    assert few == await effort(*(say.corrected(f"b{n}", f"c{n}", 2) for n in range(200)))
    few = await effort(say.deleted("a", 2))
    assert few == await effort(*(say.deleted(f"b{n}", 2) for n in range(200)))


async def test_two_processes_make_one_history(auditor: Any, second_auditor: Opener, say: Any) -> None:
    async with second_auditor() as other:
        heard = [(auditor, say.scored("p", 0.9 if n % 2 else 0.1, n)) for n in range(10)]
        heard += [(other, say.corrected("p", f"c{n}", n, expected=("threat",) if n % 2 else ())) for n in range(10)]
        heard += [(each, say.scored("q", 0.9, 1)) for each in (auditor, other)]
        said = await asyncio.gather(*(who.hear(event) for who, event in heard))
    assert said[-1] == said[-2]
    sequences = sorted(changed["sequence"] for each in said[:-2] for changed in payloads(each))
    assert sequences == list(range(1, len(sequences) + 1))
    stands = await auditor.stands("p")
    assert (stands["status"], stands["sequence"]) == ("flagged", len(sequences))
    assert (await auditor.stands("q"))["sequence"] == 1


async def test_a_first_step_that_somebody_else_made_meanwhile_undoes_the_whole_batch(auditor: Any, say: Any) -> None:
    step = {"post_id": "p", "sequence": 1, "status": "flagged", "rule": "model", "cause_id": "x", "changed_at": MOMENT}
    async with auditor.database.begin() as connection:
        await connection.execute(status_changes.insert(), step)
    with pytest.raises(IntegrityError):
        await auditor.hear(say.corrected("p", "c", 1), say.corrected("q", "d", 1))
    async with auditor.database.read() as connection:
        assert (await connection.execute(select(statuses))).all() == []
        assert (await connection.execute(select(corrections))).all() == []


SPOKEN = st.tuples(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.4, 0.9]), st.integers(0, 20), st.sampled_from([0, 5, 10])),
        max_size=3,
        unique_by=lambda each: each[1:],
    ),
    st.dictionaries(
        st.sampled_from("abc"), st.tuples(st.integers(0, 20), st.sampled_from(Verdict), st.booleans()), max_size=3
    ),
    st.sets(st.sampled_from("abcd"), max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(spoken=SPOKEN, data=st.data())
async def test_any_arrival_in_any_batches_ends_in_the_same_record(
    new_auditor: Opener, say: Any, spoken: Any, data: st.DataObject
) -> None:
    scores, words, undone = spoken
    heard = [say.scored("p", overall, at, edited=edited) for overall, at, edited in scores]
    heard += [
        say.corrected("p", name, at, verdict=verdict, expected=("threat",) if expected else ())
        for name, (at, verdict, expected) in words.items()
    ]
    heard += [say.retracted(name, 30) for name in sorted(undone)]
    arrivals = data.draw(st.permutations(heard + heard[:2]))
    together = data.draw(st.booleans())
    async with new_auditor() as one, new_auditor() as other:
        for event in heard:
            await one.hear(event)
        for kind, batch in groupby(arrivals, key=lambda event: event.type):
            for events in [list(batch)] if together else ([event] for event in batch):
                assert {event.type for event in events} == {kind}
                await other.hear(*events)
        expected, stands = await one.stands("p"), await other.stands("p")
        for event in heard:
            await other.hear(event)
        assert await other.stands("p") == stands
        steps = await other.steps("p")
    by_arrival = {"sequence", "first_status", "first_changed_at", "changed_at", "marks", "due_at"}
    if expected is None or stands is None:
        assert expected == stands
        return
    assert {key: value for key, value in stands.items() if key not in by_arrival} == {
        key: value for key, value in expected.items() if key not in by_arrival
    }
    assert [previous for previous, _ in steps] == [None, *(status for _, status in steps[:-1])]
    assert steps[-1][1] == stands["status"]
