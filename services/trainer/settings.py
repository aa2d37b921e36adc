"""What an operator may change about training. Every value here has a default that works on one small machine."""

from pydantic import Field

from services.trainer.runs import RecipeName
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
