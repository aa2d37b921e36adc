"""What goes in and out over HTTP. Invariant: a request with an unknown field is refused."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.reporter.avid import SEP_OF_CODE
from services.reporter.readmodel import categories_of
from services.reporter.report import (
    AuditCategory,
    Evidence,
    FollowUp,
    Judgement,
    ReportState,
    Standing,
    Step,
    UnequalFor,
    disputed_now,
)
from shared.masking import mask
from shared.vocabulary import DeliveryState, Status, Verdict

MOST_EVIDENCE = 500


def _printable(value: str) -> str:
    if any(character < " " and character not in "\n\r\t" for character in value):
        raise ValueError("must hold no control characters")
    return value


def _known_code(value: str) -> str:
    if value not in SEP_OF_CODE:
        raise ValueError("must be a code of AVID's taxonomy, for example E0101")
    return value


Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)]
ErrorType = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(_printable)]
Summary = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000), AfterValidator(_printable)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000), AfterValidator(_printable)]
Credit = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)]
PostId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Code = Annotated[str, AfterValidator(_known_code)]
PostIds = Annotated[list[PostId], Field(max_length=MOST_EVIDENCE)]
Judgements = Annotated[dict[PostId, Judgement], Field(max_length=MOST_EVIDENCE)]
Origin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Notes = Annotated[dict[PostId, Note], Field(max_length=MOST_EVIDENCE)]
Codes = Annotated[list[Code], Field(max_length=10)]


Rating = Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)]
Predictions = Annotated[dict[PostId, Rating], Field(max_length=MOST_EVIDENCE)]
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MeasuredIn(_Request):
    """One number: what it is of, from how many posts, its 95 % interval and the p-value of its test."""

    feature: Words
    n: int = Field(ge=1, le=2**31 - 1)
    stat: Number
    ci95_low: Number
    ci95_high: Number
    pvalue: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ci95_low > self.ci95_high:
            raise ValueError("ci95_low must not be above ci95_high")
        return self


class MeasurementIn(_Request):
    """Numbers of one kind, for example an audit's figures by category, and the name of the test made of each."""

    name: Words
    test: Words
    rows: Annotated[list[MeasuredIn], Field(min_length=1, max_length=100)]


Measurements = Annotated[list[MeasurementIn], Field(max_length=20)]


class NewReport(_Request):
    """A draft. Everything may still be empty."""

    title: Title = ""
    error_type: ErrorType = Field("", description="Kind of error, for example over-sensitive or under-sensitive.")
    audit_category: AuditCategory = AuditCategory.OTHER
    summary: Summary = ""
    unequal_for: UnequalFor | None = Field(None, description="For bias: a group, or similar posts treated unequally.")
    sep: Codes = Field([], description="Codes of AVID's taxonomy instead of the one the category stands for.")
    post_ids: PostIds = Field([], description="Scored posts to copy as evidence, in this order.")
    judgements: Judgements = Field({}, description="Your own judgement per post id.")
    notes: Notes = {}
    predictions: Predictions = Field(
        {}, description="What an audit's model of you predicted per post id, 0-4; stands apart from your judgement."
    )
    measurements: Measurements = Field([], description="Numbers with tests, which make it a measurement or detection.")
    audit_id: Origin | None = Field(None, description="The audit this was begun from.")
    scaffold: Origin | None = Field(None, description="The scaffold this was begun from.")


class ReportChange(_Request):
    """A change of a draft. What is left out stays; judgements and notes are merged; post_ids replace the list."""

    version: Version
    title: Title | None = None
    error_type: ErrorType | None = None
    audit_category: AuditCategory | None = None
    summary: Summary | None = None
    unequal_for: UnequalFor | None = None
    sep: Codes | None = None
    post_ids: PostIds | None = None
    judgements: Judgements = {}
    notes: Notes = {}
    predictions: Predictions = {}
    measurements: Measurements | None = None


class Completion(_Request):
    """The version that is completed. `credit` appears in the document; without it nobody is named.

    Only with `send` does it go to AVID; `POST /v1/reports/{report_id}/submit` does that later as well.
    """

    version: Version
    credit: Credit | None = None
    send: bool = False


