"""Ratings as judgements, and how a person's ratings become nobody's when they take them back. Pure.

Invariant: once a withdrawal was handled no judgement names the person for what they said before; what it did to
statuses stays in their histories, as the word of nobody in particular.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.auditor.corpus.heard import said_at, withdrawn_until
from services.auditor.status.posts import CONSENSUS, MODEL_OF, Judgement
from shared.events import Event, PostRated
from shared.ids import stable_id
from shared.judgement import CUT

Rated = tuple[str, str, datetime]
"""A post, who rated it with the model it was for, and until when that is taken back."""


def of_rating(event: Event[PostRated]) -> Judgement:
    """Return what one person said as a judgement; it decides only together with others."""
    said = event.data
    key = f"{said.rater}{MODEL_OF}{said.model}" if said.model else said.rater
    toxic = None if said.rating is None else said.rating >= CUT
    return Judgement(said.post_id, CONSENSUS, event.id, said.rated_at, event.id, rater=key, toxic=toxic)


def stands(event: Event[PostRated], withdrawn: Mapping[tuple[str, str], datetime]) -> bool:
    """Return whether an event is a rating that was not taken back."""
    until = withdrawn_until(event.data.rater, event.data.model or "", withdrawn)
    return event.data.withdrawn is None and (until is None or until < said_at(event))


def withdrawal(post: str, key: str, until: datetime) -> Judgement:
    """Return the judgement that takes a person's rating of a post back."""
    name = stable_id("withdrawn", post, key, until)
    return Judgement(post, CONSENSUS, name, until, name, retracts=True, rater=key)


def disowned(taken_back: Iterable[Rated]) -> list[tuple[str, datetime, str]]:
    """Return whose words until when become whose: a name of nobody."""
    return sorted({(key, until, stable_id("nobody", key, until)) for _, key, until in taken_back})
