"""Which function does the work of which kind of run. It is named here and imported in the worker process only. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.trainer import steps
from services.trainer.ratings import PopulationJob, PopulationResult
from services.trainer.runs import Job, ReplayJob, Result, RunKind
from services.trainer.topics.job import TopicsJob, TopicsResult


@dataclass(frozen=True, slots=True)
class Work:
    """How runs of one kind are done.

    `function` is `module:name` of a function `(job, say) -> result`; `warm`, if there is one, of a function `(job) ->
    None` that makes a standing-by worker ready. `job` and `result` are dataclasses that travel as JSON.
    """

    job: type[Any]
    result: type[Any]
    function: str
    steps: tuple[str, ...]
    warm: str | None = None


WORK: Mapping[RunKind, Work] = {
    RunKind.REFIT: Work(Job, Result, "services.trainer.pipeline:work", steps.REFIT),
    RunKind.REPLAY: Work(
        ReplayJob, Result, "services.trainer.standby:work", steps.REPLAY, warm="services.trainer.standby:warm"
    ),
    RunKind.POPULATION: Work(PopulationJob, PopulationResult, "services.trainer.crowds:work", ("population",)),
    RunKind.TOPICS: Work(TopicsJob, TopicsResult, "services.trainer.topic_pipeline:work", steps.TOPICS),
}
