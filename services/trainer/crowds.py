"""The work of a population, in its worker process: from what everybody said to what personal models stand on.

Invariant: of several ratings of a post by one rater the newest counts, as in their own model; the file of texts and
pseudonyms is gone before anything is learned from it.
"""

from pathlib import Path

import orjson

from services.trainer.personal.crowd import Crowd, crowd_of
from services.trainer.personal.fitting import fit_population
from services.trainer.ratings import PopulationJob, PopulationResult
from services.trainer.recipes import TooLittleData
from services.trainer.steps import Progress, Say, StepStatus
from shared.artifacts import ArtifactStore
from shared.personal.artifact import dump

STEP = "population"


def work(job: PopulationJob, say: Say) -> PopulationResult:
    """Return the population of a file. Raises TooLittleData if it holds no rating."""
    say(Progress(STEP, StepStatus.RUNNING))
    path = Path(job.material)
    try:
        crowd = read(path)
    finally:
        path.unlink(missing_ok=True)
    if not len(crowd.rating):
        raise TooLittleData("nobody has rated a post that is still there")
    say(Progress(STEP, line=f"{len(crowd.rating)} ratings of {len(crowd.posts)} posts by {crowd.raters} people"))
    population = fit_population(crowd, job.seed)
    artifact = ArtifactStore(Path(job.artifacts)).put(dump(population))
    say(Progress(STEP, StepStatus.DONE, artifacts={"population": artifact}))
    return PopulationResult(artifact, population.data_hash, len(crowd.posts), crowd.raters, len(crowd.rating))


def read(path: Path) -> Crowd:
    """Return the crowd of a file.

    Its lines are `"post", id, text, topic, system` and `"rating", rater, post, rating, when, event`.
    """
    texts: dict[str, str | None] = {}
    topics: dict[str, int] = {}
    systems: dict[str, float] = {}
    newest: dict[tuple[str, str], tuple[float, str, float | None]] = {}
    with path.open("rb") as lines:
        for line in lines:
            kind, *said = orjson.loads(line)
            if kind == "post":
                post, text, topic, system = said
                texts[post], systems[post] = text, system
                if topic is not None:
                    topics[post] = topic
            else:
                rater, post, rating, when, event = said
                known = newest.get((rater, post))
                if known is None or known[:2] < (when, event):
                    newest[rater, post] = (when, event, rating)
    ratings = [(rater, post, rating) for (rater, post), (_, _, rating) in newest.items() if rating is not None]
    return crowd_of(ratings, texts, topics, systems)
