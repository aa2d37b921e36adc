"""People's words on a text: which stands, and what it makes of a score."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from services.classifier.overrides import Override, applied, as_near, decides, fingerprint, is_about, standing
from services.classifier.scoring import Score
from shared.events import PostCorrected
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES, Standing, Verdict

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

labels = some.dictionaries(some.sampled_from(CATEGORIES), some.integers(0, 1), min_size=1, max_size=4)
words = some.lists(some.tuples(labels, some.integers(0, 5)), max_size=6).map(
    lambda said: [Override(f"c{n}", each, NOON + timedelta(minutes=at)) for n, (each, at) in enumerate(said)]
)
scores = some.dictionaries(some.sampled_from(CATEGORIES), some.floats(0, 1).map(lambda value: round(value, 4)))
limits = some.dictionaries(some.sampled_from([*CATEGORIES, "overall"]), some.floats(0.05, 0.95))


def score(known: dict[str, float], thresholds: dict[str, float]) -> Score:
    flagged = any(value >= threshold_of(name, thresholds) for name, value in known.items())
    return Score({name: known[name] for name in CATEGORIES if name in known}, max(known.values(), default=0.0), flagged)


@given(words, scores, limits, some.randoms(use_true_random=False))
def test_the_newest_word_decides_its_category_and_nothing_else_changes(
    said: list[Override], known: dict[str, float], thresholds: dict[str, float], draw: random.Random
) -> None:
    before = score(known, thresholds)
    after = applied(before, standing(draw.sample(said, len(said))), thresholds)
    for category in CATEGORIES:
        about = [each for each in said if category in each.labels]
        newest = max(about, key=lambda each: (each.corrected_at, each.correction_id), default=None)
        if newest is None:
            assert after.score.scores.get(category) == known.get(category)
            assert category not in after.provenance
        else:
            assert after.score.scores[category] == float(newest.labels[category])
            provenance = after.provenance[category]
            assert (provenance.correction_id, provenance.layer) == (newest.correction_id, "same")
            assert provenance.instead_of == known.get(category), "what the model said stays readable"
    assert after.score.overall == max(after.score.scores.values(), default=0.0)
    assert after.score.flagged == score(after.score.scores, thresholds).flagged
    assert list(after.score.scores) == [name for name in CATEGORIES if name in after.score.scores]


@given(words, some.data())
def test_a_word_taken_back_leaves_what_there_would_be_without_it(said: list[Override], data: some.DataObject) -> None:
    if said:
        gone = data.draw(some.sampled_from(said))
        left = [each for each in said if each is not gone]
        assert standing(left) == standing([each for each in said if each.correction_id != gone.correction_id])
        assert gone.correction_id not in {word.correction_id for word in standing(left).values()}


def test_without_a_word_the_score_is_the_models() -> None:
    before = Score({"toxic": 0.9}, 0.9, True)
    after = applied(before, {}, {})
    assert (after.score, after.provenance) == (before, {})


def test_a_category_the_model_does_not_know_is_known_once_a_person_spoke() -> None:
    after = applied(Score({"toxic": 0.1}, 0.1, False), standing([Override("c", {"racism": 1}, NOON)]), {"toxic": 0.4})
    assert (after.score.scores, after.score.flagged) == ({"toxic": 0.1, "racism": 1.0}, True)
    assert after.provenance["racism"].instead_of is None


def test_words_on_nearly_the_same_text_say_so() -> None:
    near = as_near(standing([Override("c", {"insult": 0}, NOON, post_id="p")]))
    assert (near["insult"].layer, near["insult"].label, near["insult"].post_id) == ("near", 0, "p")


def correction(**facts: Any) -> PostCorrected:
    known: dict[str, Any] = {"verdict": Verdict.INCORRECT, "actual_categories": ("insult",), "corrected_at": NOON}
    return PostCorrected(correction_id="c", **{**known, **facts})


def test_only_a_reviewers_own_word_overrides() -> None:
    assert decides(correction()) == {"insult": 0}
    assert decides(correction(verdict=Verdict.CORRECT)) == {"insult": 1}
    for other in (
        {"standing": Standing.AUTHOR},
        {"standing": Standing.REPORTER},
        {"weak": True},
        {"retracts": "d"},
        {"verdict": Verdict.UNSURE},
    ):
        assert decides(correction(**other)) == {}, other


def test_the_same_words_have_the_same_fingerprint_and_nothing_of_them_is_in_it() -> None:
    one, other = fingerprint("You FOOL!! @ada https://a.example"), fingerprint("you fool")
    assert one == other != fingerprint("you fools")
    assert len(one) == 16 and b"fool" not in one
    assert fingerprint("\ud800 alone") != fingerprint("☃")


def test_a_correction_is_about_the_revision_it_saw() -> None:
    moment = int(NOON.timestamp() * 1000)
    assert is_about(NOON, 0) and is_about(NOON, moment)
    assert not is_about(NOON, moment + 1)
