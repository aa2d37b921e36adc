"""What an operator may change about training. Every value here has a default that works on one small machine."""

from typing import Annotated

from pydantic import AfterValidator, Field

from services.trainer.lifecycle import PromotionRule, Terms
from services.trainer.runs import RecipeName
from services.trainer.schedule import checked
from shared.settings import ServiceSettings, service_config


class TrainerSettings(ServiceSettings):
    """Settings of the trainer, prefix OMBUD_TRAINER_."""

    model_config = service_config("trainer")

    corrections_per_run: int = Field(20, ge=1, description="New corrections after which a run starts by itself.")
    gate_tolerance: float = Field(0.01, ge=0, le=1, description="How far macro AUC may fall below the champion's.")
    run_timeout_s: float = Field(600.0, gt=0, description="Longest time one run may take before it is ended.")
    recipe: RecipeName = Field("hashed", description="Recipe of runs that name none.")
    correction_weight: float = Field(3.0, gt=0, description="Weight of a correction; a sample row weighs 1.")
    seed: int = Field(0, ge=0, description="Seed of everything a recipe draws.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes of ordinary runs at a time.")
    standby: bool = Field(True, description="Keep one warm worker process for what has to be quick.")
    schedule: Annotated[str, AfterValidator(checked)] = Field(
        "nightly at 03:00",
        description="When a refit starts if there is anything new: `off`, `nightly at HH:MM` or five cron fields; UTC.",
    )
    promotion: PromotionRule = Field(
        "rule", description="What passed the gate is promoted by itself (`rule`) or by a person (`hand`)."
    )
    shadow_hours: float = Field(
        0.0, ge=0, description="Hours a refit scores beside the champion before it is promoted."
    )
    keep_models: int = Field(10, ge=2, description="Newest models whose artifacts stay for a rollback.")

    def terms(self) -> Terms:
        """Return how models are promoted."""
        return Terms(self.promotion, self.shadow_hours)
