"""The same text twice is one revision, another text a later one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from services.ingest.posts import PostIn
from services.ingest.revisions import name_of, revise
from shared.ids import revision_of

START = datetime(2026, 11, 21, tzinfo=UTC)


def post(text: str, **more: object) -> PostIn:
    return PostIn.model_validate({"platform": "forum", "external_id": "1", "text": text, **more})


@given(some.lists(some.tuples(some.sampled_from("abc"), some.integers(-3, 3)), min_size=1, max_size=12))
def test_revisions_only_grow_and_follow_the_changes_of_the_text(sent: list[tuple[str, int]]) -> None:
    notes: dict[str, str | None] = {}
    texts, revisions, repeated = [], [], 0
    for text, shift in sent:
        answer = revise([post(text)], notes, START + timedelta(seconds=shift))
        notes |= answer.notes
        repeated += answer.repeated
        texts += [each.text for each in answer.posts]
        revisions += [revision_of(each.edited_at) for each in answer.posts]
    changes = [text for n, (text, _) in enumerate(sent) if n == 0 or sent[n - 1][0] != text]
    assert texts == changes
    assert repeated == len(sent) - len(changes)
    assert revisions == sorted(set(revisions))


def test_several_states_in_one_message_are_as_many_revisions() -> None:
    answer = revise([post("a"), post("b"), post("b"), post("a")], {}, START)
    assert [each.text for each in answer.posts] == ["a", "b", "a"]
    assert [revision_of(each.edited_at) - revision_of(START) for each in answer.posts] == [0, 1, 2]
    assert answer.repeated == 1 and set(answer.notes) == {name_of(post("a"))}


def test_an_edit_time_of_the_platform_stands() -> None:
    given = post("a", edited_at="2026-11-20T10:00:00Z")
    answer = revise([given, given], {}, START)
    assert answer.posts == [given, given] and not answer.notes


def test_the_same_message_says_the_same_revision_again() -> None:
    """A crash after the append and before the note repeats the event's id."""
    assert revise([post("a")], {}, START).posts == revise([post("a")], {}, START).posts
