"""From services to a running process: `compose([one])` is a container, `compose([all])` the embedded product.

Both shapes run the same code with one broker and one lifespan; the difference is configuration.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from secrets import token_hex
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import PlainTextResponse
from faststream.redis import RedisBroker, RedisClusterBroker, RedisRouter, StreamSub
from faststream.redis.opentelemetry import RedisTelemetryMiddleware
from faststream.redis.prometheus import RedisPrometheusMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from pydantic_settings import BaseSettings
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import MetaData

from shared import errors, migrate
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing
from shared.bodies import Bodies
from shared.bus.batch import Consumer, Handler
from shared.bus.cluster import cluster_nodes, is_cluster_url
from shared.bus.envelope import CloudEvents, Reader
from shared.bus.groups import check_key_types, check_server, check_shards, ensure_groups, unknown_groups
from shared.bus.health import Health, Watchdog
from shared.bus.janitor import Janitor
from shared.bus.keys import consumer_name
from shared.bus.leases import Leases
from shared.bus.metrics import GroupState, parts_of, sweep
from shared.bus.presence import SAID_EVERY_S, Presence
from shared.bus.publisher import Publisher, connect
from shared.bus.retry import Pump, Reclaimer
from shared.bus.rewriting import Rewriter
from shared.bus.shards import group_keys, keyed
from shared.db import Database, url_for
from shared.errors import Problem, Unavailable, describe
from shared.observability import RequestContext
from shared.scrubbing import Scrub
from shared.settings import Settings, effective
from shared.sockets import OPTIONS
from shared.streams import FLOW, SERVICES, groups, heard_by

log = structlog.get_logger("ombud.runtime")

GC_THRESHOLD = (10_000, 20, 100)
"""A batch makes thousands of objects and frees them all by counting; the default of 700 looked for cycles among them
at every step, about a tenth of the work. With 50,000 one look took 60-110 ms, in which nobody was answered."""
SWITCH_S = 0.001
"""How long a thread that computes keeps the interpreter while an event waits for it. A handler needs it at every step:
twenty round trips beside such a thread took 55 ms at p95 with Python's own 5 ms, and 16 with this."""

Work = Callable[[], Awaitable[Any]]

ANSWER_S = 5.0
"""How long broker and databases may take to say that they are there."""
SPARE_CONNECTIONS = 100
LONG_S = 3600.0
"""Writing a large file anew may take that long before its loop counts as dead."""


@dataclass(frozen=True)
class Loop:
    """Work that a service repeats; the pause comes after each round. A round of `stuck_after_s` fails liveness.

    Setting `wake` ends the pause at once.
    """

    name: str
    every_s: float
    work: Work
    stuck_after_s: float = 120.0
    wake: asyncio.Event | None = None


@dataclass
class Service:
    """What a service's `build(platform)` returns. `commands` serve whoever has the machine but no API key.

    Among them `examine` says what `ombud doctor` has to know of the tables: figures and names, no text, no secret.
    `mop` erases what a write that ran beside an erasure may have left; it is called when an erasure is over.
    """

    name: str
    routers: Sequence[APIRouter]
    hears: Mapping[str, Handler]
    settings: BaseSettings
    database: Database
    loops: Sequence[Loop] = ()
    start: Work | None = None
    stop: Work | None = None
    mop: Work | None = None
    not_ready: Callable[[], Sequence[str]] = field(default=lambda: ())
    commands: Mapping[str, Callable[..., Awaitable[Any]]] = field(default_factory=dict)


