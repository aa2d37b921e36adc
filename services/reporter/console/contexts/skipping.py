"""What somebody skips for a day, and what of a post they may skip: no reason is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.reporter.console.contexts.reviewing import Card
from services.reporter.console.members import Preferences


@dataclass(frozen=True, slots=True)
class Skips:
    """Categories left out now, each until when; those of this post that may be; whether the queue is `mixed`."""

    until: Mapping[str, datetime]
    offered: tuple[str, ...]
    mixed: bool


def skips_of(preferences: Preferences, card: Card, now: datetime) -> Skips:
    """Return what is skipped; a post that is decided blind offers nothing: it would tell what it was flagged with."""
    until = preferences.skipped(now)
    offered = () if card.blind else tuple(each for each in card.categories if each not in until)
    return Skips(until, offered, preferences.mixed)
