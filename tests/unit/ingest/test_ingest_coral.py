"""What we answer Coral passes Coral's own check, and what we keep of it names nobody."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel, ConfigDict

from services.ingest.coral import (
    REASONS,
    EventIn,
    Opinion,
    PhaseRequest,
    Rule,
    answer,
    event_row,
    host_of,
    post_of,
    traces,
)
from services.ingest.posts import check
from shared.vocabulary import CATEGORIES
from tests.support.coral import question

CODES = Literal["HATE_SPEECH", "HARASSMENT_BULLYING", "ABUSIVE", "OFFENSIVE", "ILLEGAL_CONTENT"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Flag(Strict):
    actionType: Literal["FLAG"]  # noqa: N815 - Coral's names
    reason: Literal["COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"]


class Reason(Strict):
    code: CODES


class ModerationAction(Strict):
    status: Literal["REJECTED"]
    rejectionReason: Reason  # noqa: N815


class CoralsCheck(Strict):
    """What Coral lets pass of an answer; one wrong word discards all of it."""

    status: Literal["NONE", "APPROVED", "REJECTED", "PREMOD", "SYSTEM_WITHHELD"] | None = None
    actions: list[Flag] = []
    tags: list[str] = []
    moderationAction: ModerationAction | None = None  # noqa: N815


shares = some.floats(0, 1)
opinions = some.dictionaries(some.sampled_from(CATEGORIES), shares, min_size=1).map(
    lambda scores: Opinion(scores=scores, overall=max(scores.values()))
)
rules = some.builds(Rule, shares, some.booleans(), some.booleans(), shares)


@given(opinions, rules)
def test_every_answer_passes_corals_check_and_goes_no_further_than_the_operator_allows(
    opinion: Opinion, rule: Rule
) -> None:
    said = CoralsCheck.model_validate(answer(opinion, rule))
    assert bool(said.actions) == (opinion.overall >= rule.threshold)
    if said.status is not None:
        assert said.actions
        assert (said.status == "SYSTEM_WITHHELD" and rule.withhold) or (said.status == "REJECTED" and rule.may_reject)
    assert (said.status == "REJECTED") == (said.moderationAction is not None)
    if said.moderationAction is not None:
        assert opinion.overall >= max(rule.threshold, rule.reject_threshold)
        assert said.moderationAction.rejectionReason.code != "ILLEGAL_CONTENT"


@pytest.mark.parametrize(
    ("scores", "code"),
    [
        ({"toxic": 0.99}, "OFFENSIVE"),
        ({"toxic": 0.99, "threat": 0.99}, "HARASSMENT_BULLYING"),
        ({"toxic": 0.97, "sexism": 0.98}, "HATE_SPEECH"),
        ({"insult": 0.98, "racism": 0.2}, "ABUSIVE"),
        ({"tomorrow": 1.0}, "OFFENSIVE"),
    ],
)
def test_a_rejection_names_the_strongest_category(scores: dict[str, float], code: str) -> None:
    opinion = Opinion(scores=scores, overall=max(scores.values()))
    said = answer(opinion, Rule(may_reject=True))
    assert said["moderationAction"]["rejectionReason"] == {"code": code}


def test_every_category_has_a_code() -> None:
    assert set(REASONS) == set(CATEGORIES)


def asked(text: str = "Hello", author: str = "a1", story: str = "s1", **changes: Any) -> PhaseRequest:
    return PhaseRequest.model_validate(question(text, author, story) | changes)


def at(url: str | None) -> PhaseRequest:
    return PhaseRequest.model_validate(question("Hello") | {"story": {"id": "s", "url": url}})


def test_a_comment_is_told_apart_by_tenant_story_author_and_text() -> None:
    known = [
        post_of(asked(), "Hello"),
        post_of(asked(), "Hallo"),
        post_of(asked(author="a2"), "Hello"),
        post_of(asked(story="s2"), "Hello"),
        post_of(asked(tenantID="another"), "Hello"),
    ]
    assert len({each["external_id"] for each in known}) == 5
    assert post_of(asked(action="EDIT"), "Hello") == known[0]  # Coral asks again after an edit that changed nothing


authors = some.text(some.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=128)


@given(authors, some.text(max_size=60) | some.text(max_size=60).map("https://{}".format))
def test_whatever_coral_calls_author_and_story_the_comment_is_a_post(author: str, url: str) -> None:
    request = PhaseRequest.model_validate(question("Hello", author) | {"story": {"id": "s", "url": url}})
    assert check({"platform": "news", **post_of(request, "Hello")}, 20_480).author == author


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a\x00b", "https://" + "a" * 2050, None])
def test_an_address_that_is_none_is_left_out(url: str | None) -> None:
    assert "url" not in post_of(at(url), "Hello")


def test_traces_survive_another_way_of_making_text_and_nothing_else() -> None:
    left = traces("coral.example.org", None, "Go home,\nyou")
    assert left == traces("https://coral.example.org/", "", " Go  home, you ")
    assert left == traces("coral.example.org:443", None, "Gohome,you")
    for other in (
        traces("coral.example.com", None, "Go home, you"),
        traces("coral.example.org", "p", "Go home, you"),
        traces("coral.example.org", None, "go home, you"),
    ):
        assert other != left


@given(some.text())
def test_no_domain_raises(domain: str) -> None:
    host_of(domain)


@given(
    some.dictionaries(
        some.sampled_from(["commentID", "storyID", "status", "queue", "body"]), some.text() | some.integers()
    )
)
def test_only_ids_and_words_of_coral_are_kept_of_an_event(data: dict[str, Any]) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    row = event_row("news", EventIn(id="1", type="NEW_TYPE", data=data), now)
    assert "body" not in row
    assert all(
        value is None or (len(value) <= 128 and "\x00" not in value)
        for name, value in row.items()
        if name != "received_at"
    )