class Platform:
    """What every service of this process shares. `private`: only people at this very machine can reach it.

    `draining`: a signal asked us to stop, so what has no end of its own ends now.
    """

    def __init__(self, settings: Settings, redis_url: str, *, private: bool = False) -> None:
        self.settings = settings
        self.private = private
        self.draining = False
        self.app: FastAPI | None = None  # set by `compose`: what runs in this process can be asked without a socket
        self.redis: Redis = connect(redis_url)
        self.publisher = Publisher(self.redis, settings.bus)
        self.artifacts = ArtifactStore(settings.artifacts)
        self.keys = KeyRing(self.redis)
        self.health = Health(settings.bus.stalled_after_s)
        self.states: list[GroupState] = []
        self.services: list[Service] = []
        self.shards = settings.bus.shards
        self.leases: Leases | None = None  # set at start where there is more than one shard
        self.handler_metrics = CollectorRegistry()  # FastStream's own; one broker, one registry
        self.broker = self._broker(redis_url)

    def _broker(self, redis_url: str) -> RedisBroker:
        options: dict[str, Any] = {
            "message_format": CloudEvents,
            "logger": None,  # its two lines per message would cost a third
            "apply_types": False,
            "socket_keepalive": True,
            "socket_keepalive_options": OPTIONS,
            "middlewares": (RedisPrometheusMiddleware(registry=self.handler_metrics), RedisTelemetryMiddleware()),
        }
        if self.shards > 1:  # each key has a reader that blocks its connection; redis-py stops at a hundred
            options["max_connections"] = 2 * len(group_keys(self.shards)) + SPARE_CONNECTIONS
        if is_cluster_url(redis_url):
            first, others = cluster_nodes(redis_url)
            return RedisClusterBroker(first, startup_nodes=others, **options)
        return RedisBroker(redis_url, **options)

    def database(self, service: str, metadata: MetaData) -> Database:
        """Return the database of one service."""
        url = url_for(service, self.settings.data_dir, self.settings.database)
        return Database(url, metadata)

    async def look(self) -> None:
        """Look once at our own groups and at those that hear us; it serves metrics, liveness and back-pressure."""
        own = {service.name for service in self.services}
        ours = [(name, group) for name, group in groups() if group in own or FLOW[name].said_by in own]
        self.states = await sweep(self.redis, keyed(ours, self.shards))
        # a restart of ours mends no other's
        read = parts_of(state for state in self.states if state.group in own)
        self.health.saw(part for part in read if self.reads(part.stream, part.group))

    def reads(self, key: str, group: str) -> bool:
        """Return whether this process reads a key for one of its groups; with one shard every replica reads all."""
        return self.shards == 1 or (self.leases is not None and self.leases.reads(key, group))

    def backlog(self, stream: str) -> int:
        """Return how many events of `stream` the slowest group still has before it, as last seen."""
        return max((state.backlog for state in self.states if state.stream == stream), default=0)

    def length(self, stream: str) -> int:
        """Return how many entries a stream holds, as last seen."""
        return max((state.length for state in self.states if state.stream == stream), default=0)


Build = Callable[[Platform], Service]


def compose(platform: Platform, builds: Sequence[Build]) -> FastAPI:
    """Return one application that runs the given services."""
    platform.services = services = [build(platform) for build in builds]
    names = "+".join(service.name for service in services)
    readers: dict[tuple[str, str], Reader] = {}
    consumers: dict[str, Consumer] = {}
    for service in services:
        consumers[service.name], known = _subscribe(platform, service)
        readers |= known

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _start(platform, services, readers, consumers, stack)
            gc.freeze()  # what start-up made stays; looking at it again and again stops every batch for 100 ms
            gc.set_threshold(*GC_THRESHOLD)
            sys.setswitchinterval(SWITCH_S)
            log.info("ready", services=names)
            yield
            log.info("draining", services=names)

    app = FastAPI(
        title="Ombud",
        version=version("ombud"),
        lifespan=lifespan,
        summary="Content moderation that can be contested",
        responses=errors.REFUSAL,
    )
    app.state.platform = platform
    platform.app = app
    app.add_middleware(Bodies, limit=platform.settings.max_body_bytes)
    app.add_middleware(RequestContext, service=services[0].name if len(services) == 1 else "embedded")
    errors.install(app)
    for service in services:
        for router in service.routers:
            app.include_router(router)
    app.include_router(_operations(platform, services))
    return app


def _subscribe(platform: Platform, service: Service) -> tuple[Consumer, dict[tuple[str, str], Reader]]:
    """Register a service's handlers; what it hears and what FLOW says must be the same."""
    expected = {stream.name for stream in heard_by(service.name)}
    if set(service.hears) != expected:
        raise RuntimeError(f"{service.name} hears {sorted(service.hears)}, FLOW says {sorted(expected)}")
    router = RedisRouter()
    consumer = Consumer(
        platform.redis, platform.settings.bus, platform.health, service.name, consumer_name(service.name)
    )
    readers: dict[tuple[str, str], Reader] = {}
    for name, handler in service.hears.items():
        read = consumer.consume(router, FLOW[name], handler)
        readers |= {(key, service.name): read for key in FLOW[name].keys(platform.shards)}
    for stream in FLOW.values():
        if stream.said_by == service.name:
            router.publisher(
                stream=StreamSub(stream.name),
                title=f"{service.name}:{stream.name}:said",  # the reporter also hears its own: two titles
                description=(stream.event.__doc__ or "").strip(),
                schema=stream.event,
            )
    platform.broker.include_router(router)
    return consumer, readers


