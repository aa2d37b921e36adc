"""People rate: how soon their next model is said, and how many a second, with one trainer process and with two.

Shape of the crowd: Kumar et al. 2021, 107,620 posts of five ratings each by 17,280 raters, synthetic and seeded. The
database is PostgreSQL, the broker Valkey with an append-only file, the trainer a process of its own, as it is run.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import orjson
import redis as redis_sync
from sqlalchemy import make_url

from services.trainer.personal.fitting import fit_population
from services.trainer.tables import metadata
from shared import migrate
from shared.artifacts import ArtifactStore
from shared.bus.groups import ensure_groups
from shared.bus.publisher import Publisher, connect
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, PostRated, said
from shared.personal.artifact import dump
from shared.personal.population import Population
from shared.personal.posterior import Rating, deviations, posterior, predictions
from shared.settings import BusSettings
from shared.streams import groups
from tests.bench.pipeline import median, quantile
from tests.support.databases import Databases
from tests.support.ombud import Processes
from tests.support.raters import Made, made
from tests.support.servers import Broker, eventually

RATE, SECONDS = 20, 15
PEOPLE, EACH = 1_000, 10


@dataclass(frozen=True)
class Figures:
    """What was measured: seconds, sorted milliseconds, updates a second, and a second of the trainers' processors.

    `echo` and `timer` are what the machine adds, at the same time as `soon`: an entry read and answered by somebody who
    does nothing with it, how late a timer is, and twenty round trips to the database, about as many as a rating takes.
    `busy` says by number of trainers which part of the machine kept how
    many cores busy while all rated at once.
    """

    artifact_s: float
    all_posts_ms: float
    all_sds_ms: float
    alone: float
    soon: list[float]
    echo: list[float]
    timer: list[float]
    trips: list[float]
    load: float
    by_processes: dict[int, float]
    by_cpu: dict[int, float]
    busy: dict[int, dict[str, float]]


@asynccontextmanager
async def filled(folder: Path, crowd: Made, population: Population) -> AsyncIterator[tuple[str, int]]:
    """Yield address and process of a PostgreSQL in which the whole crowd has rated, on a population of all of it."""
    databases = Databases(folder)
    try:
        url = databases.url("postgresql")
        database = Database(url, metadata)
        await migrate.upgrade("trainer", database)
        await database.close()
        artifact = ArtifactStore(folder / "data" / "artifacts").put(dump(population))
        connection = await _connected(url)
        try:
            await _fill(connection, crowd, artifact)
        finally:
            await connection.close()
        yield url, databases.pid
    finally:
        databases.stop()


async def _connected(url: str) -> Any:
    address = make_url(url)
    return await asyncpg.connect(database=address.database, host=address.query["host"], user="postgres")


async def _fill(connection: Any, crowd: Made, artifact: str) -> None:
    told, now = crowd.crowd, utcnow()
    posts = [
        (post, "bench", text, 0, float(severity) / 4, "{}", False, "m", now, now)
        for post, text, severity in zip(told.posts, told.texts, crowd.severity, strict=True)
    ]
    columns = ["post_id", "platform", "text", "revision", "overall", "scores", "flagged", "model_version", "scored_at"]
    columns.append("counted_at")
    await connection.copy_records_to_table("trainer_posts", records=posts, columns=columns)
    log = [
        (f"e{n}", name(rater), "", told.posts[post], int(rating), now, now, float(crowd.severity[post]), False, 1)
        for n, (rater, post, rating) in enumerate(
            zip(told.rater.tolist(), told.post.tolist(), told.rating.tolist(), strict=True)
        )
    ]
    columns = ["event_id", "rater", "model", "post_id", "rating", "rated_at", "heard_at", "system", "gone", "version"]
    await connection.copy_records_to_table("trainer_rating_log", records=log, columns=columns)
    heads = [(name(rater), "", 1, artifact) for rater in range(told.raters)]
    columns = ["rater", "model", "version", "population"]
    await connection.copy_records_to_table("trainer_personal_models", records=heads, columns=columns)
    later = now + timedelta(seconds=1)
    row = (1, "bench", artifact, told.data_hash, len(told.posts), told.raters, len(log), later, later, later)
    columns = ["sequence", "run_id", "artifact", "data_hash", "posts", "raters", "ratings"]
    columns += ["counted_at", "made_at", "announced_at"]
    await connection.copy_records_to_table("trainer_populations", records=[row], columns=columns)
    await connection.execute("ANALYZE")


def name(rater: int) -> str:
    """A rater's pseudonym."""
    return f"rater-{rater:05d}"


