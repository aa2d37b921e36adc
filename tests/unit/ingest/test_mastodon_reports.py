"""What a report says about scores: to look again, about no more than it is about, and to learn only when borne out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.mastodon_reports import Report, categories_of, corrections_of
from services.trainer.labels import Correction, labels_of
from shared.events import PostCorrected
from shared.vocabulary import FeedbackType, Standing, Verdict
from tests.support.mastodon import EMAIL, INVITE_REQUEST, IP, admin_account, report

RULES = {"1": ("racism", "hate_speech"), "2": ()}
CLOSED = {"action_taken": True, "action_taken_at": "2026-11-15T09:00:00.000Z"}


def read(**changed: Any) -> Report:
    return Report.model_validate(report("5", [], **changed))


def said(**changed: Any) -> list[PostCorrected]:
    return corrections_of(read(**changed), ["p1", "p2"], platform="town", rules=RULES, reviewer="somebody")


def teaches(correction: PostCorrected) -> dict[str, int]:
    """What the trainer would learn."""
    return labels_of(
        Correction(
            correction.correction_id,
            correction.verdict,
            correction.corrected_at,
            expected=correction.expected_categories,
            actual=correction.actual_categories,
            spoke_about=correction.spoke_about,
        )
    )


def test_a_new_report_asks_to_look_at_each_post_and_teaches_nothing() -> None:
    first, second = said()
    assert (first.post_id, second.post_id) == ("p1", "p2")
    assert first.correction_id != second.correction_id
    assert first.batch_id == second.batch_id
    assert first.standing is Standing.REPORTER
    assert first.feedback_type is FeedbackType.FALSE_NEGATIVE
    assert first.verdict is Verdict.UNSURE
    assert first.reviewer == "somebody"
    assert first.corrected_at == datetime(2026, 11, 14, 9, tzinfo=UTC)
    assert teaches(first) == {}


@pytest.mark.parametrize("category", ["spam", "legal", "other", "something new"])
def test_what_is_not_about_words_says_nothing_about_toxicity(category: str) -> None:
    first = said(category=category, rules=[{"id": "1"}])[0]
    assert (first.feedback_type, first.expected_categories, first.spoke_about) == (FeedbackType.OTHER, (), ())
    assert said(category=category, **CLOSED, target_account=admin_account(suspended=True)) == []


@pytest.mark.parametrize(
    ("rules", "categories"),
    [
        ([], ("toxic",)),
        (["1"], ("hate_speech", "racism")),
        (["2"], ()),
        (["3"], ("toxic",)),
        (["1", "2", "3"], ("toxic", "hate_speech", "racism")),
    ],
)
def test_a_violation_is_about_the_rules_it_names(rules: list[str], categories: tuple[str, ...]) -> None:
    broken = read(rules=[{"id": each, "text": "Be nice"} for each in rules])
    assert categories_of(broken, RULES) == categories


@pytest.mark.parametrize("how", ["suspended", "silenced", "sensitized", "disabled"])
def test_a_report_that_moderators_bore_out_teaches_what_it_was_about(how: str) -> None:
    confirmed = said(**CLOSED, target_account=admin_account(**{how: True}), rules=[{"id": "1"}])[0]
    assert confirmed.verdict is Verdict.INCORRECT
    assert confirmed.standing is Standing.REPORTER
    assert confirmed.corrected_at == datetime(2026, 11, 15, 9, tzinfo=UTC)
    assert teaches(confirmed) == {"hate_speech": 1, "racism": 1}
    assert confirmed.correction_id != said()[0].correction_id


def test_a_report_that_was_only_closed_says_nothing_more() -> None:
    assert said(**CLOSED) == []


def test_a_report_that_was_only_assigned_says_the_same_again() -> None:
    assert said(updated_at="2026-11-14T10:00:00.000Z", assigned_account=admin_account("mod", "12")) == said()


def test_what_is_kept_of_a_report_names_nobody() -> None:
    kept = read(**CLOSED).model_dump_json()
    for secret in (EMAIL, IP, INVITE_REQUEST):
        assert secret not in kept
