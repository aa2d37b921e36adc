"""Coop's callbacks, and what they say about the scores of posts. Pure.

Invariant: only a person's act in Coop is a correction: a rule there may have acted on our own score. Who acted is a
pseudonym; notes, creators and custom fields have no field here. Source: roostorg/coop docs/api/actions.md.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.sources import Coop
from shared import ids
from shared.events import PostCorrected
from shared.ids import NO_NUL
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

BY_DEFAULT = ("toxic",)
"""What a policy is about that the operator did not map: nothing finer can be known."""
REMEMBERED_S = 86_400
"""How long a callback is known; Coop tries again five times within minutes."""

Text = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]


class Part(BaseModel):
    """A part of a callback; what is unknown to us is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Item(Part):
    """What Coop calls a post."""

    id: Text
    typeId: Text  # noqa: N815 - Coop's name


class Named(Part):
    """A policy, a rule or an action."""

    id: Text


class ActionIn(Part):
    """An action was triggered: by a moderator (`actorEmail`), a rule (`rules`), or a user's strikes (neither)."""

    item: Item
    action: Named
    policies: Annotated[tuple[Named, ...], Field(max_length=1_000)] = ()
    rules: Annotated[tuple[Named, ...], Field(max_length=1_000)] = ()
    actorEmail: Annotated[str, Field(max_length=500)] | None = None  # noqa: N815


class AppealIn(Part):
    """An appeal was decided; ACCEPT means that the action was wrong."""

    appealId: Text  # noqa: N815
    item: Item
    appealDecision: Literal["ACCEPT", "REJECT"]  # noqa: N815


def categories_of(said: ActionIn, source: Coop) -> tuple[str, ...] | None:
    """Return the categories an action is about, empty for one that says a post is fine, None for no word on posts."""
    if said.action.id in source.approving:
        return ()
    named: set[str] = set()
    if said.action.id in source.actions:
        named.update(source.actions[said.action.id])
    else:
        named.update(*(source.policies.get(each.id, BY_DEFAULT) for each in said.policies))
    return tuple(category for category in CATEGORIES if category in named) or None


def concerns(item: Item, source: Coop) -> bool:
    """Return whether an item is a post: items can be users and threads, too."""
    return not source.type_ids or item.typeId in source.type_ids


def correction_of_action(
    said: ActionIn, source: Coop, *, platform: str, proof: str, reviewer: str | None, now: datetime
) -> PostCorrected | None:
    """Return what a moderator's action says about the score, None if it says nothing."""
    about = categories_of(said, source)
    if said.actorEmail is None or said.rules or about is None or not concerns(said.item, source):
        return None
    return _corrected(("action", proof), said.item, platform, about, reviewer, now)


def correction_of_appeal(said: AppealIn, source: Coop, *, platform: str, now: datetime) -> PostCorrected | None:
    """Return what an appeal that was granted says about the score; one that was not adds nothing to the action."""
    if said.appealDecision != "ACCEPT" or not concerns(said.item, source):
        return None
    return _corrected(("appeal", said.appealId), said.item, platform, (), None, now)


def _corrected(
    cause: Iterable[str], item: Item, platform: str, about: tuple[str, ...], reviewer: str | None, now: datetime
) -> PostCorrected:
    """Return a correction. What is toxic there is weak: an action may be for spam under the same policy."""
    more: Mapping[str, bool | None] = {"weak": True if about else None}
    return PostCorrected(
        correction_id=ids.stable_id("coop", platform, item.id, *cause),
        post_id=ids.post_id(platform, item.id),
        verdict=Verdict.INCORRECT,
        feedback_type=FeedbackType.FALSE_NEGATIVE if about else FeedbackType.FALSE_POSITIVE,
        expected_categories=tuple(sorted(about)),
        spoke_about=about or BY_DEFAULT,
        reviewer=reviewer,
        corrected_at=now,
        **more,
    )
