"""Corrections felt at once, on both databases: by key, by likeness, taken back, early, late, edited and erased."""

from pathlib import Path
from typing import Any

import pytest

from services.classifier import override_store
from services.classifier.tables import posts, tombstones
from shared.bus.commit import Done
from shared.clock import utcnow
from shared.db import insert_new
from shared.events import Event, PostScored
from shared.ids import stable_id
from shared.vocabulary import Standing, Verdict
from tests.contract.conftest import Migrated
from tests.contract.speech import corrected, deleted, erased, ingested, post, promoted, retracted
from tests.support.classifier import VERSION, Classifier

TEXT = "What nonsense, you fool"
WRONG: dict[str, Any] = {"actual_categories": ("insult", "toxic")}


@pytest.fixture
async def classifier(migrated: Migrated, dialect: str, tmp_path: Path) -> Classifier:
    """A classifier with a live model on each database."""
    made = Classifier(await migrated("classifier", dialect), tmp_path)
    assert await made.hear(promoted(VERSION, made.artifact)) == [Done()]
    return made


async def said_after(classifier: Classifier, *events: Event[Any]) -> dict[str, PostScored]:
    """Handle corrections and return external id -> what is said again."""
    outcomes = await classifier.hear(*events)
    events_said = [event for outcome in outcomes if isinstance(outcome, Done) for event in outcome.says]
    assert len({event.id for event in events_said}) == len(events_said)
    return {event.data.post.external_id: event.data for event in events_said}


async def test_a_correction_is_felt_by_every_post_with_its_text_and_a_retraction_takes_it_back(
    classifier: Classifier,
) -> None:
    (before,) = await classifier.says(ingested(post(1, text=TEXT)))
    await classifier.says(ingested(post(2, text="what NONSENSE you... fool!")), ingested(post(3, text="you fool")))
    assert before is not None and before.flagged and before.corrected is None
    after = await said_after(classifier, corrected(1, name="a", **WRONG))
    assert after.keys() == {"1", "2"}
    assert (after["1"].scores["insult"], after["1"].scores["toxic"], after["1"].flagged) == (0.0, 0.0, False)
    assert after["1"].scores["threat"] == before.scores["threat"]
    assert after["1"].scored_at > before.scored_at
    provenance = (after["2"].corrected or {})["insult"]
    assert (provenance.correction_id, provenance.layer) == (stable_id("correction", "a"), "same")
    assert (provenance.post_id, provenance.instead_of) == (post(1).post_id, before.scores["insult"])
    # the model's own record stays
    rows = {row["post_id"]: row for row in await classifier.rows("toxicity_scores")}
    assert {name: rows[post(1).post_id][name] for name in before.scores} == before.scores
    # whoever says it later meets the person's word
    (later,) = await classifier.says(ingested(post(4, text=TEXT)))
    assert later is not None and later.scores["insult"] == 0.0 and later.corrected
    back = await said_after(classifier, retracted("a"))
    assert back.keys() == {"1", "2", "4"}
    assert (back["1"].scores, back["1"].flagged, back["1"].corrected) == (before.scores, True, None)
    assert back["1"].scored_at > after["1"].scored_at