def ratings(crowd: Made, count: int, people: int, salt: str) -> list[Event[PostRated]]:
    """Return new ratings, each person's in turn: no two in a row are of one person."""
    posts = crowd.crowd.posts
    draw = np.random.default_rng([count, *salt.encode()])  # a word said twice is no news
    chosen, words = draw.integers(0, len(posts), count), draw.integers(0, 5, count)
    return [
        said(
            PostRated(post_id=posts[chosen[n]], rater=name(n % people), rating=int(words[n]), rated_at=utcnow()),
            by="ingest",
            cause=f"{salt}|{n}",
        )
        for n in range(count)
    ]


async def measure(folder: Path) -> Figures:
    """Return all figures; takes some minutes."""
    crowd = made()
    begun = time.perf_counter()
    population = fit_population(crowd.crowd)
    artifact_s = time.perf_counter() - begun
    everything, sds, alone = mathematics(crowd, population)
    rates: dict[int, float] = {}
    by_cpu: dict[int, float] = {}
    busy: dict[int, dict[str, float]] = {}
    soon: list[float] = []
    echo: list[float] = []
    timer: list[float] = []
    trips: list[float] = []
    load = 0.0
    async with filled(folder, crowd, population) as (url, server):
        for count in (1, 2):
            broker = Broker(folder / f"broker{count}").start()
            trainers = Processes(
                folder / "data",
                broker.url,
                database_url=url,
                log_level="WARNING",
                trainer_corrections_per_run=1_000_000,
                trainer_ratings_per_population=10_000_000,
                trainer_schedule="off",
                trainer_standby="false",
            )
            try:
                names = ["trainer", "trainer@2"][:count]
                await _started(trainers, broker, names, url)
                if count == 1:
                    beside = [asyncio.create_task(each) for each in (_echo(broker), _late(), _trips(url))]
                    soon, load = await _soon(broker, crowd), os.getloadavg()[0]
                    echo, timer, trips = [await each for each in beside]
                parts = {
                    "trainers": [trainers.pid(name) for name in names],
                    "database": [server],
                    "broker": [broker.pid],
                    "sender": [os.getpid()],
                }
                rates[count], by_cpu[count], busy[count] = await _at_once(broker, crowd, parts, f"at once {count}")
            finally:
                trainers.terminate()
                broker.stop()
    return Figures(artifact_s, everything, sds, alone, soon, echo, timer, trips, load, rates, by_cpu, busy)


async def _started(trainers: Processes, broker: Broker, names: Sequence[str], url: str) -> None:
    redis = connect(broker.url)
    try:
        await ensure_groups(redis, groups())
    finally:
        await redis.aclose()
    trainers.start(*names)
    await trainers.ready(*names, within=120)

    async def rested() -> bool:
        """The first model is made, and drift knows it: nothing but ratings keeps the trainers busy.

        In the two seconds in which drift makes its reference of 2,000 posts, after each refit, ratings take longer.
        """
        states = await connection.fetch("SELECT state FROM trainer_runs WHERE kind = 'refit'")
        known = await connection.fetch("SELECT reference FROM trainer_drift_references")
        return bool(states and known) and all(row["state"] in ("finished", "failed") for row in states)

    connection = await _connected(url)
    try:
        await eventually(rested, 600, 0.5)
    finally:
        await connection.close()


async def _said(broker: Broker, within: float) -> dict[str, float]:
    """Return by correlation id when each version was said, in milliseconds of the broker's clock.

    Who says of a post what they said before leads to no version, and there may be one such rating.
    """
    await eventually(lambda: _settled(broker), within, 0.1)
    with redis_sync.Redis.from_url(broker.url) as redis:
        entries: Any = redis.xrange("models.trained")
    return {orjson.loads(fields[b"__data__"])["correlationid"]: _ms(entry) for entry, fields in entries}


