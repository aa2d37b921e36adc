"""What an operator may change about statuses and audits (prefix OMBUD_AUDITOR_)."""

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class AuditorSettings(ServiceSettings):
    """How careful the auditor is with what the model did not flag, and how far back audits look."""

    model_config = service_config("auditor")

    review_from: float = Field(
        default=0.35, ge=0, le=1, description="Overall score from which a post that is not flagged needs review."
    )
    hold_s: float = Field(
        default=0, ge=0, le=86_400, description="How long an automatic flag waits before it shows; 0 shows it at once."
    )
    lock_age_days: float = Field(
        default=14,
        ge=0,
        le=3650,
        description="Days after a post's first judgement from which a reviewer's or consensus' word locks its status.",
    )
    consensus_raters: int = Field(
        default=5, ge=1, le=10_000, description="Sure ratings from which people can decide a status among themselves."
    )
    consensus_share: float = Field(
        default=0.8, gt=0.5, le=1, description="Share of the sure ratings that has to agree for a consensus."
    )
    corpus_posts: int = Field(
        default=250_000,
        ge=100,
        description="Posts audits look at: the newest. Each takes about 1.5 KB of memory in every auditor process.",
    )
    settled_s: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long no older post may be scored again before audits are looked at under a new model.",
    )
    replays_s: float = Field(
        default=600,
        ge=0,
        le=86_400,
        description="Shortest pause between two looks at an audit because corrections were learned in replays.",
    )
    round_quiet_s: float = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long no older post may be scored again before the churn gate judges a newly promoted model.",
    )
    churn_gained: float = Field(
        default=0.2,
        ge=0,
        le=1000,
        description="Share of flagged posts, smoothed by 100, that a promoted model may add in any subset.",
    )
    churn_lost: float = Field(
        default=0.2, ge=0, le=1000, description="Share of flagged posts, smoothed by 100, that it may clear."
    )
    churn_above: int = Field(
        default=200, ge=0, le=1_000_000, description="Rounds of so many posts, or fewer, pass without being looked at."
    )
