"""What the model, reviewers and raters hold of one post, and whose opinion decides. Pure.

Invariant: what the opinions end up with depends on which judgements were heard, never on their order or repetition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.vocabulary import Standing, Status, Verdict

Rule = Literal["model", "consensus", "reviewer"]
"""Whose opinion decides."""

MODEL: Rule = "model"
CONSENSUS: Rule = "consensus"
REVIEWER: Rule = "reviewer"
TIME, PERSON = "time", "unlock"
"""What moves a record and is nobody's opinion: a moment that passed, and a person who opens a lock."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One score, one correction, one rating, or (`retracts`) the taking back of the correction named by `id`.

    `id` is the score's event id or the correction's id and orders what was judged at the same moment; `cause_id` is
    the id of the event that brought it. `status` is what it says of the post; a rating says `toxic` (None: unsure) by
    `rater` instead, and with `retracts` takes back what that person said until then. `void`: its retraction came
    first. Of `rule` time and unlock only the moment counts.
    """

    post_id: str
    rule: str
    id: str
    judged_at: datetime
    cause_id: str
    status: Status | None = None
    retracts: bool = False
    void: bool = False
    revision: int = 0
    edited_at: datetime | None = None
    model_version: str | None = None
    rater: str | None = None
    toxic: bool | None = None
    actor: str | None = None
    reason: str | None = None
    round_id: str | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one source holds of a post. Only a model's has a revision, its edit time and a version."""

    status: Status
    judged_at: datetime
    id: str
    revision: int = 0
    edited_at: datetime | None = None
    model_version: str | None = None

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """Return what decides between two opinions of the same source: the greater one is newer."""
        return self.revision, self.judged_at, self.id


MODEL_OF = "\n"
"""Parts a rater from the named model of theirs that a rating is for; the model everybody has goes without."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's newest rating of a post, for one of their models: toxic, not, or unsure (None)."""

    toxic: bool | None
    rated_at: datetime
    id: str


NO_RATINGS: Mapping[str, Rating] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Opinions:
    """All that is held of one post.

    `corrections` are those that stand, newest first; whoever brings no retraction may leave out all but the newest.
    `retracted` are the ids of those that were taken back, heard of or not. `ratings` are by rater and model.
    """

    model: Opinion | None = None
    corrections: tuple[Opinion, ...] = ()
    retracted: frozenset[str] = frozenset()
    ratings: Mapping[str, Rating] = field(default_factory=lambda: NO_RATINGS)

    @property
    def reviewer(self) -> Opinion | None:
        """Return the newest correction that was not taken back."""
        return self.corrections[0] if self.corrections else None

    @property
    def last_judged_at(self) -> datetime | None:
        """Return when the newest opinion was formed."""
        held = [each.judged_at for each in (self.model, self.reviewer) if each is not None]
        held += [each.rated_at for each in self.ratings.values()]
        return max(held, default=None)


def status_of_score(overall: float, *, flagged: bool, review_from: float, wants_person: bool = False) -> Status:
    """Return what a score says; whether it passed its threshold was the classifier's decision.

    Overall scores from `review_from` up to the threshold need review, and so does what a person shall look at.
    """
    if flagged:
        return Status.FLAGGED
    return Status.NEEDS_REVIEW if wants_person or overall >= review_from else Status.CLEARED


def status_of_correction(
    verdict: Verdict,
    expected: Sequence[str],
    actual: Sequence[str],
    *,
    missed: bool = False,
    standing: Standing = Standing.REVIEWER,
) -> Status:
    """Return what a correction says: `expected` are the person's categories, `actual` those of the score.

    `missed` is a false negative, also without a category. Authors and reporters decide nothing: their word asks a
    reviewer to look (again).
    """
    if verdict is Verdict.UNSURE or standing is not Standing.REVIEWER:
        return Status.NEEDS_REVIEW
    confirmed = verdict is Verdict.CORRECT and bool(actual)
    return Status.FLAGGED if expected or confirmed or missed else Status.CLEARED


