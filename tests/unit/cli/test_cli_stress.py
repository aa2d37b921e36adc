"""What synthetic platforms do, and how a run of theirs is judged."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.cli.stages import Seen, Wanted, quantile
from services.cli.stress import is_here
from services.cli.synthetic import WORDS, Mix, actions

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
MIX = Mix(("en", "nl", "de"), 12, duplicates=0.1, edits=0.1, deletions=0.1, corrections=0.1)


def said(stream: str, post: str, at_ms: float, name: str = "") -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = {"post": {"post_id": post}} if stream != "posts.status_changed" else {"post_id": post}
    time = (BEGUN + timedelta(milliseconds=at_ms)).isoformat()
    return stream, {"id": name or f"{stream} {post}", "time": time, "data": data}


def heard(*events: tuple[str, dict[str, Any]], accepted: str = "pq") -> Seen:
    seen = Seen(accepted=set(accepted))
    for event in events:
        seen.hear(*event)
    return seen


def travelled(post: str) -> list[tuple[str, dict[str, Any]]]:
    streams = ("posts.ingested", "posts.scored", "posts.status_changed")
    return [said(stream, post, at) for stream, at in zip(streams, (0, 40, 100), strict=True)]


def test_the_same_seed_does_the_same_and_another_does_not() -> None:
    one, again, other = (list(actions(MIX, 200, "p", "a", seed)) for seed in (1, 1, 2))
    assert one == again != other


def test_shares_are_about_what_was_asked_for_and_lengths_and_languages_vary() -> None:
    done = list(actions(MIX, 4_000, "p", "a", 0))
    kinds = Counter(each.kind for each in done)
    assert {kind: round(kinds[kind] / len(done), 1) for kind in kinds} == {
        "post": 0.6,
        **dict.fromkeys(("duplicate", "edit", "deletion", "correction"), 0.1),
    }
    texts = [each.body["text"] for each in done if each.kind == "post"]
    assert len(set(texts)) == len(texts), "none is another one's duplicate"
    sizes = sorted(len(text.split()) for text in texts)
    assert sizes[len(sizes) // 10] < 8 < sizes[len(sizes) // 2] < 16 < sizes[-len(sizes) // 10]
    for language, words in WORDS.items():
        others = set().union(*(set(each) for name, each in WORDS.items() if name != language))
        own = set(words) - others
        assert any(own & set(text.split()) for text in texts), language


def test_what_is_about_a_post_is_about_one_that_is_there_as_it_is() -> None:
    there: dict[str, dict[str, Any]] = {}
    for each in actions(MIX, 2_000, "p", "a", 0):
        if each.kind == "post":
            assert each.external_id not in there
        elif each.kind in ("duplicate", "correction"):
            assert there[each.external_id] == each.body
        elif each.kind == "edit":
            assert each.body["edited_at"] > (there[each.external_id]["edited_at"] or "")
        there[each.external_id] = dict(each.body)
        if each.kind == "deletion":
            there.pop(each.external_id)


def test_stages_are_between_the_times_of_events_and_nobody_elses_count() -> None:
    seen = heard(*travelled("p"), *travelled("z"))
    assert (seen.took_ms["scored"], seen.took_ms["status"]) == ([40.0], [60.0])
    assert seen.lost == {"q"}
    assert seen.twice == 0


def test_a_person_who_is_faster_than_the_model_decides_too_and_took_no_time_after_it() -> None:
    first, scored, status = travelled("p")
    seen = heard(first, status, scored, accepted="p")
    assert not seen.lost
    assert (seen.took_ms["scored"], seen.took_ms["status"]) == ([40.0], [])


def test_a_deleted_post_is_not_lost() -> None:
    seen = heard(*travelled("p"))
    seen.deleted.add("q")
    assert not seen.lost


def test_an_event_that_comes_again_and_a_repetition_that_is_let_in_are_twice() -> None:
    seen = heard(*travelled("p"), travelled("p")[1], *travelled("q"))
    seen.let_in["p", None] += 2
    assert seen.twice == 2
    assert seen.took_ms["scored"] == [40.0, 40.0], "of the first time"


@pytest.mark.parametrize(
    ("wanted", "missed"),
    [
        (Wanted(), []),
        (Wanted({("scored", 0.95): 40}, per_second=10), []),
        (Wanted({("scored", 0.95): 39}), ["scored p95 40 ms is over 39 ms"]),
        (Wanted({("visible", 0.5): 39}), ["visible p50 nan ms is over 39 ms"]),
        (Wanted(per_second=11), ["10.0 posts a second are under 11.0"]),
    ],
)
def test_what_is_missed_is_said(wanted: Wanted, missed: list[str]) -> None:
    assert heard(*travelled("p"), *travelled("q")).missed(wanted, 10.0) == missed


def test_loss_repetition_and_refusals_are_missed_unless_they_are_allowed() -> None:
    seen = heard(*travelled("p"), travelled("p")[2])
    seen.refused["429"] += 1
    assert seen.missed(Wanted(), 1.0) == [
        "1 posts without a status, 0 allowed",
        "1 events or posts twice, 0 allowed",
        "1 requests refused, 0 allowed",
    ]
    assert seen.missed(Wanted(lost=1, twice=1, refused=1), 1.0) == []


def test_quantiles() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([float(n) for n in range(100)], 0.95) == 95


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.0.3", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - asks, binds nothing
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("ombud.example.org", False),
    ],
)
def test_only_the_loopback_is_here(host: str, here: bool) -> None:
    assert is_here(host) is here
