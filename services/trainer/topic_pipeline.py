"""The search for topics, in its worker process.

Invariant: what is listed is what was stored and loaded again.
"""

from pathlib import Path

from services.trainer.steps import Progress, Say, StepStatus
from services.trainer.topics import fitting
from services.trainer.topics.job import Found, TopicsJob, TopicsResult
from shared.artifacts import ArtifactStore, BadArtifact
from shared.topics import model


def work(job: TopicsJob, say: Say) -> TopicsResult:
    """Return the topics of a corpus; those of the artifact before that are still there keep their numbers."""
    artifacts = ArtifactStore(Path(job.artifacts))
    # 1. the corpus, and the topics so far
    say(Progress("corpus", StepStatus.RUNNING, f"{len(job.texts)} posts"))
    before = None
    if job.before is not None:
        try:
            before = model.load(artifacts.get(job.before))
        except (FileNotFoundError, BadArtifact):
            say(Progress("corpus", line="the topics so far cannot be loaded any more: numbers begin anew"))
    say(Progress("corpus", StepStatus.DONE))
    # 2. topics
    say(Progress("topics", StepStatus.RUNNING))
    corpus = [fitting.Writing(*each) for each in zip(job.texts, job.authors, strict=True)]
    artifact = artifacts.put(model.dump(fitting.fit(corpus, seed=job.seed, before=before)))
    found = model.load(artifacts.get(artifact))
    told = f"{len(found.topics)} topics, {found.outliers} posts in none, {len(found.vanished)} topics gone"
    say(Progress("topics", StepStatus.DONE, told, {"topics": artifact}))
    return TopicsResult(
        artifact=artifact,
        data_hash=found.data_hash,
        posts=found.posts,
        outliers=found.outliers,
        topics=tuple(Found(each.id, each.name, each.n, each.share, each.large) for each in found.topics),
        vanished=found.vanished,
    )
