"""AVID's report schema as our own models, stricter than upstream. Pure.

Invariant: only documents that pass these models leave the house, because AVID accepts any valid JSON. The values of
the enums are facts and match avidtools (0.1.2 and 0.3.2) to the character.
"""

from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SEP: tuple[str, ...] = (
    "S0100: Software Vulnerability",
    "S0200: Supply Chain Compromise",
    "S0201: Model Compromise",
    "S0202: Software Compromise",
    "S0300: Over-permissive API",
    "S0301: Information Leak",
    "S0302: Excessive Queries",
    "S0400: Model Bypass",
    "S0401: Bad Features",
    "S0402: Insufficient Training Data",
    "S0403: Adversarial Example",
    "S0500: Exfiltration",
    "S0501: Model inversion",
    "S0502: Model theft",
    "S0600: Data Poisoning",
    "S0601: Ingest Poisoning",
    "E0100: Bias/ Discrimination",
    "E0101: Group fairness",
    "E0102: Individual fairness",
    "E0200: Explainability",
    "E0201: Global explanations",
    "E0202: Local explanations",
    "E0300: User actions",
    "E0301: Toxicity",
    "E0302: Polarization/ Exclusion",
    "E0400: Misinformation",
    "E0401: Deliberative Misinformation",
    "E0402: Generative Misinformation",
    "P0100: Data issues",
    "P0101: Data drift",
    "P0102: Concept drift",
    "P0103: Data entanglement",
    "P0104: Data quality issues",
    "P0105: Feedback loops",
    "P0200: Model issues",
    "P0201: Resilience/ Stability",
    "P0202: OOD generalization",
    "P0203: Scaling",
    "P0204: Accuracy",
    "P0300: Privacy",
    "P0301: Anonymization",
    "P0302: Randomization",
    "P0303: Encryption",
    "P0400: Safety",
    "P0401: Psychological Safety",
    "P0402: Physical safety",
    "P0403: Socioeconomic safety",
    "P0404: Environmental safety",
)
"""Security, ethics and performance codes of the AVID taxonomy 0.2."""

SEP_OF_CODE = {name[:5]: name for name in SEP}
DOMAINS = {"S": "Security", "E": "Ethics", "P": "Performance"}
LIFECYCLE: tuple[str, ...] = (
    "L01: Business Understanding",
    "L02: Data Understanding",
    "L03: Data Preparation",
    "L04: Model Development",
    "L05: Evaluation",
    "L06: Deployment",
)
SHOWN_ROWS = 20
"""Evidence rows of a document at most; the export holds them all (avid.md section 5)."""


class ClassOf(StrEnum):
    """AVID's classes of reports."""

    AIID = "AIID Incident"
    ATLAS = "ATLAS Case Study"
    CVE = "CVE Entry"
    LLM = "LLM Evaluation"
    UNDEFINED = "Undefined"
    THIRD_PARTY = "Third-party Report"


class ReportType(StrEnum):
    """AVID's types of reports."""

    ISSUE = "Issue"
    ADVISORY = "Advisory"
    MEASUREMENT = "Measurement"
    DETECTION = "Detection"


class ArtifactType(StrEnum):
    """AVID's types of artifacts."""

    DATASET = "Dataset"
    MODEL = "Model"
    SYSTEM = "System"


class Method(StrEnum):
    """AVID's ways to detect a failure."""

    TEST = "Significance Test"
    THRESHOLD = "Static Threshold"


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in values:
            raise ValueError("not a value of AVID's")
        return value

    return check


Words = Annotated[str, Field(min_length=1)]
Sep = Annotated[str, AfterValidator(_one_of(SEP)), Field(json_schema_extra={"enum": list(SEP)})]
Lifecycle = Annotated[str, AfterValidator(_one_of(LIFECYCLE)), Field(json_schema_extra={"enum": list(LIFECYCLE)})]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LangValue(_Strict):
    """Text with its language."""

    lang: Literal["eng"] = "eng"
    value: Words


class Artifact(_Strict):
    """What failed; the name carries the version."""

    type: ArtifactType
    name: Words


class Affects(_Strict):
    """Who made it, who runs it, what it is."""

    developer: Annotated[list[Words], Field(min_length=1)]
    deployer: Annotated[list[Words], Field(min_length=1)]
    artifacts: Annotated[list[Artifact], Field(min_length=1)]


