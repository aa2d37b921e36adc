"""The words every service shares. A category, a status or a scope that is not listed here does not exist."""

from enum import StrEnum

CATEGORIES: tuple[str, ...] = (
    "toxic",
    "threat",
    "hate_speech",
    "racism",
    "antisemitism",
    "islamophobia",
    "sexism",
    "homophobia",
    "insult",
    "dehumanization",
    "extremism",
    "ableism",
)
"""The twelve toxicity categories, in the order of every vector, table and chart."""

MAX_TEXT_BYTES = 20_480
"""Default limit of one post's text in bytes of UTF-8: the limit Perspective's users know."""


class Status(StrEnum):
    """Where a post stands."""

    NEEDS_REVIEW = "needs_review"
    FLAGGED = "flagged"
    CLEARED = "cleared"


class Verdict(StrEnum):
    """A reviewer's word on a score."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNSURE = "unsure"


class FeedbackType(StrEnum):
    """What kind of error a correction speaks about."""

    FALSE_POSITIVE = "false_positive"
    FALSE_NEGATIVE = "false_negative"
    OTHER = "other"


class Standing(StrEnum):
    """In which role somebody corrects a score."""

    REVIEWER = "reviewer"
    REPORTER = "reporter"
    AUTHOR = "author"


class ScoreSource(StrEnum):
    """Which side decided a score."""

    LOCAL = "local"
    LLM = "llm"
    BOTH = "both"


class ModelKind(StrEnum):
    """Whose judgement a model stands for."""

    GLOBAL = "global"
    PERSONAL = "personal"
    GROUP = "group"
    TOPIC = "topic"


class DeletionCause(StrEnum):
    """Who took a post away."""

    PLATFORM = "platform"
    AUTHOR = "author"
    OPERATOR = "operator"


class Visibility(StrEnum):
    """What becomes of an author's posts while nothing is erased."""

    HIDDEN = "hidden"
    SHOWN = "shown"


class DeliveryState(StrEnum):
    """How far a document on its way to an outsider got."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Scope(StrEnum):
    """A right an API key can carry. `admin` implies all others, `read` implies `figures`: counts without a post."""

    INGEST = "ingest"
    SCORE = "score"
    REVIEW = "review"
    AUDIT = "audit"
    REPORT = "report"
    READ = "read"
    FIGURES = "figures"
    ADMIN = "admin"
