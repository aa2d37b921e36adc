"""Lines of one text become one line: who counts, what becomes unknown, and the same set in whatever order."""

from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.trainer.merge import Merging
from services.trainer.sets.joining import Conflict, conflicts, joined, line_of, of_labels, told
from services.trainer.sets.lines import BadLine, row_of


def harvested(text: str = "you lot", at: str | None = "2026-03-01T12:00:00+00:00", **labels: int) -> dict[str, Any]:
    return {"text": text, "labels": labels, "source": "platform_feedback", "feedback_type": "other", "corrected_at": at}


def plain(text: str = "you lot", **labels: int) -> dict[str, Any]:
    return {"text": text, "labels": labels, "source": "edos"}


def merged(*records: Any) -> dict[str, Any]:
    merging = Merging([])
    account = merging.account("a.jsonl", "training lines")
    for number, record in enumerate(records, 1):
        merging.take(account, number, record)
    assert account.malformed == []
    (line,) = merging.lines()
    return line


def test_a_correction_beats_other_labels_and_a_newer_one_an_older() -> None:
    old, new = (
        harvested(at="2026-03-01T10:00:00+02:00", insult=1, toxic=1),
        harvested("You lot!", "2026-03-01T09:00:00Z", insult=0),
    )
    for order in permutations([plain(insult=1, threat=0), old, new]):
        line = merged(*order)
        assert line["labels"] == {"toxic": 1, "threat": 0, "insult": 0}
        assert (line["text"], line["source"]) == ("You lot!", "platform_feedback")
        assert line["corrected"] == {
            "toxic": "2026-03-01T08:00:00.000000+00:00",
            "insult": "2026-03-01T09:00:00.000000+00:00",
        }


def test_equals_that_contradict_each_other_are_unknown_until_somebody_of_more_weight_speaks() -> None:
    line = merged(plain(insult=1, threat=1), plain(insult=0))
    assert (line["labels"], line["contradicted"]) == ({"threat": 1}, {"insult": [0, ""]})
    assert merged(line, plain(insult=1)) == line
    assert merged(line, harvested(insult=1))["labels"] == {"threat": 1, "insult": 1}
    both = merged(harvested(insult=1), harvested(insult=0))
    assert both["labels"] == {}
    assert merged(both, harvested(at="2026-03-01T12:00:01Z", insult=0))["labels"] == {"insult": 0}


def test_a_guess_counts_more_than_a_label_and_less_than_a_clear_word() -> None:
    guess = harvested(at="2026-05-01", insult=1, toxic=1) | {"weights": {"insult": 0.5, "toxic": 0.5}}
    line = merged(plain(insult=0, toxic=0), guess, harvested(insult=0))
    assert (line["labels"], line["weights"]) == ({"toxic": 1, "insult": 0}, {"toxic": 0.5})


def test_a_seeds_own_line_counts_from_when_it_was_harvested() -> None:
    theirs = harvested(insult=1) | {"harvested_at": "2026-04-01T00:00:00Z"}
    del theirs["corrected_at"]
    assert merged(harvested(insult=0), theirs)["labels"] == {"insult": 1}


def test_what_judges_anywhere_judges_everywhere() -> None:
    line = merged(plain(insult=1) | {"split": "train"}, plain(insult=1) | {"split": "dev"})
    assert row_of("a", 1, line).split == "dev"


def test_conflicts_say_how_they_end() -> None:
    base, mine, later = (
        told(each)[0] for each in (plain(insult=1), harvested(insult=0), harvested(at="2027-01-01", insult=1))
    )
    assert conflicts(base, mine) == [Conflict("insult", "correction")]
    assert conflicts(mine, later) == [Conflict("insult", "newer")]
    assert conflicts(base, of_labels("you lot", {"insult": 0}, "edos", "", "")) == [Conflict("insult", "contradiction")]
    assert conflicts(base, later) == []


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"text": ""},
        {"labels": None},
        {"labels": {"insult": 2}},
        {"source": ""},
        {"split": "test"},
        {"corrected": {"insult": "soon"}},
        {"weights": {"insult": -1}},
        {"contradicted": ["insult"]},
        {"contradicted": {"insult": "2026-03-01"}},
    ],
)
def test_a_line_that_is_none_is_malformed(wrong: Any) -> None:
    with pytest.raises(BadLine):
        told(plain(insult=1) | wrong if isinstance(wrong, dict) else wrong)


def test_a_report_counts_every_row_and_names_no_text() -> None:
    merging = Merging([])
    account = merging.account("a.jsonl", "training lines")
    rows = [
        plain(insult=1),
        plain(insult=1),
        plain(insult=0),
        {"text": "secret words"},
        plain("b") | {"labels": {"rude": 1}},
    ]
    for number, record in enumerate(rows, 1):
        merging.take(account, number, record)
    merging.fault(account, 6, "This line is not valid JSON.")
    report = merging.report("set.jsonl", True)
    (file,) = report["files"]
    assert (file["read"], file["new"], file["unchanged"], file["merged"]) == (6, 1, 1, 1)
    assert [fault["line"] for fault in file["malformed"]] == [4, 6]
    assert file["unknown"] == [{"line": 5, "name": "rude"}]
    assert file["left_out"] == {"no label": 1}
    assert report["conflicts"] == {"insult": {"contradiction": 1}}
    assert report["unknown_by_contradiction"] == 1
    assert "secret" not in str(report)


LABELS = st.dictionaries(st.sampled_from(["insult", "toxic"]), st.integers(0, 1), min_size=1)
TEXTS = st.sampled_from(["you lot", "You lot!", "else"])
MOMENTS = st.sampled_from([None, "2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00", "2026-03-02"])
RECORDS = st.builds(
    lambda text, at, labels, guess: (
        harvested(text, at, **labels) | ({"weights": dict.fromkeys(labels, 0.5)} if guess else {})
    ),
    TEXTS,
    MOMENTS,
    LABELS,
    st.booleans(),
) | st.builds(
    lambda text, labels, weight, split: (
        plain(text, **labels) | {"weights": dict.fromkeys(labels, weight), "split": split}
    ),
    TEXTS,
    LABELS,
    st.sampled_from([0.5, 1.0]),
    st.sampled_from(["", "train", "dev"]),
)


def lines(records: list[Any]) -> bytes:
    merging = Merging([])
    account = merging.account("a", "lines")
    for number, record in enumerate(records, 1):
        merging.take(account, number, record)
    return b"\n".join(map(orjson.dumps, merging.lines()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=6), st.randoms(use_true_random=False))
def test_the_same_records_give_the_same_bytes_in_whatever_order_and_however_often(
    records: list[Any], random: Any
) -> None:
    first = lines(records)
    shuffled = [*records, *records]
    random.shuffle(shuffled)
    assert lines(shuffled) == first
    written = [orjson.loads(line) for line in first.split(b"\n") if line]
    assert lines(written) == first
    assert lines([*written, *records]) == first
    half = [orjson.loads(line) for line in lines(records[:3]).split(b"\n") if line]
    assert lines([*records[3:], *half]) == first


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, RECORDS)
def test_a_line_survives_its_bytes_and_joining_asks_for_no_order(one: Any, other: Any) -> None:
    mine, theirs = told(one)[0], told(other)[0]
    assert told(orjson.loads(orjson.dumps(line_of(mine))))[0] == mine
    if mine.key == theirs.key:
        assert joined(mine, theirs) == joined(theirs, mine)
        assert joined(mine, mine) == mine
