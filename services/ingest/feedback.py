"""What people may say about a score, and the event it becomes. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from shared.events import PostCorrected, PostRated
from shared.ids import MOMENT, NO_NUL
from shared.vocabulary import CATEGORIES, FeedbackType, Standing, Verdict

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
Category = Annotated[str, Field(json_schema_extra={"enum": list(CATEGORIES)})]


def _in_utc(moment: datetime) -> datetime:
    """Refuse a moment that is none in UTC."""
    if not 1 < moment.year < 9999:
        raise ValueError("the year must lie between 1 and 9999")
    return moment


Moment = Annotated[datetime, AfterValidator(_in_utc), WithJsonSchema(MOMENT)]


class FeedbackIn(BaseModel):
    """One correction. Say which post (`post_id`) or give its `text`; `retracts` takes an earlier one back.

    `spoke_about` lists the categories the person judged, or is "all" after a full review; when absent these are
    the expected and the actual ones. Categories nobody spoke about stay unknown. `sampled` says that the post was drawn
    by chance, not because of its score. `seen_version` is the number of words on the post that the person has seen, as
    this route answers it: if there is another one by now, nothing is accepted. For `hold_s` seconds the person may take
    the word back before a model learns it or anybody outside hears of it.
    """

    model_config = ConfigDict(extra="forbid")

    post_id: Name | None = None
    text: Annotated[str, Field(min_length=1)] | None = None
    feedback_type: FeedbackType = FeedbackType.OTHER
    verdict: Verdict | None = None
    expected_categories: list[Category] = []
    actual_categories: list[Category] = []
    spoke_about: list[Category] | Literal["all"] | None = None
    language: Annotated[str, Field(max_length=35, pattern=NO_NUL)] | None = None
    standing: Standing = Standing.REVIEWER
    batch_id: Annotated[str, Field(max_length=128, pattern=NO_NUL)] | None = None
    retracts: Name | None = None
    sampled: bool | None = None
    seen_version: Annotated[int, Field(ge=0, le=2**31 - 2)] | None = None
    hold_s: Annotated[int, Field(ge=0, le=300)] | None = None
    timestamp: Moment | None = None

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if not (self.post_id or self.text or self.retracts):
            raise ValueError("give post_id, text or retracts")
        if self.seen_version is not None and not self.post_id:
            raise ValueError("seen_version is about a post: give its post_id")
        named = [*self.expected_categories, *self.actual_categories]
        named += self.spoke_about if isinstance(self.spoke_about, list) else []
        unknown = sorted(set(named) - set(CATEGORIES))
        if unknown:
            raise ValueError(f"these are no categories: {len(unknown)} of {len(named)}")
        return self


def _known(category: str) -> str:
    """Refuse a name that is none of the categories, without repeating it."""
    if category not in CATEGORIES:
        raise PydanticCustomError("unknown_category", "This is none of the twelve categories.")
    return category


KnownCategory = Annotated[Category, AfterValidator(_known)]


class LineIn(BaseModel):
    """One line of corrections.jsonl. An unknown category is refused with its place and never left out silently."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1)]
    feedback_type: FeedbackType = FeedbackType.OTHER
    expected_categories: list[KnownCategory] = []
    actual_categories: list[KnownCategory] = []
    spoke_about: list[KnownCategory] | Literal["all"] | None = None
    timestamp: Moment | None = None


class RatingIn(BaseModel):
    """One person's own judgement of a post: 0 (fine) to 4 (very toxic); null is unsure.

    `model` is an opaque id the person chose for one more model of their judgement; without it, the one everybody has.
    """

    model_config = ConfigDict(extra="forbid")

    post_id: Name
    rating: Annotated[int, Field(ge=0, le=4, strict=True)] | None
    model: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")] | None = None
    timestamp: Moment | None = None


def from_line(line: LineIn) -> FeedbackIn:
    """Return a correction line as feedback."""
    return FeedbackIn.model_validate(line.model_dump())


def aware(moment: datetime | None, now: datetime) -> datetime:
    """Return a moment in UTC: a naive one counts as UTC, a missing one is now."""
    if moment is None:
        return now
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def verdict_of(feedback: FeedbackIn) -> Verdict:
    """Return the reviewer's verdict: as given, else incorrect when an error type or other categories were named."""
    if feedback.verdict is not None:
        return feedback.verdict
    if feedback.feedback_type is not FeedbackType.OTHER:
        return Verdict.INCORRECT
    same = set(feedback.expected_categories) == set(feedback.actual_categories)
    return Verdict.CORRECT if same and feedback.expected_categories else Verdict.INCORRECT


def spoken(feedback: FeedbackIn) -> tuple[str, ...]:
    """Return the categories the person judged, in vocabulary order."""
    if feedback.spoke_about == "all":
        return CATEGORIES
    named = feedback.spoke_about
    if named is None:
        named = [*feedback.expected_categories, *feedback.actual_categories]
    return tuple(category for category in CATEGORIES if category in named)


def corrected(
    feedback: FeedbackIn, *, correction_id: str, reviewer: str, now: datetime, version: int | None = None
) -> PostCorrected:
    """Return what was said about a score; `version` counts the words on its post."""
    return PostCorrected(
        correction_id=correction_id,
        post_id=feedback.post_id,
        text=None if feedback.text is None else feedback.text.replace("\x00", "\ufffd"),
        language=feedback.language,
        verdict=verdict_of(feedback),
        feedback_type=feedback.feedback_type,
        expected_categories=tuple(sorted(set(feedback.expected_categories))),
        actual_categories=tuple(sorted(set(feedback.actual_categories))),
        spoke_about=spoken(feedback),
        reviewer=reviewer,
        standing=feedback.standing,
        batch_id=feedback.batch_id,
        retracts=feedback.retracts,
        sampled=feedback.sampled,
        version=version,
        hold_until=now + timedelta(seconds=feedback.hold_s) if feedback.hold_s else None,
        corrected_at=aware(feedback.timestamp, now),
    )


def rated(rating: RatingIn, *, rater: str, now: datetime, audit: str | None = None) -> PostRated:
    """Return one person's judgement, and which audit asked for it."""
    return PostRated(
        post_id=rating.post_id,
        rater=rater,
        rating=rating.rating,
        rated_at=aware(rating.timestamp, now),
        model=rating.model,
        audit=audit,
    )


def withdrawn(*, rater: str, model: str | None, now: datetime) -> PostRated:
    """Return that a person takes their ratings back: of one model (empty: the one everybody has), or None: of all."""
    return PostRated(
        post_id="", rater=rater, rated_at=now, model=model or None, withdrawn="all" if model is None else "model"
    )