def _ms(entry: bytes) -> float:
    return float(entry.split(b"-")[0])


async def _soon(broker: Broker, crowd: Made) -> list[float]:
    """Return sorted milliseconds from a rating to its posterior, at a steady rate."""
    events, redis = ratings(crowd, RATE * SECONDS, PEOPLE, "soon"), connect(broker.url)
    publisher = Publisher(redis, BusSettings())
    try:
        begun = time.perf_counter()
        for n, event in enumerate(events):
            await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
            await publisher.publish_many([event])
        told = await _said(broker, 120)
        entries: Any = await redis.xrange("posts.rated")
    finally:
        await redis.aclose()
    at = {orjson.loads(fields[b"__data__"])["correlationid"]: _ms(entry) for entry, fields in entries}
    return sorted(told[event.id] - at[event.id] for event in events if event.id in told)


async def _echo(broker: Broker) -> list[float]:
    """Return sorted milliseconds of an entry that somebody else reads and answers with another: nothing is done."""
    redis, there = connect(broker.url), connect(broker.url)

    async def answering() -> None:
        last = "0"
        for _ in range(RATE * SECONDS):
            ((_, entries),) = await there.xread({"bench.in": last}, count=1, block=5_000)
            last = entries[0][0]
            await there.xadd("bench.out", {"at": entries[0][0]})

    task = asyncio.create_task(answering())
    try:
        for _ in range(RATE * SECONDS):
            await redis.xadd("bench.in", {"a": "b"})
            await asyncio.sleep(1 / RATE)
        await task
        entries: Any = await redis.xrange("bench.out")
    finally:
        task.cancel()
        await redis.aclose()
        await there.aclose()
    return sorted(_ms(entry) - _ms(fields[b"at"]) for entry, fields in entries)


async def _trips(url: str) -> list[float]:
    """Return sorted milliseconds of twenty questions to the database, one after the other; none needs a look-up."""
    connection, found = await _connected(url), []
    try:
        for _ in range(RATE * SECONDS):
            begun = time.perf_counter()
            for _ in range(20):
                await connection.fetch("SELECT 1")
            found.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(max(0.0, 1 / RATE - found[-1] / 1000))
    finally:
        await connection.close()
    return sorted(found)


async def _late() -> list[float]:
    """Return sorted milliseconds by which a timer is late that rings as often as somebody rates."""
    found = []
    for _ in range(RATE * SECONDS):
        due = time.perf_counter() + 1 / RATE
        await asyncio.sleep(1 / RATE)
        found.append((time.perf_counter() - due) * 1000)
    return sorted(found)


def _cpu(pids: Sequence[int]) -> float:
    """Return how long processes, and what they started, have kept a processor busy, in seconds.

    How loaded the machine is does not matter.
    """
    stats = {int(each.name): each for each in Path("/proc").iterdir() if each.name.isdigit()}
    found = {}
    for pid, folder in stats.items():
        with suppress(OSError):
            found[pid] = (folder / "stat").read_text().rpartition(")")[2].split()
    own = [fields for pid, fields in found.items() if pid in pids]
    children = [fields for pid, fields in found.items() if int(fields[1]) in pids and os.getpid() not in pids]
    gone = sum(int(each[13]) + int(each[14]) for each in own if os.getpid() not in pids)
    return (sum(int(each[11]) + int(each[12]) for each in own + children) + gone) / os.sysconf("SC_CLK_TCK")


