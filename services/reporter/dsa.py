"""Statements of reasons for the Transparency Database of the Digital Services Act, as our own models. Pure.

Invariant: no statement quotes a post or names a person: free text is the operator's, facts are a template, and what
looks like personal data in either is refused, never repaired. Source of fields and rules: digital-services-act/
transparency-database at 69e80a0b, StatementStoreRequest.php.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.ids import digest
from shared.masking import mask

MOST_AT_ONCE = 100
"""Statements one request to the database may hold."""
EARLIEST_CONTENT, EARLIEST_DECISION, LATEST = date(2000, 1, 1), date(2020, 1, 1), date(2038, 1, 1)
EUROPE = "ATBEBGCYCZDEDKEEESFIFRGRHRHUIEISITLILTLULVMTNLNOPLPTROSESISK"
TERRITORIES: tuple[str, ...] = tuple(EUROPE[at : at + 2] for at in range(0, len(EUROPE), 2))
"""Countries of the European Union and the European Economic Area."""


class Measure(StrEnum):
    """What the platform did about a post or its author."""

    REMOVED = "removed"
    DISABLED = "disabled"
    DEMOTED = "demoted"
    AGE_RESTRICTED = "age_restricted"
    INTERACTION_RESTRICTED = "interaction_restricted"
    LABELLED = "labelled"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


OF_ACCOUNTS = {Measure.SUSPENDED, Measure.TERMINATED}

HARMFUL, CYBER, WOMEN, VIOLENCE, SECURITY = (
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN",
    "STATEMENT_CATEGORY_VIOLENCE",
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY",
)
CATEGORY_OF = {
    "extremism": (SECURITY, "KEYWORD_TERRORIST_CONTENT"),
    "threat": (VIOLENCE, None),
    "hate_speech": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "dehumanization": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "racism": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "antisemitism": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "islamophobia": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "homophobia": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "ableism": (HARMFUL, "KEYWORD_HATE_SPEECH"),
    "sexism": (WOMEN, "KEYWORD_CYBER_HARASSMENT_AGAINST_WOMEN"),
    "insult": (CYBER, "KEYWORD_CYBER_HARASSMENT"),
    "toxic": (CYBER, "KEYWORD_CYBER_HARASSMENT"),
}
"""Our category -> the database's category and keyword, the gravest first: the first flagged one names the statement."""


def _impersonal(value: str) -> str:
    if mask(value) != value:
        raise ValueError("must hold no handle, link, e-mail address or telephone number")
    return value


def _territory(value: str) -> str:
    if value not in TERRITORIES:
        raise ValueError("must be a country of the EU or EEA")
    return value


def _between(earliest: date) -> AfterValidator:
    def check(value: date) -> date:
        if not earliest <= value <= LATEST:
            raise ValueError(f"must lie between {earliest} and {LATEST}")
        return value

    return AfterValidator(check)


Words = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_impersonal)]
Explanation = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_impersonal)]
Facts = Annotated[str, Field(min_length=1, max_length=5000), AfterValidator(_impersonal)]
Territory = Annotated[str, AfterValidator(_territory)]
CategoryName = Literal[
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN",
    "STATEMENT_CATEGORY_VIOLENCE",
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY",
]
Visibility = Literal[
    "DECISION_VISIBILITY_CONTENT_REMOVED",
    "DECISION_VISIBILITY_CONTENT_DISABLED",
    "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_LABELLED",
]


