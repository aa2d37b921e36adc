"""A filled auditor: posts as scored, ratings, personal models, population and topics, the same for the same seed.

How to use it, with an empty database at the newest form (`shared.migrate.upgrade("auditor", database)`):

    world = await fill(database, ArtifactStore(folder / "artifacts"), posts=107_620, raters=17_280, people=200)
    corpus = AuditCorpus(Store(database), ArtifactStore(folder / "artifacts"), limit=250_000)
    await follow(corpus)                         # what the loop of a running auditor does by itself
    judge = await corpus.judge(world.people[0])  # a rater with a model of their own

For a test over HTTP fill the database and the data folder's `artifacts` before the auditor starts; it reads them in the
background. The whole size takes about half a minute to fill; 2,000 posts take one second. The population and the topics
are written down, not fitted: numbers that are plausible, in no time.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from services.auditor.audit_corpus import AuditCorpus
from services.auditor.corpus_store import CORPUS
from services.auditor.tables import counters, foundations, model_versions, models, posts, ratings
from shared.artifacts import ArtifactStore
from shared.db import Database, append
from shared.events import Offset, Posterior
from shared.heard import rank
from shared.personal import artifact as population_file
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Rating, posterior
from shared.personal.prior import assumed
from shared.personal.reading import KEPT, Reader
from shared.topics import model as topic_file
from shared.topics.model import Topic, TopicModel
from tests.support.raters import POSTS, RATERS, SUBJECTS, TOPICS, Made, made

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)
AT_ONCE = 5_000
SYSTEM, NEWER = "m-0001-aaaaaaaa", "m-0002-bbbbbbbb"
CATEGORY = "insult"


@dataclass(frozen=True)
class World:
    """What an auditor was filled with. `people` are raters with a model; `overall` (posts,) what the system said."""

    crowd: Made
    population: Population
    topics: TopicModel
    people: tuple[str, ...]
    overall: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    artifacts: tuple[str, str]


def name(rater: int) -> str:
    """A rater's pseudonym."""
    return f"rater-{rater:05d}"


async def fill(
    database: Database,
    artifacts: ArtifactStore,
    *,
    posts: int = POSTS,
    raters: int = RATERS,
    per_post: int = 5,
    people: int = 200,
    seed: int = 20261121,
) -> World:
    """Fill an auditor's empty tables and the artifacts; return what is in them."""
    crowd = made(posts, raters, per_post, seed=seed)
    population, topics = population_of(crowd, seed), topics_of()
    overall = np.clip(crowd.severity / 4 + np.random.default_rng(seed).normal(0, 0.12, posts), 0.001, 0.999)
    stored = artifacts.put(population_file.dump(population)), artifacts.put(topic_file.dump(topics))
    known = tuple(name(rater) for rater in range(min(people, raters)))
    world = World(crowd, population, topics, known, overall, stored)
    last = await _put_posts(database, world)
    last = await _put_ratings(database, world, last)
    async with database.begin() as connection:
        await append(connection, counters, [{"name": CORPUS, "value": last}])
        told = [("population", "population-0001", stored[0]), ("topics", "t-0001", stored[1])]
        await append(
            connection,
            foundations,
            [
                {"model_version": version, "foundation": which, "artifact": artifact, "trained_at": BEGUN}
                for which, version, artifact in told
            ],
        )
        versions = [_version(world, rater, stored[0]) for rater in range(len(known))]
        whole = [{**_who(each), "posterior": each.model_dump(mode="json"), "trained_at": BEGUN} for each in versions]
        worth = [{**_who(each), **_worth(each), "trained_at": BEGUN} for each in versions]
        if whole:
            await append(connection, models, whole)
            await append(connection, model_versions, worth)
    return world


async def follow(corpus: AuditCorpus) -> None:
    """Go round as the loop does, until the corpus was read as a whole."""
    await corpus()
    while not corpus.ready:
        await corpus()


def population_of(crowd: Made, seed: int) -> Population:
    """Return a population of the crowd that was not learned: text scores near the severities, the assumed prior."""
    draw, told = np.random.default_rng(seed), crowd.crowd
    n = len(told.posts)
    buckets = np.arange(0, 4_000, 2, dtype=np.int32)
    k = len(buckets)
    reader = Reader(
        buckets,
        np.ones(k, np.float32),
        draw.normal(0, 0.2, k).astype(np.float32),
        1.5,
        draw.normal(0, 0.1, (KEPT, k)).astype(np.float32),
        np.zeros(KEPT, np.float32),
        np.ones(KEPT, np.float32),
    )
    return Population(
        told.posts,
        told.sums.astype(np.float32),
        told.counts.astype(np.int32),
        np.clip(crowd.severity + draw.normal(0, 0.5, n), 0, 4).astype(np.float32),
        draw.normal(size=(n, KEPT)).astype(np.float32),
        {variant: replace(assumed(size), raters=told.raters) for variant, size in SIZES.items()},
        reader,
        {"data_hash": told.data_hash, "mean": float(told.rating.mean()), "seed": seed},
    )


