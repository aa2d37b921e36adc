"""What an operator may change about the classifier."""

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class ClassifierSettings(ServiceSettings):
    """Settings with the prefix OMBUD_CLASSIFIER_."""

    model_config = service_config("classifier")

    flag_threshold: float = Field(0.5, ge=0, le=1, description="Overall score from which a post is flagged.")
    swap_every_s: float = Field(1.0, gt=0, description="How often a process looks whether another model was promoted.")
    rescore_limit: int = Field(100_000, ge=0, description="Most posts, newest first, scored again after a promotion.")
    rescore_page: int = Field(200, ge=1, le=1000, description="Posts of one rescoring step.")