class Statement(BaseModel):
    """One statement of reasons, as the database takes it; what does not apply is left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    decision_visibility: Annotated[list[Visibility], Field(min_length=1)] | None = None
    decision_account: Literal["DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"] | None = None
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    illegal_content_legal_ground: Words | None = None
    illegal_content_explanation: Explanation | None = None
    incompatible_content_ground: Words | None = None
    incompatible_content_explanation: Explanation | None = None
    content_type: Annotated[list[Literal["CONTENT_TYPE_TEXT"]], Field(min_length=1)]
    category: CategoryName
    category_addition: list[CategoryName] = []
    category_specification: list[Annotated[str, Field(pattern=r"^KEYWORD_[A-Z_]+$")]] = []
    content_date: Annotated[date, _between(EARLIEST_CONTENT)]
    application_date: Annotated[date, _between(EARLIEST_DECISION)]
    territorial_scope: Annotated[list[Territory], Field(min_length=1)]
    content_language: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    decision_facts: Facts
    source_type: Literal[
        "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY"
    ]
    automated_detection: Literal["Yes", "No"]
    automated_decision: Literal[
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"
    ]
    puid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=500)]

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if not self.decision_visibility and not self.decision_account:
            raise ValueError("a statement says what was done: to the content's visibility or to the account")
        legal = self.decision_ground == "DECISION_GROUND_ILLEGAL_CONTENT"
        law = (self.illegal_content_legal_ground, self.illegal_content_explanation)
        terms = (self.incompatible_content_ground, self.incompatible_content_explanation)
        given, other = (law, terms) if legal else (terms, law)
        if not all(given) or any(other):
            raise ValueError("a ground needs its own ground and explanation, and none of the other kind")
        if self.category in self.category_addition:
            raise ValueError("an additional category is another one")
        return self


@dataclass(frozen=True, slots=True)
class Decision:
    """A post as it was decided: flagged in `categories`, as step `sequence`, by `rule`: model, reviewer or consensus.

    `noticed`: somebody told the platform about the post.
    """

    post_id: str
    sequence: int
    rule: str
    categories: tuple[str, ...]
    language: str | None
    posted_at: datetime
    decided_at: datetime
    noticed: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator says of their own rules: ground and explanation, illegal or against the terms, and where."""

    ground: str
    explanation: str
    illegal: bool = False
    territories: tuple[str, ...] = TERRITORIES


def puid_of(decision: Decision, measure: Measure) -> str:
    """Return the id of a statement: of the decision, never of a person, and the same whenever it is made again."""
    return digest(f"{decision.post_id}|{decision.sequence}|{measure}".encode())[:40]


def statement(decision: Decision, measure: Measure, terms: Terms) -> Statement:
    """Return the statement of a decision. Raises pydantic's ValueError for terms that name somebody, and odd dates."""
    named = [CATEGORY_OF[name] for name in CATEGORY_OF if name in decision.categories] or [CATEGORY_OF["toxic"]]
    categories = list(dict.fromkeys(category for category, _ in named))
    account = measure in OF_ACCOUNTS
    kind = "illegal_content_legal_ground" if terms.illegal else "incompatible_content_ground"
    why = "illegal_content_explanation" if terms.illegal else "incompatible_content_explanation"
    language = (decision.language or "").split("-")[0].upper()
    return Statement.model_validate(
        {
            "decision_account": f"DECISION_ACCOUNT_{measure.upper()}" if account else None,
            "decision_visibility": None if account else [f"DECISION_VISIBILITY_CONTENT_{measure.upper()}"],
            "decision_ground": f"DECISION_GROUND_{'ILLEGAL' if terms.illegal else 'INCOMPATIBLE'}_CONTENT",
            kind: terms.ground,
            why: terms.explanation,
            "content_type": ["CONTENT_TYPE_TEXT"],
            "category": categories[0],
            "category_addition": categories[1:],
            "category_specification": list(dict.fromkeys(word for _, word in named if word)),
            "content_date": decision.posted_at.date(),
            "application_date": decision.decided_at.date(),
            "territorial_scope": list(terms.territories),
            "content_language": language if len(language) == 2 and language.isascii() else None,
            "decision_facts": facts(decision),
            "source_type": "SOURCE_TYPE_OTHER_NOTIFICATION" if decision.noticed else "SOURCE_VOLUNTARY",
            "automated_detection": "No" if decision.noticed else "Yes",
            "automated_decision": f"AUTOMATED_DECISION_{'FULLY' if decision.rule == 'model' else 'PARTIALLY'}",
            "puid": puid_of(decision, measure),
        }
    )


WHO = {
    "model": "No person decided before the measure was taken.",
    "reviewer": "A reviewer looked at the post and decided.",
    "consensus": "Several people judged the post, and their judgements agreed.",
}


def facts(decision: Decision) -> str:
    """Return what happened in fixed words: the post itself is never quoted."""
    named = ", ".join(name.replace("_", " ") for name in decision.categories) or "none by itself"
    return (
        "A text was judged by software that scores texts in twelve categories; categories at or above their threshold: "
        f"{named}. {WHO.get(decision.rule, WHO['model'])} The text is not quoted here."
    )


def batches(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Return statements in portions that one request may hold."""
    return [list(statements[start : start + MOST_AT_ONCE]) for start in range(0, len(statements), MOST_AT_ONCE)]