def topics_of() -> TopicModel:
    """Return topics that are one subject each: a post is about the one it names."""
    one = np.eye(len(SUBJECTS), dtype=np.float32)
    order = sorted(SUBJECTS)
    return TopicModel(
        tuple(order),
        np.ones(len(order), np.float32),
        one,
        one,
        tuple(Topic(number, (word,), 1_000, 1 / TOPICS) for number, word in enumerate(order)),
        posts=POSTS,
        outliers=0,
        next_id=len(order),
        cut=0.5,
        seed=0,
        data_hash="",
    )


async def _put_posts(database: Database, world: World) -> int:
    told, change = world.crowd.crowd, 0
    for start in range(0, len(told.posts), AT_ONCE):
        change += 1
        rows = []
        for at in range(start, min(start + AT_ONCE, len(told.posts))):
            overall = round(float(world.overall[at]), 6)
            scored_at = BEGUN + timedelta(seconds=at)
            rows.append(
                {
                    "post_id": told.posts[at],
                    "platform": "made",
                    "author": f"author-{at % 997}",
                    "text": told.texts[at],
                    "language": "en",
                    "rank": rank(0, scored_at),
                    "scores": {CATEGORY: overall, "toxicity": round(overall / 2, 6)},
                    "overall": overall,
                    "threshold": 0.5,
                    "flagged": overall >= 0.5,
                    "model_version": NEWER if at % 3 else SYSTEM,
                    "scored_at": scored_at,
                    "gone": False,
                    "hidden": False,
                    "sequence": change,
                }
            )
        async with database.begin() as connection:
            await append(connection, posts, rows)
    return change


async def _put_ratings(database: Database, world: World, change: int) -> int:
    told = world.crowd.crowd
    columns = told.rater.tolist(), told.post.tolist(), told.rating.tolist()
    for start in range(0, len(told.rating), AT_ONCE):
        change += 1
        here = slice(start, start + AT_ONCE)
        rows = [
            {
                "event_id": f"e{start + n:09d}",
                "rater": name(rater),
                "model": "",
                "post_id": told.posts[post],
                "rating": int(rating),
                "rated_at": BEGUN,
                "said_at": BEGUN,
                "sequence": change,
            }
            for n, (rater, post, rating) in enumerate(zip(*(column[here] for column in columns), strict=True))
        ]
        async with database.begin() as connection:
            await append(connection, ratings, rows)
    return change


def _version(world: World, rater: int, population: str) -> Posterior:
    told = world.crowd.crowd
    mine = np.flatnonzero(told.rater == rater)
    topic = {word: number for number, word in enumerate(sorted(SUBJECTS))}
    labels = [
        Rating(
            told.posts[post],
            float(rating),
            topic[SUBJECTS[told.topics[post]]],
            float(rating),
            4 * float(world.overall[post]),
        )
        for post, rating in zip(told.post[mine].tolist(), told.rating[mine].tolist(), strict=True)
    ]
    found = posterior(world.population, labels, variant=Variant.FULL)
    known = found.accuracy
    return Posterior(
        rater=name(rater),
        version=len(labels),
        population=population,
        weights=tuple(found.weights.tolist()),
        covariance=tuple(found.covariance.tolist()),
        noise=found.noise,
        labels=found.ratings,
        status=found.status.value,
        errors={} if known is None else {"loo_n": float(known.model.n), "loo_mae": known.model.mae},
        baselines={} if known is None else {"crowd_n": float(known.crowd.n), "crowd_mae": known.crowd.mae},
        offsets=tuple(
            Offset(topic=each.topic, labels=each.ratings, mean=each.mean, sd=each.deviation) for each in found.offsets
        ),
    )


def _who(told: Posterior) -> dict[str, object]:
    return {"rater": told.rater, "model": told.model or "", "version": told.version}


def _worth(told: Posterior) -> dict[str, object]:
    names = ("labels", "unsure", "status", "errors", "baselines", "population")
    return {each: getattr(told, each) for each in names}
