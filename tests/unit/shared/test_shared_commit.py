"""From what a handler decided to one atomic step: pure, and the same for a repetition."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.bus.commit import Again, Dead, Done, Outcome, Write, arguments, backoff_s, letter, writes_of
from shared.bus.envelope import Malformed
from shared.clock import utcnow
from shared.events import Event, Post, PostIngested, PostScored, caused, said
from shared.settings import BusSettings

SETTINGS = BusSettings()
POST = Post(post_id="p", platform="forum", external_id="1", text="a text")
CAUSE = said(PostIngested(post=POST), by="ingest", cause="request")
SCORED = caused(
    CAUSE,
    PostScored(
        post=POST,
        scores={"toxic": 0.5},
        overall=0.5,
        flagged=True,
        model="m",
        model_version="1",
        thresholds={},
        scored_at=utcnow(),
    ),
    by="classifier",
)
NOW = 1_794_648_667_250


def writes(outcome: Outcome, item: Event[Any] | Malformed = CAUSE, jitter: float = 0.5) -> list[Write]:
    """What is written for one entry of posts.ingested that the classifier had."""
    return writes_of(
        item,
        outcome,
        origin="posts.ingested",
        group="classifier",
        settings=SETTINGS,
        now_ms=NOW,
        jitter=jitter,
    )


def test_what_is_done_writes_what_it_says_and_nothing_else() -> None:
    assert writes(Done()) == []
    assert writes(Done([SCORED, SCORED])) == [Write("x", "posts.scored", SCORED.wire())] * 2


def test_what_failed_waits_with_one_more_attempt_and_the_reason() -> None:
    (write,) = writes(Again("no luck", "ValueError"))
    assert (write.kind, write.key) == ("z", "posts.ingested:delay:classifier")
    assert int(write.last) == NOW + int(SETTINGS.backoff_base_s * 1000)
    waiting = orjson.loads(write.payload)
    assert (waiting["attempt"], waiting["reason"]) == (1, "no luck")
    assert (waiting["id"], waiting["data"]) == (CAUSE.id, orjson.loads(CAUSE.wire())["data"])


def test_the_last_attempt_becomes_a_dead_letter() -> None:
    item: Event[Any] = CAUSE
    kinds = []
    for _ in range(SETTINGS.attempts):
        (write,) = writes(Again("no luck", "ValueError"), item)
        kinds.append(write.kind)
        item = item.again("no luck")
    assert kinds == ["z"] * (SETTINGS.attempts - 1) + ["d"]
    assert (write.key, write.last, write.error) == ("posts.ingested:dead:classifier", "no luck", "ValueError")


def test_what_is_hopeless_is_a_dead_letter_at_once() -> None:
    (write,) = writes(Dead("no model of ours", "BadArtifact"))
    assert (write.kind, write.last, write.error) == ("d", "no model of ours", "BadArtifact")
    assert orjson.loads(write.payload)["attempt"] == 1


@pytest.mark.parametrize("outcome", [Done([SCORED]), Again("x"), Dead("x")])
def test_a_malformed_entry_is_a_dead_letter_with_its_bytes_whatever_was_decided(outcome: Outcome) -> None:
    assert writes(outcome, Malformed(b"\xff{", "ValidationError: json_invalid")) == [
        Write("d", "posts.ingested:dead:classifier", b"\xff{", "ValidationError: json_invalid", "Malformed")
    ]


def test_a_group_says_only_what_is_its_own() -> None:
    with pytest.raises(ValueError, match=r"classifier may not say posts\.ingested"):
        writes(Done([CAUSE]))


# -- backoff ------------------------------------------------------------------------------------------------

base_s = some.floats(0.01, 60)
limit_s = some.floats(0.01, 3600)
jitter = some.floats(0, 1)


@given(some.integers(1, 20), base_s, limit_s, jitter)
def test_a_pause_is_never_zero_and_never_far_over_its_limit(attempt: int, base: float, limit: float, j: float) -> None:
    assert 0 < backoff_s(attempt, base, limit, j) <= 1.2 * limit * (1 + 1e-9)


@given(some.integers(1, 19), base_s, jitter)
def test_below_the_limit_each_pause_is_four_times_the_one_before(attempt: int, base: float, j: float) -> None:
    far = float("inf")
    assert backoff_s(attempt + 1, base, far, j) == pytest.approx(4 * backoff_s(attempt, base, far, j))


@given(some.integers(1, 20), base_s, limit_s, jitter)
def test_jitter_moves_a_pause_by_a_fifth_at_most(attempt: int, base: float, limit: float, j: float) -> None:
    middle = backoff_s(attempt, base, limit, 0.5)
    assert abs(backoff_s(attempt, base, limit, j) - middle) <= 0.2 * middle * (1 + 1e-9)


def test_the_first_pause_is_the_base() -> None:
    assert [backoff_s(n, 2, 900, 0.5) for n in range(1, 7)] == [2, 8, 32, 128, 512, 900]


# -- arguments of the script --------------------------------------------------------------------------------


def test_the_arguments_name_each_key_once_and_count_what_follows() -> None:
    rows = {
        b"1-0": [Write("x", "posts.scored", b"a"), Write("x", "posts.scored", b"b")],
        b"1-1": [],
        b"1-2": [Write("d", "posts.ingested:dead:classifier", b"c", "why", "Dead")],
    }
    keys, argv = arguments("posts.ingested", "classifier", 1000, rows)
    assert keys == ["posts.ingested", "posts.scored", "posts.ingested:dead:classifier"]
    assert argv == [
        *("classifier", 1000, 3),
        *(b"1-0", 2, "x", 2, b"a", "", "", "x", 2, b"b", "", ""),
        *(b"1-1", 0),
        *(b"1-2", 1, "d", 3, b"c", "why", "Dead"),
    ]


kinds = some.sampled_from("xzd")
names = some.sampled_from(["posts.scored", "a:dead:b", "a:delay:b"])
rows = some.lists(some.builds(Write, kinds, names, some.binary(max_size=8)), max_size=4)


@given(some.dictionaries(some.binary(min_size=1, max_size=6), rows, max_size=6))
def test_the_arguments_can_be_read_back_as_the_script_reads_them(entries: dict[bytes, list[Write]]) -> None:
    keys, argv = arguments("in", "group", 7, entries)
    assert len(keys) == len(set(keys))
    at, read = 3, {}
    for _ in range(int(argv[2])):
        entry, count = argv[at], int(argv[at + 1])
        at += 2
        read[entry] = [
            Write(argv[n], keys[int(argv[n + 1]) - 1], argv[n + 2], argv[n + 3], argv[n + 4])  # type: ignore[arg-type]
            for n in range(at, at + 5 * count, 5)
        ]
        at += 5 * count
    assert read == entries
    assert at == len(argv)


# -- letters ------------------------------------------------------------------------------------------------


def test_a_letter_shows_event_reason_error_and_entry() -> None:
    fields = {b"__data__": CAUSE.wire(), b"reason": b"why", b"error": b"Dead", b"entry": b"1-2"}
    shown = letter(fields)
    assert shown == {"event": orjson.loads(CAUSE.wire()), "reason": "why", "error": "Dead", "entry": "1-2"}


def test_a_letter_that_is_no_json_is_shown_as_it_came() -> None:
    assert letter({b"__data__": b"\xffnonsense"})["event"] == "\ufffdnonsense"
    assert letter({}) == {"event": "", "reason": "", "error": "", "entry": ""}
