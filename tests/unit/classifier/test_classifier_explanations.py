"""What carried a score is shown where it stands in the raw text; a model that cannot tell leaves it empty."""

import re
from dataclasses import dataclass, fields

import numpy as np

from services.classifier.answering import Answer
from services.classifier.api.perspective import _places
from services.classifier.api.trying import _carried
from services.classifier.live_model import Loaded
from services.classifier.perspective import Attribute
from services.classifier.scoring import scores_of
from shared.model import Model
from tests.support.small_model import WORDS, small_model

TEXT = "😀 fine. Then nonsense, fool!"
EVEN = dict.fromkeys(WORDS, 0.5)


@dataclass(frozen=True)
class Explanation:
    words: tuple[tuple[int, int, float], ...]
    ngrams: tuple[tuple[str, float], ...]


class Explaining(Model):
    """The small model knows a category by one word, so that word carries all of its score."""

    def explain(self, text: str, category: str) -> Explanation:
        words = tuple(
            (found.start(), found.end(), 8.0 if WORDS[category] in found.group() else 0.0)
            for found in re.finditer(r"\S+", text)
        )
        return Explanation(words, ((WORDS[category], 8.0),))


def answer_of(model: Model) -> Answer:
    probabilities: np.ndarray = model.score([TEXT])  # type: ignore[type-arg]
    return Answer(scores_of(probabilities, 0.5), Loaded("ombud-scorer", "m-1", "", model), EVEN)


def explaining() -> Model:
    model = small_model()
    return Explaining(**{each.name: getattr(model, each.name) for each in fields(model)})


def test_words_that_carried_a_score_are_shown_in_both_ways_of_counting() -> None:
    carried = _carried(TEXT, answer_of(explaining()), ["insult", "threat"])
    (span,) = carried["insult"].spans
    assert TEXT[span.begin : span.end] == "fool!"
    assert (span.utf16_begin, span.utf16_end) == (span.begin + 1, span.end + 1)
    assert [word.weight for word in carried["insult"].words] == [0, 0, 0, 0, 8]
    assert carried["insult"].ngrams[0].token == "fool"
    assert carried["threat"].spans == []


def test_sentences_come_first_and_then_the_words_of_the_attributes_highest_category() -> None:
    wanted = [Attribute("INSULT", "INSULT", ("insult",), None), Attribute("X", "X", ("threat", "toxic"), None)]
    places = _places(TEXT, wanted, answer_of(explaining()))
    cut = {key: [TEXT[begin:end] for begin, end in found] for key, found in places.items()}
    assert cut == {
        "INSULT": ["😀 fine.", "Then nonsense, fool!", "fool!"],
        "X": ["😀 fine.", "Then nonsense, fool!", "nonsense,"],
    }


def test_a_model_that_cannot_tell_leaves_the_lists_empty() -> None:
    class Silent:
        categories = tuple(WORDS)

    answer = Answer(scores_of(small_model().score([TEXT]), 0.5), Loaded("a", "m-1", "", Silent()), EVEN)  # type: ignore[arg-type]
    carried = _carried(TEXT, answer, ["insult"])["insult"]
    assert (carried.spans, carried.words, carried.ngrams) == ([], [], [])
