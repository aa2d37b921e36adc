"""What an operator may change about training. Every value here has a default that works on one small machine."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from services.trainer.caps import Caps
from services.trainer.lifecycle import PromotionRule, Terms
from services.trainer.runs import RecipeName, Sources
from services.trainer.schedule import checked
from shared.settings import ServiceSettings, service_config


def _paths(value: Any) -> Any:
    """Return the paths of a list written like PATH."""
    return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)]


class TrainerSettings(ServiceSettings):
    """Settings of the trainer, prefix OMBUD_TRAINER_."""

    model_config = SettingsConfigDict(**service_config("trainer"), populate_by_name=True)

    corrections_per_run: int = Field(20, ge=1, description="New corrections after which a run starts by itself.")
    gate_tolerance: float = Field(0.01, ge=0, le=1, description="How far macro AUC may fall below the champion's.")
    run_timeout_s: float = Field(600.0, gt=0, description="Longest time one run may take before it is ended.")
    recipe: RecipeName = Field("hashed", description="Recipe of runs that name none.")
    correction_weight: float = Field(
        3.0, gt=0, description="Weight of a correction in a refit; beside the shipped model at most 3."
    )
    seed: int = Field(0, ge=0, description="Seed of everything a recipe draws.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes of ordinary runs at a time.")
    standby: bool = Field(True, description="Keep one warm worker process for what has to be quick.")
    replay: bool = Field(True, description="Learn corrections within seconds, on top of the model in force.")
    replay_pause_s: float = Field(
        0.3, ge=0, description="Time without a correction after which those that wait are learned together."
    )
    replay_at_once: int = Field(
        1000, ge=1, description="Corrections one replay learns at most; if more wait, a refit is asked for, too."
    )
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
    mlflow: SecretStr = Field(
        SecretStr("sqlite"),
        description="Where models are logged and registered, with the extra `mlflow`: `sqlite` (a file in the data "
        "folder), the address of a server, or `off`.",
    )
    training_sets: Paths = Field(
        (),
        description="Training sets a run starts from beside our own sentences: files of `ombud merge` or folders of "
        "public sets, written like PATH.",
    )
    held_out: Paths = Field(
        (),
        validation_alias=AliasChoices("OMBUD_TRAINER_HELD_OUT", "OMBUD_HELD_OUT"),
        description="Files of texts that must teach nothing, written like PATH: a set that holds one fails its runs, "
        "a correction of one waits for ever.",
    )
    tables_dir: Path | None = Field(
        None, description="Folder of the tables made of all that; none: <data_dir>/tables. Several may share one."
    )
    most_per_person_and_day: int = Field(
        5_000, ge=1, description="Corrections of one person and day that teach a run: more than one can judge by hand."
    )
    most_per_community_and_day: int = Field(
        20_000, ge=1, description="Corrections of one platform's posts and one day that teach a run."
    )
    most_from_one: float = Field(
        0.2, gt=0, le=1, description="Largest part of a run's corrections from one person, where enough people correct."
    )
    free_for_one: int = Field(
        100, ge=1, description="Corrections of one person that count in any run, whatever part of it they are."
    )
    ratings_per_population: int = Field(
        500, ge=1, description="New ratings after which the population of personal models is counted again, at least."
    )
    group_minimum: int = Field(15, ge=5, description="People a group needs before anything is said about it.")
    personal_versions_kept: int = Field(
        500, ge=1, description="Versions kept of each person's model; the oldest go first."
    )

    tune_minutes: float = Field(5.0, gt=0, description="Minutes a run that was asked to tune may look about.")

    def sources(self, data_dir: Path) -> Sources:
        """Return what runs learn from."""
        tables = self.tables_dir or data_dir / "tables"
        given, kept = (tuple(str(path.resolve()) for path in paths) for paths in (self.training_sets, self.held_out))
        most = (self.most_per_person_and_day, self.most_per_community_and_day, self.most_from_one, self.free_for_one)
        return Sources(given, kept, str(tables.resolve()), Caps(*most))

    topics_every_h: float = Field(24.0, ge=0, description="Hours between two searches for topics; 0: only on command.")
    topics_from: int = Field(
        100, ge=1, description="Posts there have to be before topics are looked for by themselves."
    )
    topics_posts: int = Field(100_000, ge=1, description="Newest posts topics are looked for in.")
    drift_reference_posts: int = Field(
        2000, ge=2000, description="Newest posts that stand for what a full training knew; drift is measured from them."
    )
    drift_trains: bool = Field(True, description="Let drift ask for a full training, once a day at most.")

    def terms(self) -> Terms:
        """Return how models are promoted."""
        return Terms(self.promotion, self.shadow_hours)
