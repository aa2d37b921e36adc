"""What a correction teaches."""

import pytest

from services.trainer.labels import Correction, labels_of, lessons
from shared.vocabulary import Verdict
from tests.unit.trainer.spoken import NOON, at


def word(name: str, verdict: Verdict = Verdict.INCORRECT, minute: float = 0, **facts: object) -> Correction:
    return Correction(name, verdict, at(minute), **{"text": "you lot", **facts})


def taught(*corrections: Correction) -> dict[str, dict[str, int]]:
    return {lesson.correction_id: lesson.labels for lesson in lessons(corrections)}


def test_only_what_was_spoken_about_is_known() -> None:
    given = word("a", expected=("insult",), actual=("threat",), spoke_about=("insult", "toxic"))
    assert labels_of(given) == {"insult": 1, "toxic": 0}


def test_without_spoken_categories_those_that_were_named_count() -> None:
    assert labels_of(word("a", expected=("insult",), actual=("threat", "insult"))) == {"threat": 0, "insult": 1}


def test_who_says_the_score_is_right_confirms_what_it_said() -> None:
    assert labels_of(word("a", Verdict.CORRECT, actual=("insult",))) == {"insult": 1}


def test_who_says_the_score_is_right_about_a_category_it_did_not_say_confirms_the_zero() -> None:
    given = word("a", Verdict.CORRECT, actual=("insult",), spoke_about=("insult", "racism"))
    assert labels_of(given) == {"insult": 1, "racism": 0}


def test_unsure_teaches_nothing() -> None:
    assert labels_of(word("a", Verdict.UNSURE, expected=("insult",), spoke_about=("insult",))) == {}


def test_a_category_that_does_not_exist_teaches_nothing() -> None:
    assert labels_of(word("a", expected=("rudeness",))) == {}


@pytest.mark.parametrize("backwards", [False, True])
def test_a_retracted_correction_teaches_nothing_in_whatever_order_the_two_arrive(backwards: bool) -> None:
    pair = [word("a", expected=("insult",)), word("b", minute=1, expected=("insult",), retracts="a")]
    assert taught(*(reversed(pair) if backwards else pair)) == {}


@pytest.mark.parametrize("backwards", [False, True])
def test_the_later_word_on_the_same_post_and_category_counts(backwards: bool) -> None:
    pair = [
        word("a", post_id="p", minute=1, expected=("insult", "threat")),
        word("b", post_id="p", minute=2, actual=("insult",)),
    ]
    assert taught(*(reversed(pair) if backwards else pair)) == {"a": {"threat": 1}, "b": {"insult": 0}}


def test_a_retracted_later_word_gives_the_floor_back_to_the_earlier_one() -> None:
    first, second = word("a", post_id="p", expected=("insult",)), word("b", post_id="p", minute=1, actual=("insult",))
    assert taught(first, second, word("c", minute=2, retracts="b")) == {"a": {"insult": 1}}


def test_a_correction_without_any_text_teaches_nothing() -> None:
    assert taught(word("a", text=None, post_id="p", expected=("insult",))) == {}


def test_the_text_of_the_post_is_used_when_the_correction_brings_none() -> None:
    given = word("a", text=None, post_id="p", expected=("insult",), post_text="you lot")
    assert lessons([given])[0].text == "you lot"


def test_a_post_edited_after_the_correction_lends_it_no_text() -> None:
    edited = int(NOON.timestamp() * 1000) + 1
    given = word("a", text=None, post_id="p", expected=("insult",), post_text="new words", post_revision=edited)
    assert taught(given) == {}
    assert taught(word("a", minute=1, text=None, expected=("insult",), post_text="new", post_revision=edited))


def test_a_lesson_knows_who_said_it_where_and_whether_it_is_a_guess() -> None:
    given = word("a", expected=("insult",), reviewer="r", platform="forum", weak=True, post_language="nl")
    (lesson,) = lessons([given])
    assert (lesson.person, lesson.community, lesson.language) == ("r", "forum", "nl")
    assert (lesson.weak, lesson.said_at) == (True, NOON)
