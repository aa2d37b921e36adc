"""An answer of the LLM is believed post by post, and only where it leaves no doubt."""

import json
from typing import Any

import pytest

from services.classifier.answers import read
from shared.vocabulary import CATEGORIES

GOOD = dict.fromkeys(CATEGORIES, 0.25)
IDS = ["p1", "p2", "p3"]


def answer(*results: Any) -> str:
    return json.dumps({"results": list(results)})


def result(name: str, **changed: Any) -> dict[str, Any]:
    return {"id": name, "scores": GOOD | changed, "rationale": "because"}


def test_a_whole_answer_gives_every_post_its_scores_in_whatever_order() -> None:
    reading = read(answer(result("p3", toxic=1), result("p1"), result("p2")), "stop", None, IDS)
    assert set(reading.scores) == set(IDS)
    assert reading.scores["p3"]["toxic"] == 1.0
    assert (reading.again, reading.cut, reading.refused) == ((), False, False)


@pytest.mark.parametrize(
    ("results", "again"),
    [
        ([result("p1"), result("p3")], ("p2",)),
        ([result("p1"), result("p2"), result("p2"), result("p3")], ("p2",)),
        ([result("p1"), result("p2"), result("p3"), result("p9")], ()),
        ([result("p1"), result("p2", toxic=1.01), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic=-0.1), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic=float("nan")), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic=float("inf")), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic="0.5"), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic=True), result("p3")], ("p2",)),
        ([result("p1"), result("p2", toxic=None), result("p3")], ("p2",)),
        ([result("p1"), result("p2", other=0.1), result("p3")], ("p2",)),
        ([result("p1"), {"id": "p2", "scores": {"toxic": 0.1}, "rationale": ""}, result("p3")], ("p2",)),
        ([result("p1"), "p2", 3, {"id": ["p2"]}, result("p3")], ("p2",)),
        ([], ("p1", "p2", "p3")),
    ],
    ids=[
        "missing", "twice", "unknown", "over 1", "under 0", "nan", "infinite", "text", "bool", "null",
        "a category too many", "a category too few", "no objects", "empty",
    ],
)  # fmt: skip
def test_what_is_wrong_is_asked_again_and_the_rest_is_kept(results: list[Any], again: tuple[str, ...]) -> None:
    reading = read(answer(*results), "stop", None, IDS)
    assert reading.again == again
    assert set(reading.scores) == set(IDS) - set(again)
    assert not reading.cut


@pytest.mark.parametrize(
    ("content", "finish"),
    [
        (answer(result("p1"))[:-9], "stop"),
        (answer(result("p1"), result("p2"), result("p3")), "length"),
        ("", "stop"),
        (None, "stop"),
        ("[]", "stop"),
        ('{"results": 3}', "stop"),
        ("[" * 100_000, "stop"),
        ("9" * 10_000, "stop"),
    ],
)
def test_an_answer_that_is_cut_gives_no_scores_at_all(content: str | None, finish: str) -> None:
    reading = read(content, finish, None, IDS)
    assert reading.cut
    assert reading.scores == {}
    assert reading.again == tuple(IDS)


@pytest.mark.parametrize(("finish", "refusal"), [("stop", "I cannot help with that."), ("content_filter", None)])
def test_a_refusal_gives_no_scores_whatever_stands_beside_it(finish: str, refusal: str | None) -> None:
    reading = read(answer(result("p1"), result("p2"), result("p3")), finish, refusal, IDS)
    assert reading.refused
    assert reading.scores == {}