class ProblemType(_Strict):
    """One sentence naming artifact and failure."""

    classof: Literal[ClassOf.THIRD_PARTY]
    type: ReportType
    description: LangValue


class DetectionMethod(_Strict):
    """A named test, or a threshold named with scale and value."""

    type: Method
    name: Words


class EvidenceRow(_Strict):
    """One post. `comment` is masked, and null once the post was deleted."""

    id: Words
    comment: str | None
    system_rating: Annotated[float, Field(ge=0, le=1)]
    system_decision: Literal["flagged", "not flagged"]
    threshold: Annotated[float, Field(ge=0, le=1)]
    model_version: Words
    auditor_rating: Literal["toxic", "not toxic", "unsure"] | None
    source: Literal["human label", "model prediction"]
    note: str | None
    deleted: bool


class EvidenceResults(_Strict):
    """Evidence apart from numbers: what was looked at, at most twenty rows of it."""

    scale: Literal["0-1"]
    total: Annotated[int, Field(ge=1)]
    rows: Annotated[list[EvidenceRow], Field(min_length=1, max_length=SHOWN_ROWS)]


class AggregateResults(_Strict):
    """Numbers of a test as parallel lists."""

    feature: Annotated[list[Words], Field(min_length=1)]
    n: list[Annotated[int, Field(ge=1)]]
    stat: list[float]
    ci95_low: list[float]
    ci95_high: list[float]
    pvalue: list[Annotated[float, Field(ge=0, le=1)]]

    @model_validator(mode="after")
    def _parallel(self) -> Self:
        if len({len(column) for _, column in self}) != 1:
            raise ValueError("the lists must have one length")
        return self


class Metric(_Strict):
    """Evidence with a threshold, or numbers with a test; never a mix."""

    name: Words
    detection_method: DetectionMethod
    results: EvidenceResults | AggregateResults

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.detection_method.type is Method.TEST) != isinstance(self.results, AggregateResults):
            raise ValueError("numbers need a significance test, evidence a static threshold")
        return self


class Reference(_Strict):
    """Where to read on."""

    type: Words
    label: Words
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]


class Taxonomy(_Strict):
    """Place in AVID's taxonomy; the risk domain follows from the codes."""

    vuln_id: None
    risk_domain: Annotated[list[Literal["Security", "Ethics", "Performance"]], Field(min_length=1)]
    sep_view: Annotated[list[Sep], Field(min_length=1)]
    lifecycle_view: Annotated[list[Lifecycle], Field(min_length=1)]
    taxonomy_version: Literal["0.2"]

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.risk_domain != risk_domains(self.sep_view):
            raise ValueError("the risk domain must follow from the codes")
        return self


class Impact(_Strict):
    """Only AVID's own taxonomy is filled."""

    avid: Taxonomy


class AvidReport(_Strict):
    """One report as AVID gets it. `credit` is left out when nobody chose it; everything else is always there."""

    data_type: Literal["AVID"] = "AVID"
    affects: Affects
    problemtype: ProblemType
    metrics: list[Metric]
    references: Annotated[list[Reference], Field(min_length=1)]
    description: LangValue
    impact: Impact
    credit: Annotated[list[LangValue], Field(min_length=1)] = []
    reported_date: date

    @model_validator(mode="after")
    def _typed(self) -> Self:
        measured = any(isinstance(metric.results, AggregateResults) for metric in self.metrics)
        if measured != (self.problemtype.type in (ReportType.MEASUREMENT, ReportType.DETECTION)):
            raise ValueError("a measurement or detection needs numbers, an issue or advisory has none")
        return self


def report_type(evidence: int, *, measured: bool = False, decisive: bool = False) -> ReportType:
    """Return the type of a report: the lowest row of avid.md section 4 that applies.

    `measured`: it has a metric with n and interval; `decisive`: that metric passes the threshold or test it states.
    """
    if measured:
        return ReportType.DETECTION if decisive else ReportType.MEASUREMENT
    return ReportType.ADVISORY if evidence >= 5 else ReportType.ISSUE


def risk_domains(sep: Iterable[str]) -> list[str]:
    """Return the risk domains of some codes, each once, in the order of S, E, P."""
    letters = {code[0] for code in sep}
    return [domain for letter, domain in DOMAINS.items() if letter in letters]