def _idle() -> float:
    """Return how long the machine's processors have had nothing to do, in seconds."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


async def _at_once(
    broker: Broker, crowd: Made, parts: Mapping[str, Sequence[int]], salt: str
) -> tuple[float, float, dict[str, float]]:
    """Return versions a second, and a second of the trainers' processors, while a thousand people rate at once.

    They rate as fast as they are heard. Third: how many cores each part kept busy, and how many had nothing to do.
    """
    warm, events = ratings(crowd, PEOPLE, PEOPLE, f"warm {salt}"), ratings(crowd, PEOPLE * EACH, PEOPLE, salt)
    redis = connect(broker.url)
    publisher = Publisher(redis, BusSettings())
    try:
        await publisher.publish_many(warm)
        await eventually(lambda: _settled(broker), 120, 0.1)
        before = await redis.xlen("models.trained")
        spent, idle, begun = {part: _cpu(pids) for part, pids in parts.items()}, _idle(), time.perf_counter()
        await publisher.publish_many(events)
        await eventually(lambda: _settled(broker), 300, 0.1)
        spent = {part: _cpu(pids) - spent[part] for part, pids in parts.items()}
        idle, took = _idle() - idle, time.perf_counter() - begun
        versions = await redis.xlen("models.trained") - before
        # the newest entries of the stream are these ratings
        first = (await redis.xrevrange("posts.rated", count=len(events)))[-1][0]
        ((last, _),) = await redis.xrevrange("models.trained", count=1)
    finally:
        await redis.aclose()
    cores = {part: seconds / took for part, seconds in spent.items()}
    others = (os.cpu_count() or 1) - sum(cores.values()) - idle / took
    rate = versions / ((_ms(last) - _ms(first)) / 1000)
    return rate, versions / spent["trainers"], cores | {"others": max(others, 0.0), "nobody": idle / took}


def _settled(broker: Broker) -> bool:
    with redis_sync.Redis.from_url(broker.url) as redis:
        known: Any = redis.xinfo_groups("posts.rated")
    (group,) = [each for each in known if each["name"] == b"trainer"]
    return group["lag"] == 0 and group["pending"] == 0


def mathematics(crowd: Made, population: Population) -> tuple[float, float, float]:
    """Return milliseconds of all predictions and of all sds, and posteriors a second, alone on one thread."""
    told = crowd.crowd
    labels = [
        Rating(told.posts[post], int(rating), counted=float(rating), system=float(crowd.severity[post]))
        for post, rating in zip(told.post[:31].tolist(), told.rating[:31].tolist(), strict=True)
    ]
    model = posterior(population, labels)
    times: dict[str, list[float]] = {"predictions": [], "deviations": [], "posterior": []}
    for _ in range(15):
        for label, work in (
            ("predictions", lambda: predictions(population, model)),
            ("deviations", lambda: deviations(population, model)),
            ("posterior", lambda: posterior(population, labels)),
        ):
            begun = time.perf_counter()
            work()
            times[label].append(time.perf_counter() - begun)
    return median(times["predictions"]) * 1e3, median(times["deviations"]) * 1e3, 1 / median(times["posterior"])


def lines(found: Figures) -> list[str]:
    """Return the figures as sentences, each beside what is wanted of it."""

    def shown(times: list[float]) -> str:
        return ", ".join(f"p{int(share * 100)} {quantile(times, share):.0f} ms" for share in (0.5, 0.95, 0.99))

    one, two = found.by_processes[1], found.by_processes[2]
    return [
        f"population of 107,620 posts x 5 ratings by 17,280 raters: {found.artifact_s:.1f} s (wanted: < 60 s)",
        f"predictions of one person for all posts: {found.all_posts_ms:.1f} ms (wanted: < 5 ms); their sds "
        f"{found.all_sds_ms:.1f} ms",
        f"rating said to posterior said, {RATE}/s: {shown(found.soon)} (wanted: p95 < 50 ms)",
        f"at the same time, load {found.load:.1f} on {os.cpu_count()} cores: an echo through the same broker "
        f"{shown(found.echo)}; twenty round trips to the database {shown(found.trips)}; a timer late by "
        f"{shown(found.timer)}",
        f"{PEOPLE:,} people at once, one trainer process: {one:,.0f} versions/s, ratio {one / found.alone:.2f} to the "
        f"posterior alone on one thread ({found.alone:,.0f}/s)",
        f"two trainer processes: {two:,.0f} versions/s, {two / one:.2f} times one; versions per second of their "
        f"processors: {found.by_cpu[1]:,.0f} with one, {found.by_cpu[2]:,.0f} with two, ratio "
        f"{found.by_cpu[2] / found.by_cpu[1]:.2f} (1.00: neither waits for the other)",
        *(
            f"cores kept busy with {count} of them: " + ", ".join(f"{part} {n:.2f}" for part, n in cores.items())
            for count, cores in found.busy.items()
        ),
    ]
