"""What an operator may change about the classifier."""

from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, service_config


class ClassifierSettings(ServiceSettings):
    """Settings with the prefix OMBUD_CLASSIFIER_."""

    model_config = SettingsConfigDict(**service_config("classifier"), populate_by_name=True)

    flag_threshold: float = Field(0.5, ge=0, le=1, description="Overall score from which a post is flagged.")
    swap_every_s: float = Field(1.0, gt=0, description="How often a process looks whether another model was promoted.")
    rescore_limit: int = Field(100_000, ge=0, description="Most posts, newest first, scored again after a promotion.")
    rescore_page: int = Field(200, ge=1, le=1000, description="Posts of one rescoring step.")

    gather_ms: float = Field(
        2.0, ge=0, le=1000, description="How long a single text waits for others to be scored with; 0: not at all."
    )
    gather_texts: int = Field(64, ge=1, le=1000, description="Most single texts scored in one go.")
    waiting_texts: int = Field(
        5_000, ge=1, description="Texts under way over HTTP past which another request gets 503; one is always let in."
    )
    posts_per_request: int = Field(500, ge=1, le=2000, description="Most posts of one POST /api/v1/score.")
    requests_per_s: float = Field(
        0, ge=0, description="Scoring requests a second that a key may make, per process; 0: as many as it likes."
    )
    open_predict: bool = Field(False, description="Let POST /predict through without a key, as the seed did.")
    perspective_unsupported: Literal["refuse", "omit"] = Field(
        "refuse",
        validation_alias=AliasChoices("OMBUD_CLASSIFIER_PERSPECTIVE_UNSUPPORTED", "OMBUD_PERSPECTIVE_UNSUPPORTED"),
        description="What comments:analyze does about attributes we cannot score: refuse the call, or leave them out.",
    )
    perspective_languages: str = Field(
        "en,nl",
        pattern=r"^[a-z]{2,3}(,[a-z]{2,3})*$",
        description="Languages comments:analyze scores; any other fails.",
    )
    perspective_assumes: str | None = Field(
        None,
        pattern=r"^[a-z]{2,3}$",
        description="Language of a comment that names none and whose text tells none; none: the call fails.",
    )