async def test_a_repetition_of_a_correction_says_the_same_events(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    for event in (corrected(1, name="a", **WRONG), retracted("a")):
        (first,) = await classifier.hear(event)
        (again,) = await classifier.hear(event)
        assert isinstance(first, Done) and isinstance(again, Done) and len(first.says) == 1
        assert [(each.id, each.data) for each in again.says] == [(each.id, each.data) for each in first.says]


async def test_a_retraction_that_comes_before_its_correction_leaves_nothing(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    assert await said_after(classifier, retracted("a")) == {}
    said = await said_after(classifier, corrected(1, name="a", **WRONG))
    assert [(each.flagged, each.corrected) for each in said.values()] == [(True, None)]


async def test_a_correction_that_comes_before_its_post_waits_for_it(classifier: Classifier) -> None:
    assert await said_after(classifier, corrected(1, name="a", **WRONG)) == {}
    (said,) = await classifier.says(ingested(post(1, text=TEXT)))
    assert said is not None and said.scores["insult"] == 0.0
    (other,) = await classifier.says(ingested(post(2, text=TEXT)))
    assert other is not None and other.scores["insult"] == 0.0, "its key is known by now"


async def test_a_correction_of_a_bare_text_is_felt_by_the_posts_that_have_it(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    said = await said_after(classifier, corrected(0, name="a", post_id=None, text=f"{TEXT} @ada", **WRONG))
    assert said["1"].scores["insult"] == 0.0
    (row,) = await classifier.rows("classifier_overrides")
    assert "fool" not in str(row).lower(), "no text is kept"


async def test_the_newest_correction_of_a_category_wins_whatever_order_they_come_in(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)), ingested(post(2, text=TEXT)))
    late = corrected(1, name="late", minute=70, expected_categories=("insult",), spoke_about=("insult",))
    early = corrected(2, name="early", minute=60, **WRONG)
    for event in (late, early):
        said = await said_after(classifier, event)
    assert (said["1"].scores["insult"], said["1"].scores["toxic"]) == (1.0, 0.0)
    back = await said_after(classifier, retracted("late"))
    assert back["2"].scores["insult"] == 0.0


async def test_what_is_no_reviewers_word_changes_no_score(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    others: tuple[dict[str, Any], ...] = (
        {"standing": Standing.AUTHOR},
        {"standing": Standing.REPORTER},
        {"weak": True},
        {"verdict": Verdict.UNSURE},
    )
    for n, other in enumerate(others):
        assert await said_after(classifier, corrected(1, name=f"c{n}", **WRONG, **other)) == {}
    assert await classifier.rows("classifier_overrides") == []


async def test_an_edit_gets_a_score_of_its_own(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    await classifier.hear(corrected(1, name="a", minute=2, **WRONG))
    (edited,) = await classifier.says(ingested(post(1, text="still nonsense", edit=1)))
    assert edited is not None and edited.scores["toxic"] > 0.9 and edited.corrected is None
    # and a correction of what it said before the edit is none of what it says now
    assert await said_after(classifier, corrected(1, name="b", minute=3, **WRONG)) == {}


async def test_a_correction_that_meets_more_posts_than_it_may_takes_its_own_first(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_store, "POSTS_OF_A_TEXT", 3)
    for n in range(1, 7):
        await classifier.says(ingested(post(n, text=TEXT)))
    assert (await said_after(classifier, corrected(1, name="a", **WRONG))).keys() == {"1", "5", "6"}


async def test_corrections_of_one_batch_say_each_post_once(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)), ingested(post(2, text=TEXT)))
    said = await said_after(
        classifier,
        corrected(1, name="a", actual_categories=("insult",)),
        corrected(2, name="b", actual_categories=("toxic",)),
    )
    assert [(each.scores["insult"], each.scores["toxic"]) for each in said.values()] == [(0.0, 0.0)] * 2


async def test_new_scores_after_a_promotion_keep_the_persons_word(classifier: Classifier) -> None:
    await classifier.says(ingested(post(1, text=TEXT)))
    await classifier.hear(corrected(1, name="a", **WRONG))
    rows = await classifier.rows("toxicity_scores")
    (said,) = await classifier.speaking.say([(rows[0] | {"scored_at": utcnow()}, post(1, text=TEXT))])
    assert said.scores["insult"] == 0.0


# -- nearly the same ----------------------------------------------------------------------------------------

LONG = "honestly what utter nonsense that whole council meeting about the new cycle path through our park was"


async def test_a_post_that_is_nearly_the_same_on_the_same_platform_gets_the_same_answer(
    classifier: Classifier,
) -> None:
    await classifier.says(ingested(post(1, text=LONG)))
    await classifier.hear(corrected(1, name="a", actual_categories=("toxic",)))
    await classifier.felt.follow()
    elsewhere = post(3, text=f"{LONG} again").model_copy(update={"platform": "elsewhere", "post_id": "e"})
    near, other, far = await classifier.says(
        ingested(post(2, text=f"{LONG} again")), ingested(elsewhere), ingested(post(4, text="what nonsense"))
    )
    assert near is not None and near.scores["toxic"] == 0.0
    assert (near.corrected or {})["toxic"].layer == "near"
    for each in (other, far):
        assert each is not None and each.scores["toxic"] > 0.5 and each.corrected is None
    await classifier.hear(retracted("a"))
    await classifier.felt.follow()
    (again,) = await classifier.says(ingested(post(5, text=f"{LONG} again")))
    assert again is not None and again.corrected is None


@pytest.mark.parametrize("taken_away", ["deleted", "author", "edited", "mopped"])
async def test_nothing_is_compared_with_a_text_that_is_gone(classifier: Classifier, taken_away: str) -> None:
    await classifier.says(ingested(post(1, text=LONG, author="ada")))
    await classifier.hear(corrected(1, name="a", minute=2, actual_categories=("toxic",)))
    await classifier.felt.follow()
    if taken_away == "edited":
        await classifier.says(ingested(post(1, text="other words", edit=1, author="ada")))
    elif taken_away == "mopped":
        async with classifier.database.begin() as at:
            await insert_new(at, tombstones, [{"subject": post(1).post_id, "deleted_at": utcnow()}])
        assert await classifier.store.mop() == 1
    else:
        await classifier.hear(deleted(1) if taken_away == "deleted" else erased("ada"))
    await classifier.felt.follow()
    assert classifier.felt._seen == {} and classifier.felt._index is None
    (near, same) = await classifier.says(ingested(post(2, text=f"{LONG} again")), ingested(post(3, text=LONG)))
    assert near is not None and near.corrected is None
    assert same is not None and same.scores["toxic"] == 0.0, "a fingerprint is no text, and people's words stand"
    if taken_away != "edited":
        (row,) = [row for row in await classifier.rows("classifier_posts") if row["external_id"] == "1"]
        assert (row["text"], row["text_key"]) == (None, None)


async def test_another_process_learns_of_it_by_looking(
    classifier: Classifier, tmp_path: Path, migrated: Migrated
) -> None:
    other = Classifier(classifier.database, tmp_path)
    await other.live.swap("ombud-scorer", VERSION, other.artifact)
    await other.felt.follow()
    assert other.felt.words_on([TEXT]) == [{}]
    await classifier.says(ingested(post(1, text=TEXT)))
    await classifier.hear(corrected(1, name="a", **WRONG))
    await other.felt.follow()
    answer = await other.answering.one(TEXT.upper())
    assert answer.scores[0].scores["insult"] == 0.0 and not answer.scores[0].flagged
    assert answer.corrected[0]["insult"].correction_id == stable_id("correction", "a")
    await classifier.hear(retracted("a"))
    await other.felt.follow()
    assert (await other.answering.one(TEXT)).scores[0].flagged


async def test_near_duplicates_can_be_switched_off_and_are_bounded(
    migrated: Migrated, dialect: str, tmp_path: Path
) -> None:
    database = await migrated("classifier", dialect)
    off = Classifier(database, tmp_path, near_duplicates=False, residual=False)
    few = Classifier(database, tmp_path, near_texts=2)
    await off.hear(promoted(VERSION, off.artifact))
    await few.live.swap("ombud-scorer", VERSION, few.artifact)
    for n in range(1, 5):
        await off.says(ingested(post(n, text=f"{LONG} {n}")))
        await off.hear(corrected(n, name=f"c{n}", actual_categories=("toxic",)))
    for each in (off, few):
        await each.felt.follow()
    assert (len(off.felt._seen), len(few.felt._seen)) == (0, 2)
    assert len(few.felt._held) == 4


async def test_the_corrections_of_a_platform_move_scores_there_and_nowhere_else(
    migrated: Migrated, dialect: str, tmp_path: Path
) -> None:
    made = Classifier(await migrated("classifier", dialect), tmp_path, residual_fewest=8, near_duplicates=False)
    await made.hear(promoted(VERSION, made.artifact))
    words = ("dog", "tree", "car", "house", "boat", "lamp")
    for n, word in enumerate(words, 10):
        text = f"that {word} is a blorp of the worst kind" if n % 2 else f"that {word} stands by the old green gate"
        await made.says(ingested(post(n, text=text)))
        await made.hear(corrected(n, name=f"c{n}", **({"expected_categories": ("toxic",)} if n % 2 else WRONG)))
    text = "this garden is a blorp of the worst kind"
    elsewhere = post(3, text=text).model_copy(update={"platform": "elsewhere", "post_id": "e"})
    await made.felt.follow()
    (early,) = await made.says(ingested(post(1, text=text)))
    for n, word in ((20, "road"), (21, "door")):
        await made.says(ingested(post(n, text=f"that {word} is a blorp of the worst kind")))
        await made.hear(corrected(n, name=f"c{n}", expected_categories=("toxic",)))
    made.felt._residuals._rests_until = float("-inf")
    await made.felt.follow()
    here, there = await made.says(ingested(post(2, text=text)), ingested(elsewhere))
    assert early is not None and here is not None and there is not None
    assert (early.residual, there.residual) == (None, None), "six texts are too few, and elsewhere nobody spoke"
    assert there.scores == early.scores
    assert here.residual == {"toxic": there.scores["toxic"]} and here.corrected is None
    assert here.scores["toxic"] > there.scores["toxic"] + 0.1
    assert {name: here.scores[name] for name in ("insult", "threat")} == {
        name: there.scores[name] for name in ("insult", "threat")
    }
    asked = await made.answering.many([text, text, text], ["forum", "elsewhere", None])
    assert [each.scores["toxic"] for each in asked.scores] == [
        here.scores["toxic"], there.scores["toxic"], there.scores["toxic"]
    ]  # fmt: skip
    assert [dict(each) for each in asked.residuals] == [here.residual, {}, {}]
    # taken back, it is as if nobody had spoken; the stored score was the shared model's all the time
    await made.hear(*[retracted(f"c{n}") for n in range(10, 16)])
    made.felt._residuals._rests_until = float("-inf")
    await made.felt.follow()
    (again,) = await made.says(ingested(post(2, text=text)))
    assert again is not None and (again.residual, again.scores) == (None, there.scores)


# -- thresholds and older rows ------------------------------------------------------------------------------


async def test_each_category_has_its_own_threshold_and_a_stored_row_says_the_same_again(
    migrated: Migrated, dialect: str, tmp_path: Path
) -> None:
    database = await migrated("classifier", dialect)
    strict = Classifier(database, tmp_path, thresholds={"toxic": 0.9999, "insult": 0.9999})
    await strict.hear(promoted(VERSION, strict.artifact))
    event = ingested(post(1, text=LONG))
    (said,) = await strict.says(event)
    assert said is not None and said.scores["toxic"] > 0.5 and not said.flagged
    assert said.thresholds == {"toxic": 0.9999, "insult": 0.9999, "threat": 0.5}
    lenient = Classifier(database, tmp_path)
    await lenient.live.swap("ombud-scorer", VERSION, lenient.artifact)
    assert await lenient.says(event) == [said], "what was judged stays judged by what counted then"
    (other,) = await lenient.says(ingested(post(2, text=LONG)))
    assert other is not None and other.flagged and other.thresholds["toxic"] == 0.5
    kept = await lenient.rows("classifier_thresholds")
    assert len(kept) == 2
    assert {row["thresholds_hash"] for row in kept} == {
        row["thresholds_hash"] for row in await lenient.rows("toxicity_scores")
    }


async def test_posts_of_an_older_release_get_their_key(classifier: Classifier) -> None:
    await classifier.says(*(ingested(post(n, text=TEXT)) for n in range(1, 6)))
    async with classifier.database.begin() as at:
        await at.execute(posts.update().values(text_key=None))
    assert [await classifier.store.fill_keys(3) for _ in range(3)] == [3, 2, 0]
    said = await said_after(classifier, corrected(1, name="a", **WRONG))
    assert len(said) == 5


async def test_a_flagged_post_says_what_carried_it_and_no_other_post_does(classifier: Classifier) -> None:
    flagged, calm = await classifier.says(ingested(post(1, text="\U0001f642 you fool")), ingested(post(2, text="fine")))
    assert calm is not None and calm.spans is None
    assert flagged is not None and flagged.spans is not None
    (place,) = flagged.spans.places
    assert (flagged.spans.category, place.begin, place.end) == ("insult", 6, 10)
    assert (place.utf16_begin, place.utf16_end) == (7, 11)
    assert flagged.spans.ngrams[0].token == "=fool"
    after = await said_after(classifier, corrected(1, name="a", expected_categories=("insult",)))
    assert after["1"].flagged and after["1"].spans is None, "a person's word needs no carrier"


async def test_explanations_can_be_switched_off(migrated: Migrated, dialect: str, tmp_path: Path) -> None:
    quiet = Classifier(await migrated("classifier", dialect), tmp_path, explain_flagged=False)
    await quiet.hear(promoted(VERSION, quiet.artifact))
    (said,) = await quiet.says(ingested(post(1, text="you fool")))
    assert said is not None and said.flagged and said.spans is None