async def _start(
    platform: Platform,
    services: Sequence[Service],
    readers: Mapping[tuple[str, str], Reader],
    consumers: Mapping[str, Consumer],
    stack: AsyncExitStack,
) -> None:
    """Bring everything up in order; `stack` takes it down in reverse."""
    settings, redis = platform.settings, platform.redis
    log.info("settings", **effective(settings), bus=effective(settings.bus))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    stack.push_async_callback(redis.aclose)
    await redis.ping()
    await check_server(redis)
    await check_shards(redis, platform.shards)
    await check_key_types(redis, platform.shards)
    await ensure_groups(redis, group_keys(platform.shards))
    for stream, group in await unknown_groups(redis, platform.shards):
        log.error("a group that FLOW does not know holds the janitor back", stream=stream, group=group)
    for service in services:
        log.info("settings", service=service.name, **effective(service.settings))
        stack.push_async_callback(service.database.close)
        if settings.migrate_at_start:
            await migrate.upgrade(service.name, service.database)
        elif not await migrate.at_head(service.name, service.database):
            raise RuntimeError(f"the tables of {service.name} are not at head: run `ombud migrate`")
    starts = []
    for service in services:
        if service.stop is not None:
            stack.push_async_callback(service.stop)
        if service.start is not None:
            starts.append(service.start())
    for failure in await asyncio.gather(*starts, return_exceptions=True):  # one reads a file while another asks
        if isinstance(failure, BaseException):
            raise failure
    reclaimer = Reclaimer(redis, readers, settings.bus, consumer_name("reclaimer"))
    if platform.shards > 1:
        platform.leases = _leases(platform, consumers, list(readers), reclaimer)
        stack.push_async_callback(_leave, platform.leases)
    stack.push_async_callback(_give_back, reclaimer)
    stack.push_async_callback(platform.broker.stop)
    if platform.leases is None:
        await platform.broker.start()
    else:
        await platform.broker.connect()
        await platform.leases()
    await platform.look()
    presence = _presence(platform, services)
    stack.push_async_callback(presence.leave)
    loops = [*_loops(platform, services, list(readers), reclaimer), Loop("presence", SAID_EVERY_S, presence, LONG_S)]
    tasks = [asyncio.create_task(_repeat(platform, loop), name=loop.name) for loop in loops]
    stack.push_async_callback(_cancel, tasks)


def _leases(
    platform: Platform, consumers: Mapping[str, Consumer], pairs: Sequence[tuple[str, str]], reclaimer: Reclaimer
) -> Leases:
    subscribers = {name: consumer.subscribers for name, consumer in consumers.items() if consumer.subscribers}
    name = f"{consumer_name('replica')}-{token_hex(4)}"

    async def give_back(gone: Iterable[tuple[str, str]]) -> int:
        return await reclaimer.give_back(set(gone))

    bus = platform.settings.bus
    return Leases(platform.redis, bus, platform.health, name, subscribers, pairs, give_back)


async def _leave(leases: Leases) -> None:
    with suppress(RedisError):  # our word is over soon enough
        await leases.leave()