def consensus(ratings: Mapping[str, Rating], edited_at: datetime | None, *, raters: int, share: float) -> Status | None:
    """Return what enough people agree on, or None: at least `raters` who are sure, `share` of them of one mind.

    Ratings of the text before an edit are about another text.
    """
    newest: dict[str, Rating] = {}
    for key, each in ratings.items():
        rater, _, _ = key.partition(MODEL_OF)
        if rater not in newest or (newest[rater].rated_at, newest[rater].id) < (each.rated_at, each.id):
            newest[rater] = each
    sure = [
        each.toxic
        for each in newest.values()
        if each.toxic is not None and (edited_at is None or each.rated_at >= edited_at)
    ]
    if len(sure) < raters:
        return None
    toxic = sum(sure)
    if toxic >= share * len(sure):
        return Status.FLAGGED
    return Status.CLEARED if len(sure) - toxic >= share * len(sure) else None


def decide(held: Opinions, *, raters: int, share: float) -> tuple[Status, Rule]:
    """Return which status the opinions make and whose it is: the reviewer's, the raters', the model's, in this order.

    A correction from before an edit is about another text. A post that is known only from corrections that were all
    taken back waits for its score: it needs review.
    """
    model, reviewer = held.model, held.reviewer
    edited_at = model.edited_at if model is not None else None
    if reviewer is not None and not (edited_at is not None and reviewer.judged_at < edited_at):
        return reviewer.status, REVIEWER
    if held.ratings:
        agreed = consensus(held.ratings, edited_at, raters=raters, share=share)
        if agreed is not None:
            return agreed, CONSENSUS
    return (model.status if model is not None else Status.NEEDS_REVIEW), MODEL


def with_judgement(held: Opinions, said: Judgement) -> Opinions:
    """Return the opinions after a judgement; the very same ones if it is late or was heard before."""
    if said.rater is not None:
        return _with_rating(held, said, said.rater)
    if said.rule == MODEL:
        return _with_score(held, said)
    return _with_correction(held, said)


def is_late(held: Opinions, said: Judgement) -> bool:
    """Return whether a newer word of the same source is known already: this one is kept and changes nothing."""
    if said.status is None or said.retracts or said.rater is not None:
        return False
    newest = held.model if said.rule == MODEL else held.reviewer
    return newest is not None and opinion_of(said).rank < newest.rank


def _with_score(held: Opinions, said: Judgement) -> Opinions:
    if said.status is None:
        return held
    model = opinion_of(said)
    return held if held.model is not None and model.rank <= held.model.rank else replace(held, model=model)


def opinion_of(said: Judgement) -> Opinion:
    """Return what a model's judgement with a status holds of the post."""
    status = said.status or Status.NEEDS_REVIEW
    return Opinion(status, said.judged_at, said.id, said.revision, said.edited_at, said.model_version)


def _with_rating(held: Opinions, said: Judgement, rater: str) -> Opinions:
    before = held.ratings.get(rater)
    if said.retracts:
        if before is None or before.rated_at > said.judged_at:
            return held
        return replace(held, ratings={key: each for key, each in held.ratings.items() if key != rater})
    if before is not None and (said.judged_at, said.id) <= (before.rated_at, before.id):
        return held
    return replace(held, ratings={**held.ratings, rater: Rating(said.toxic, said.judged_at, said.id)})


def _with_correction(held: Opinions, said: Judgement) -> Opinions:
    if said.retracts:
        if said.id in held.retracted:
            return held
        left = tuple(each for each in held.corrections if each.id != said.id)
        return replace(held, corrections=left, retracted=held.retracted | {said.id})
    known = said.void or said.id in held.retracted or any(each.id == said.id for each in held.corrections)
    if known or said.status is None:
        return held
    spoken = Opinion(said.status, said.judged_at, said.id)
    return replace(held, corrections=newest_first((*held.corrections, spoken)))


def newest_first(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    """Return opinions of one source in the order a record keeps them."""
    return tuple(sorted(opinions, key=lambda each: each.rank, reverse=True))
