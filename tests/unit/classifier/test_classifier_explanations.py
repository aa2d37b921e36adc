"""What carried a score is shown where it stands in the raw text, and nothing of what the model does not know."""

from services.classifier.answering import Answer
from services.classifier.api.perspective import _places
from services.classifier.api.trying import _carried
from services.classifier.live_model import Loaded
from services.classifier.perspective import Attribute
from services.classifier.scoring import scores_of
from tests.support.small_model import WORDS, small_model

TEXT = "😀 fine. Then nonsense, fool!"
EVEN = dict.fromkeys(WORDS, 0.5)


def answer() -> Answer:
    model = small_model()
    return Answer(scores_of(model.score([TEXT]), EVEN), Loaded("ombud-scorer", "m-1", "", model), EVEN)


async def test_words_that_carried_a_score_are_shown_in_both_ways_of_counting() -> None:
    carried = await _carried(TEXT, answer(), ["insult", "threat"])
    (span,) = carried["insult"].spans
    assert TEXT[span.begin : span.end] == "fool"
    assert (span.utf16_begin, span.utf16_end) == (span.begin + 1, span.end + 1)
    weights = {TEXT[word.begin : word.end]: word.weight for word in carried["insult"].words}
    assert max(weights, key=weights.__getitem__).startswith("fool")
    assert "fool" in carried["insult"].ngrams[0].token
    assert carried["threat"].spans == []


async def test_sentences_come_first_and_then_the_words_of_the_attributes_highest_category() -> None:
    wanted = [Attribute("INSULT", "INSULT", ("insult",), None), Attribute("X", "X", ("threat", "toxic"), None)]
    places = await _places(TEXT, wanted, answer())
    cut = {key: [TEXT[begin:end] for begin, end in found] for key, found in places.items()}
    assert cut == {
        "INSULT": ["😀 fine.", "Then nonsense, fool!", "fool"],
        "X": ["😀 fine.", "Then nonsense, fool!", "nonsense"],
    }


async def test_a_category_that_the_model_does_not_know_has_no_explanation() -> None:
    carried = (await _carried(TEXT, answer(), ["racism"]))["racism"]
    assert (carried.spans, carried.words, carried.ngrams) == ([], [], [])
    assert (await answer().explain(TEXT, ["racism", "insult"])).keys() == {"insult"}
