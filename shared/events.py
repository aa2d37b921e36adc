"""What is said: eleven payloads in CloudEvents 1.0 envelopes.

Version rule: a field may be added as optional with a usable default; removing or changing one needs a new
version in `type`. Golden examples of every event live in tests/golden/events and are never edited.
Source of the envelope: CloudEvents 1.0.2, JSON format, structured mode.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from shared.clock import utcnow
from shared.ids import stable_id
from shared.trusted import trusted
from shared.vocabulary import (
    DeletionCause,
    DeliveryState,
    FeedbackType,
    ModelKind,
    ScoreSource,
    Standing,
    Status,
    Verdict,
    Visibility,
)

Probability = Annotated[float, Field(ge=0, le=1)]
Scores = dict[str, Probability]
"""Category -> probability; a category that is absent is unknown, never 0."""


class Payload(BaseModel):
    """A fact. Unknown fields of a newer speaker are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    VERSION: ClassVar[int] = 1
    ABOUT: ClassVar[str | None] = None
    """The field that holds the id of what the fact is about."""

    @classmethod
    def event_type(cls) -> str:
        """Return the CloudEvents `type`, for example `ombud.PostScored.v1`."""
        return f"ombud.{cls.__name__}.v{cls.VERSION}"

    def subject(self) -> str | None:
        """Return the id of what the fact is about."""
        return None if self.ABOUT is None else getattr(self, self.ABOUT)


class Post(Payload):
    """One piece of user text with an id, as it travels. `author` is a pseudonym (shared.ids.pseudonym)."""

    post_id: str
    platform: str
    external_id: str
    text: str
    revision: int = 0
    language: str | None = None
    author: str | None = None
    url: str | None = None
    reply_to: str | None = None
    created_at: AwareDatetime | None = None
    edited_at: AwareDatetime | None = None

    def written_after(self, moment: datetime) -> bool:
        """Return whether the platform says that the post is younger than `moment`: an erasure was not about it."""
        return self.created_at is not None and self.created_at > moment


class PostIngested(Payload):
    """A new or edited post was accepted."""

    post: Post

    def subject(self) -> str:
        """Return the id of what the fact is about."""
        return self.post.post_id


class PostDeleted(Payload):
    """A post, or everything of one author, was taken away: everybody erases the text.

    Either `post_id`, or `platform` and `author` (a pseudonym) for an author's erasure. With `visibility` nothing is
    erased: the posts of `account` (a pseudonym) on `platform` are out of sight for a while, or back. `author` is empty
    then, so that a hearer who knows of no hiding erases nothing.
    """

    ABOUT = "post_id"
    post_id: str | None = None
    platform: str | None = None
    author: str | None = None
    cause: DeletionCause = DeletionCause.PLATFORM
    visibility: Visibility | None = None
    account: str | None = None
    deleted_at: AwareDatetime

    @model_validator(mode="after")
    def _erases_or_hides(self) -> Self:
        hiding = self.visibility is not None
        if hiding and (self.post_id or self.author or not (self.platform and self.account)):
            raise ValueError("visibility is about platform and account, and about no post and no author")
        return self


class Provenance(BaseModel):
    """Whose word stands in place of a model's: a correction about this text (`same`) or one like it (`near`).

    `post_id` is the post the correction was about, `instead_of` what the model said, absent if it said nothing.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    correction_id: str
    layer: Literal["same", "near"]
    post_id: str | None = None
    instead_of: Probability | None = None


class Span(BaseModel):
    """A place in a text, end exclusive: in code points as Python counts, and in UTF-16 units as JavaScript does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    begin: int
    end: int
    utf16_begin: int
    utf16_end: int


class Ngram(BaseModel):
    """A piece of a text as the model sees it, and how much it adds to the logit of the score."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str
    weight: float


class Carried(BaseModel):
    """What carried the score of one category: the places of the heaviest words, and the heaviest pieces."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    category: str
    places: tuple[Span, ...] = ()
    ngrams: tuple[Ngram, ...] = ()


class PostScored(Payload):
    """A post has scores. Carries the post, so that nobody has to ask for it.

    `fallback` says why the local model's word stands where the LLM was to be asked: `budget`, `breaker`, `failed`, or
    `refused`: then a person shall look. `corrected` names the categories whose value is a person's word, 1.0 or 0.0.
    `spans` says of a flagged post what carried its highest flagged category, where the local model can tell.
    `residual` is what the shared model said of the categories that the corrections of the post's platform moved.
    """

    post: Post
    scores: Scores
    overall: Probability
    flagged: bool
    model: str
    model_version: str
    thresholds: dict[str, float]
    source: ScoreSource = ScoreSource.LOCAL
    cost_usd: float = 0.0
    fallback: str | None = None
    corrected: dict[str, Provenance] | None = None
    residual: Scores | None = None
    spans: Carried | None = None
    scored_at: AwareDatetime

    def subject(self) -> str:
        """Return the id of what the fact is about."""
        return self.post.post_id


