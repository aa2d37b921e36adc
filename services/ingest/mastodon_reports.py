"""A Mastodon report, and what it says about the scores of the posts it names. Pure.

Invariant: a report is an allegation. It asks people to look; it teaches nothing until a moderator's act bears it out,
and it never speaks about a category that neither its own category nor a mapped rule is about.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from services.ingest.mastodon_posts import Account, Id, Shape, Status
from shared import ids
from shared.events import PostCorrected
from shared.vocabulary import CATEGORIES, FeedbackType, Standing, Verdict

VIOLATION = "violation"
"""The one category of Mastodon's reports that speaks about what a post says: it breaks a rule of the server. `spam`
is about sending, `legal` about law (a copyright, a name), `other` about anything: none says a post is toxic."""
BY_DEFAULT = ("toxic",)
"""What a broken rule is about that the operator did not map: nothing finer can be known."""


class Person(Shape):
    """An account as administrators see it, without anything that would tell who that is elsewhere."""

    id: Id
    account: Account | None = None
    suspended: bool = False
    silenced: bool = False
    sensitized: bool = False
    disabled: bool = False

    @property
    def restricted(self) -> bool:
        """Return whether moderators keep this account from something."""
        return self.suspended or self.silenced or self.sensitized or self.disabled


class ServerRule(Shape):
    """A rule of the server that the reporter says was broken."""

    id: Id


class Report(Shape):
    """What one person says about another's statuses. The comment has no field: it may name anybody."""

    id: Id
    created_at: AwareDatetime
    updated_at: AwareDatetime
    category: str = "other"
    action_taken: bool = False
    action_taken_at: AwareDatetime | None = None
    account: Person | None = None
    target_account: Person | None = None
    statuses: Annotated[tuple[Status, ...], Field(max_length=1_000)] = ()
    rules: tuple[ServerRule, ...] = ()

    @property
    def borne_out(self) -> bool:
        """Return whether moderators closed it and restrict the account; closing alone may as well be a dismissal."""
        return self.action_taken and self.target_account is not None and self.target_account.restricted


def categories_of(report: Report, rules: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the categories a report speaks about, in vocabulary order; `rules` maps ids of rules to categories.

    A rule that is mapped to nothing (no advertising) is not about what a post says. A violation that names no rule
    counts like a rule that is not mapped.
    """
    if report.category != VIOLATION:
        return ()
    named: set[str] = set()
    for rule in report.rules or (ServerRule(id="?"),):
        named.update(rules.get(rule.id, BY_DEFAULT))
    return tuple(category for category in CATEGORIES if category in named)


def corrections_of(
    report: Report, post_ids: Sequence[str], *, platform: str, rules: Mapping[str, Iterable[str]], reviewer: str | None
) -> list[PostCorrected]:
    """Return what a report says about each of these posts: that its score should be higher.

    New or changed, it is an unsure reporter's word: the post needs review, and nobody learns from it. Once moderators
    bear it out it says `incorrect`, so that training hears of it; the status stays a reviewer's to decide.
    """
    confirmed = report.borne_out
    about = categories_of(report, rules)
    if report.action_taken and not (confirmed and about):
        return []
    common: dict[str, Any] = {
        "verdict": Verdict.INCORRECT if confirmed else Verdict.UNSURE,
        "feedback_type": FeedbackType.FALSE_NEGATIVE if about else FeedbackType.OTHER,
        "expected_categories": about,
        "spoke_about": about,
        "reviewer": reviewer,
        "standing": Standing.REPORTER,
        "batch_id": ids.stable_id("mastodon report", platform, report.id),
        "corrected_at": _moment(report),
    }
    return [PostCorrected(correction_id=_name(platform, report, each), post_id=each, **common) for each in post_ids]


def _name(platform: str, report: Report, post_id: str) -> str:
    """Return the correction's id: one per report, post and step, whoever delivers it and however often."""
    return ids.stable_id("mastodon report", platform, report.id, post_id, "confirmed" if report.borne_out else "made")


def _moment(report: Report) -> datetime:
    return (report.action_taken_at or report.updated_at) if report.borne_out else report.created_at