def _loops(
    platform: Platform, services: Sequence[Service], own: Sequence[tuple[str, str]], reclaimer: Reclaimer
) -> list[Loop]:
    redis, bus, common = platform.redis, platform.settings.bus, platform.settings
    names = {service.name for service in services}
    spoken = [stream.name for stream in FLOW.values() if stream.said_by in names]

    async def ensure() -> list[tuple[str, str]]:
        return await ensure_groups(redis, group_keys(platform.shards))

    leases = platform.leases
    return [
        *([] if leases is None else [Loop("leases", leases.every_s, leases)]),
        Loop("watchdog", 1.0, Watchdog(platform.broker, platform.health, ensure, platform.reads), 10.0),
        Loop("pump", bus.pump_every_s, Pump(redis, own), 10.0),
        Loop("reclaimer", bus.reclaim_every_s, reclaimer, 10.0),
        Loop("janitor", bus.janitor_every_s, Janitor(redis, bus, spoken)),
        Loop("rewriter", bus.janitor_every_s, Rewriter(redis, bus), LONG_S),
        *(
            Loop(
                f"{service.name} scrub",
                bus.janitor_every_s,
                Scrub(redis, service.name, service.database, common.vacuum_every_s, service.mop),
                LONG_S,
            )
            for service in services
        ),
        Loop("sweep", bus.sweep_every_s, platform.look),
        *(loop for service in services for loop in service.loops),
    ]


def _presence(platform: Platform, services: Sequence[Service]) -> Presence:
    async def standing() -> tuple[list[str], list[str]]:
        try:
            async with asyncio.timeout(ANSWER_S):  # a database that hangs is no reason to fall silent
                return await _not_ready(platform, services), platform.health.not_alive()
        except TimeoutError:
            return [f"its parts do not answer within {ANSWER_S:.0f} s"], platform.health.not_alive()

    names = [service.name for service in services]
    name = consumer_name("+".join(names) if len(names) < len(SERVICES) else "embedded")
    return Presence(platform.redis, name, names, version("ombud"), standing)


async def _repeat(platform: Platform, loop: Loop) -> None:
    failing, this = False, asyncio.current_task()
    limit = loop.every_s + loop.stuck_after_s
    while this is not None and not this.cancelling():  # a library may have swallowed the cancellation itself
        platform.health.ticked(loop.name, limit)
        try:
            await loop.work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not failing:
                log.warning("loop failed, will go on", loop=loop.name, error=describe(error), reason=_safe(error))
            failing = True
        else:
            if failing:
                log.info("loop works again", loop=loop.name)
            failing = False
        platform.health.ticked(loop.name, limit)
        await _pause(loop)


async def _pause(loop: Loop) -> None:
    if loop.wake is None:
        await asyncio.sleep(loop.every_s)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(loop.every_s):
            await loop.wake.wait()
    loop.wake.clear()


async def _give_back(reclaimer: Reclaimer) -> None:
    try:
        given = await reclaimer.give_back()
    except RedisError as error:  # the others take it over once it has been idle long enough
        log.warning("what was read could not be given back", error=describe(error))
    else:
        if given:
            log.info("gave back what a stopped read had brought", events=given)


def _safe(error: Exception) -> str:
    return str(error)[:120] if isinstance(error, (RedisError, Unavailable)) else ""


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: before Python 3.12 `asyncio.wait_for`, which redis-py uses, may swallow one."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=2)


async def _not_ready(platform: Platform, services: Sequence[Service]) -> list[str]:
    """Return what is missing: broker, database, groups, a model."""
    reasons = platform.health.not_ready()
    try:
        await platform.redis.ping()
    except RedisError:
        reasons.append("the broker does not answer")
    for service in services:
        try:
            await service.database.ping()
        except Unavailable:
            reasons.append(f"the database of {service.name} does not answer")
        reasons += service.not_ready()
    missing = [f"{each.stream}/{each.group}" for each in platform.states if each.missing]
    return reasons + [f"group {name} is missing" for name in missing]


def _operations(platform: Platform, services: Sequence[Service]) -> APIRouter:
    """Routes for whoever runs the process: alive, ready, metrics."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="Is the process worth keeping?")
    async def livez() -> dict[str, str]:
        """Answer 200, or 503 with the reasons why only a restart would help."""
        if reasons := platform.health.not_alive():
            raise Problem(503, "not_alive", "; ".join(reasons))
        return {"status": "alive"}

    @router.get("/readyz", summary="Should it get traffic?")
    async def readyz() -> dict[str, str]:
        """Answer 200, or 503 with what is missing: broker, database, groups, a model."""
        if reasons := await _not_ready(platform, services):
            raise Problem(503, "not_ready", "; ".join(reasons))
        return {"status": "ready"}

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Answer with every metric of this process in the Prometheus text format."""
        text = generate_latest(REGISTRY) + generate_latest(platform.handler_metrics)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