class PostCorrected(Payload):
    """Somebody with standing says the score was wrong or right; or takes an earlier word back (`retracts`).

    `spoke_about` names the categories the person judged; every other category stays unknown. With `weak` the expected
    ones are inferred from a decision that may have had another reason. `sampled` says that the post was drawn by chance
    and not shown because of its score: only such words tell how good a model is. `version` counts the words of
    reviewers on the post, this one among them; taking one back is a word, too. Until `hold_until` the person may still
    take this one back, and nothing that leaves the house or teaches a model follows from it.
    """

    ABOUT = "post_id"
    correction_id: str
    post_id: str | None = None
    text: str | None = None
    language: str | None = None
    verdict: Verdict
    feedback_type: FeedbackType = FeedbackType.OTHER
    expected_categories: tuple[str, ...] = ()
    actual_categories: tuple[str, ...] = ()
    spoke_about: tuple[str, ...] = ()
    reviewer: str | None = None
    standing: Standing = Standing.REVIEWER
    batch_id: str | None = None
    retracts: str | None = None
    weak: bool | None = None
    sampled: bool | None = None
    version: int | None = None
    hold_until: AwareDatetime | None = None
    corrected_at: AwareDatetime


class PostRated(Payload):
    """One person's own judgement of a post: 0 (fine) to 4 (very toxic), or None for unsure.

    `model` is the opaque id of one of the person's named models; absent: the model everybody has. With `withdrawn`
    nothing is judged and `post_id` is empty: the person takes back whatever they said before the event's `time`, for
    this `model`, or with `all` for every one of theirs. Who keeps ratings, or what was made of them, forgets them then.
    `audit` is the id of the audit that gave them the post to rate.
    """

    post_id: str
    rater: str
    rating: Annotated[int, Field(ge=0, le=4)] | None = None
    rated_at: AwareDatetime
    model: str | None = None
    withdrawn: Literal["model", "all"] | None = None
    audit: str | None = None

    def subject(self) -> str:
        """Return the id of what the fact is about: the post, or the person who takes ratings back."""
        return self.post_id or self.rater


class Offset(BaseModel):
    """How much higher one person rates posts of a topic than their model says: mean and standard deviation.

    `labels` counts the ratings of that topic; a topic without any has no offset.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: int
    labels: int
    mean: float
    sd: float


class Posterior(BaseModel):
    """One person's judgement as a distribution over weights: rating = features x weights + noise.

    `model` is the opaque id of a named model, absent for the one everybody has; of several versions the highest counts.
    `basis` says what the features are: those of the population artefact `population`, or, before there is one, a one
    and the system's own score on the scale 0-4. `covariance` is the lower triangle, row by row; `noise` the variance
    of one rating. `labels` taught it; `unsure`, and the `unknown` whose post has no features, did not. `offsets` are
    added on posts of their topics. `errors` and `baselines` are figures over the person's own ratings, each left out in
    turn: `loo_mae` is the model's, `crowd_mae` the crowd's, and so on.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rater: str
    model: str | None = None
    version: int
    basis: Literal["population", "system"] = "population"
    population: str | None = None
    weights: tuple[float, ...]
    covariance: tuple[float, ...]
    noise: float
    labels: int
    unsure: int = 0
    unknown: int = 0
    status: str
    errors: dict[str, float] = {}
    baselines: dict[str, float] = {}
    offsets: tuple[Offset, ...] = ()


class ModelTrained(Payload):
    """A run ended with a model. `artifact` is the SHA-256 of its bytes in the artifact store.

    `stage` says how far it is: candidate, shadow, champion, retired or refused. It is said again when that changes;
    `reasons` say why, of a new model in the words of the gate. `champion_metrics` are those of the model then in force
    on the rows that `metrics` were measured on; `layer` tells a replay from a refit.
    A personal model needs no run: `run_id` is its own id then, and `posterior` is all there is of it. `foundation` says
    that the artifact judges nothing by itself: it is what personal models stand on (`population`, kind personal), or
    what topic models stand on (`topics`, kind topic).
    """

    ABOUT = "model_version"
    run_id: str
    kind: ModelKind = ModelKind.GLOBAL
    model: str
    model_version: str
    artifact: str | None = None
    data_hash: str
    metrics: dict[str, float] = {}
    examples: int = 0
    corrections: int = 0
    trained_at: AwareDatetime
    stage: str | None = None
    posterior: Posterior | None = None
    foundation: Literal["population", "topics"] | None = None
    reasons: tuple[str, ...] | None = None
    champion_metrics: dict[str, float] | None = None
    layer: str | None = None


class ModelPromoted(Payload):
    """The gate passed: this version scores from now on. `layer` says why: replay, refit, rollback or start."""

    ABOUT = "model_version"
    run_id: str
    kind: ModelKind = ModelKind.GLOBAL
    model: str
    model_version: str
    artifact: str
    replaces: str | None = None
    reasons: tuple[str, ...] = ()
    promoted_at: AwareDatetime
    layer: str | None = None