class AtVersion(_Request):
    """The version that the command is about: 409 if the report is not at it any more."""

    version: Version


class StandingView(BaseModel):
    """How the system judges the same words now; `disputed`: the author's judgement is another one."""

    overall: float
    flagged: bool
    model_version: str
    disputed: bool | None


class EvidenceView(BaseModel):
    """One post as it was scored when it was added. `masked_text` is what leaves, `now` how the post stands."""

    post_id: str
    text: str | None
    masked_text: str | None
    overall: float
    flagged: bool
    threshold: float
    model: str
    model_version: str
    judgement: Judgement | None
    predicted: float | None
    note: str | None
    deleted: bool
    now: StandingView | None = None


class FollowUpView(BaseModel):
    """What became of the cases since: `agree` of `judged` agree with the author now, `agreed` did then.

    `fixed` were disputed and agree now, `still_there` are disputed as before, `broken` are disputed only now; `unknown`
    have no score of the same words any more. `versions` judge now, `said` says it in one sentence.
    """

    judged: int
    agreed: int
    agree: int
    fixed: int
    still_there: int
    broken: int
    unknown: int
    versions: list[str]
    said: str


class StepView(BaseModel):
    """Something that was done with a report; `fields` names what was changed."""

    version: int
    what: Step
    fields: list[str]
    by: str
    at: datetime


class ReportHistory(BaseModel):
    """What was done with a report, oldest first."""

    steps: list[StepView]


class LinkView(BaseModel):
    """A link that shows this report to everybody who has it and a key for reading. It is told only once."""

    path: str


class DeliveryView(BaseModel):
    """How far a version got on its way to an outsider; `review_status` is what AVID's editors say, in their words."""

    sink: str
    version: int
    state: DeliveryState
    attempts: int
    receipt: str | None
    reason: str | None
    due_at: datetime | None
    finished_at: datetime | None
    review_status: str | None
    review_asked_at: datetime | None


class MissingView(BaseModel):
    """One reason why a report may not be completed yet."""

    field: str
    reason: str
    detail: str


class ReportLine(BaseModel):
    """A report in a list."""

    id: str
    title: str
    error_type: str
    audit_category: AuditCategory
    state: ReportState
    version: int
    evidence: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    document_hash: str | None
    receipt: str | None
    deliveries: list[DeliveryView]


class ReportView(BaseModel):
    """A report with its evidence. `missing` is empty when it may be completed."""

    id: str
    title: str
    error_type: str
    audit_category: AuditCategory
    summary: str
    unequal_for: UnequalFor | None
    sep: list[str]
    measurements: list[MeasurementIn]
    state: ReportState
    version: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    document_hash: str | None
    redacted_at: datetime | None
    audit_id: str | None
    scaffold: str | None
    shared: bool
    receipt: str | None
    receipt_state: DeliveryState | None
    receipt_at: datetime | None
    missing: list[MissingView]
    follow_up: FollowUpView
    evidence: list[EvidenceView]
    deliveries: list[DeliveryView]


class SharedEvidence(BaseModel):
    """One post as it is shown to others: masked, as in what leaves the house."""

    post_id: str
    masked_text: str | None
    overall: float
    flagged: bool
    threshold: float
    model: str
    model_version: str
    judgement: Judgement | None
    masked_note: str | None
    deleted: bool


class SharedReport(BaseModel):
    """A report as its link shows it: nobody is named, personal data of strangers is masked."""

    title: str
    error_type: str
    audit_category: AuditCategory
    summary: str
    state: ReportState
    version: int
    updated_at: datetime
    completed_at: datetime | None
    follow_up: FollowUpView
    evidence: list[SharedEvidence]


class ReportPage(BaseModel):
    """Reports, newest first; `next` is the `after` of the next page."""

    reports: list[ReportLine]
    next: str | None


class CorrectionView(BaseModel):
    """The latest correction of a post."""

    correction_id: str
    verdict: Verdict
    expected: list[str]
    corrected_at: datetime