class StatusChange(BaseModel):
    """One thing a judgement changed: `status_changed`, `first_decided`, `latest_changed`, `hold_started`, `hold_ended`,
    `locked`, `lock_conflict` or `unlocked`; `before` and `after` are statuses, or say how a hold began or ended.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    before: str | None = None
    after: str | None = None


class PostStatusChanged(Payload):
    """A post's status, lock or hold changed; one event per judgement that changed something, `changes` lists it all.

    Where only a lock or hold changed, `previous` equals `status`. `changed_at` is when the judgement behind it was
    made, `rule` whose it is, `policy` the version of the rules, `round_id` the round that brought it, if one did.
    `actor` and `reason` are of a person who opened a lock.
    """

    ABOUT = "post_id"
    post_id: str
    status: Status
    previous: Status | None = None
    rule: str
    sequence: int
    first_status: Status | None = None
    first_changed_at: AwareDatetime | None = None
    locked: bool = False
    hold_until: AwareDatetime | None = None
    model_version: str | None = None
    changed_at: AwareDatetime
    changes: tuple[StatusChange, ...] | None = None
    round_id: str | None = None
    policy: str | None = None
    actor: str | None = None
    reason: str | None = None


class RoundDecided(Payload):
    """A person decided about scores of a newly promoted model that the churn gate held: `confirmed` or `rolled_back`.

    `model_version` is the full training they began with; rolled back, it and what was learned on top of it must go.
    """

    ABOUT = "model_version"
    round_id: str
    model_version: str
    decision: str
    actor: str | None = None
    reason: str | None = None
    decided_at: AwareDatetime


class ReportCompleted(Payload):
    """An audit report is complete and eligible to leave."""

    ABOUT = "report_id"
    report_id: str
    version: int
    title: str
    error_type: str
    evidence: int
    document_hash: str
    completed_at: AwareDatetime


class ReportSubmitted(Payload):
    """The receipt: where a report went and its id there, or why it failed for good."""

    ABOUT = "report_id"
    report_id: str
    version: int
    sink: str
    state: DeliveryState
    receipt: str | None = None
    reason: str | None = None
    attempts: int = 1
    submitted_at: AwareDatetime


D = TypeVar("D", bound=Payload)
P = TypeVar("P", bound=Payload)


class Event(BaseModel, Generic[D]):
    """A CloudEvents 1.0 envelope. Unknown extension attributes are kept.

    `attempt` counts failed deliveries to one group, `reason` says why a dead letter died.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    type: str
    time: AwareDatetime | None = None
    subject: str | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str | None = None
    traceparent: str | None = None
    attempt: int = 0
    reason: str | None = None
    data: D

    def wire(self) -> bytes:
        """Return the structured-mode JSON document."""
        return self.model_dump_json(exclude_none=True).encode()

    def again(self, reason: str) -> Self:
        """Return the same event with one more failed attempt and the reason of the failure."""
        return self.model_copy(update={"attempt": self.attempt + 1, "reason": reason})


@cache
def _envelope(payload: type[Payload]) -> tuple[type[Event[Any]], str]:
    """Return the envelope class and the CloudEvents type of a payload; asked for every event that is said."""
    return Event[payload], payload.event_type()  # type: ignore[valid-type]


def said(
    data: P,
    *,
    by: str,
    cause: str,
    n: int = 0,
    correlation_id: str | None = None,
    traceparent: str | None = None,
) -> Event[P]:
    """Return `data` in an envelope whose id follows from its cause, so that a repetition says the same id.

    `by` is a service name, `cause` the id of what led to it, `n` tells several facts of one cause apart.
    """
    envelope, kind = _envelope(type(data))
    identity = stable_id(cause, kind, n)
    return trusted(
        envelope,
        specversion="1.0",
        id=identity,
        source=f"ombud/{by}",
        type=kind,
        time=utcnow(),
        subject=data.subject(),
        datacontenttype="application/json",
        correlationid=correlation_id or identity,
        traceparent=traceparent,
        attempt=0,
        reason=None,
        data=data,
    )


def caused(cause: Event[Any], data: P, *, by: str, n: int = 0) -> Event[P]:
    """Return what `by` says because of `cause`; correlation id and trace travel on."""
    return said(
        data, by=by, cause=cause.id, n=n, correlation_id=cause.correlationid or cause.id, traceparent=cause.traceparent
    )


EVENTS: Mapping[str, type[Payload]] = {
    payload.event_type(): payload
    for payload in (
        PostIngested,
        PostDeleted,
        PostScored,
        PostCorrected,
        PostRated,
        ModelTrained,
        ModelPromoted,
        PostStatusChanged,
        RoundDecided,
        ReportCompleted,
        ReportSubmitted,
    )
}
"""CloudEvents type -> payload class: all eleven."""