class PostView(BaseModel):
    """A post as it stands. Everything of the score is null while only its status was heard, and the other way round.

    `hidden`: its platform hides the author for now (suspended, deactivated), so that the text is kept but not shown.
    """

    post_id: str
    platform: str | None
    external_id: str | None
    author: str | None
    text: str | None
    language: str | None
    revision: int | None
    overall: float | None
    flagged: bool | None
    flagged_categories: list[str]
    scores: dict[str, float] | None
    model: str | None
    model_version: str | None
    scored_at: datetime | None
    status: Status | None
    status_rule: str | None
    status_sequence: int | None
    status_changed_at: datetime | None
    correction: CorrectionView | None
    created_at: datetime | None
    deleted_at: datetime | None
    hidden: bool


class PostPage(BaseModel):
    """Posts in the order of their ids, without hidden ones; `next` is the `after` of the next page."""

    posts: list[PostView]
    next: str | None


class PostCounts(BaseModel):
    """`scored` counts every post that ever got a score, the others only posts that are still there."""

    scored: int
    flagged: int
    needs_review: int
    status_flagged: int
    cleared: int
    corrected: int
    deleted: int


class ModelView(BaseModel):
    """The model that scores now."""

    version: str
    name: str | None
    macro_auc: float | None
    examples: int | None
    corrections: int | None
    promoted_at: datetime | None


class LatestReport(BaseModel):
    """A report on the first page. `delivery` is null when it was sent nowhere."""

    id: str
    title: str
    audit_category: AuditCategory
    state: ReportState
    created_at: datetime
    delivery: DeliveryState | None
    receipt: str | None
    reason: str | None


class OverviewView(BaseModel):
    """The numbers of the first page."""

    posts: PostCounts
    flagged_by_category: dict[str, int]
    model: ModelView | None
    reports: list[LatestReport]


def evidence_view(item: Evidence, now: Standing | None) -> EvidenceView:
    """Return evidence as it is shown, with a preview of what leaves the house, and how its post stands now."""
    masked = None if item.text is None else mask(item.text)
    made = {"masked_text", "now"}
    same = now is not None and now.text == item.text and not item.deleted
    return EvidenceView(
        masked_text=masked,
        now=None if now is None or not same else _standing_view(item, now),
        **{name: getattr(item, name) for name in EvidenceView.model_fields if name not in made},
    )


def _standing_view(item: Evidence, now: Standing) -> StandingView:
    return StandingView(
        overall=now.overall,
        flagged=now.flagged,
        model_version=now.model_version,
        disputed=disputed_now(item, now),
    )


def follow_up_view(found: FollowUp) -> FollowUpView:
    """Return what became of the cases of a report, with a sentence for people."""
    told = found.judged - found.unknown
    said = f"{found.agree} of {told} cases agree with you now; {found.agreed} of {found.judged} did then."
    return FollowUpView(said=said if told else "No case can be compared.", **_fields(found))


def _fields(found: FollowUp) -> dict[str, Any]:
    return {name: getattr(found, name) for name in FollowUpView.model_fields if name != "said"}


def shared_evidence(item: Evidence) -> SharedEvidence:
    """Return evidence as a link shows it."""
    made = {"masked_text", "masked_note"}
    return SharedEvidence(
        masked_text=None if item.text is None else mask(item.text),
        masked_note=mask(item.note) if item.note else None,
        **{name: getattr(item, name) for name in SharedEvidence.model_fields if name not in made},
    )


def delivery_view(row: Any) -> DeliveryView:
    """Return a delivery as it is shown; what the outsider answered stays inside."""
    waiting = row.state == DeliveryState.QUEUED
    values = {name: getattr(row, name) for name in DeliveryView.model_fields} | {
        "due_at": row.due_at if waiting else None
    }
    return DeliveryView(**values)


def post_view(row: Any) -> PostView:
    """Return a post as it stands."""
    correction = None
    if row.correction_verdict is not None:
        correction = CorrectionView(
            correction_id=row.correction_id,
            verdict=Verdict(row.correction_verdict),
            expected=row.correction_expected or [],
            corrected_at=row.corrected_at,
        )
    made = {"correction", "flagged_categories", "status_sequence", "text"}
    return PostView(
        correction=correction,
        flagged_categories=categories_of(row.flagged_mask),
        status_sequence=row.status_sequence if row.status is not None else None,
        text=None if row.hidden else row.text,
        **{name: getattr(row, name) for name in PostView.model_fields if name not in made},
    )
