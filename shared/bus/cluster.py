"""Clients of the broker: one server, or a Redis Cluster that answers to the same commands.

An address with `+cluster` in its scheme names nodes of a cluster: `redis+cluster://one:6379,two:6379`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from shared.sockets import OPTIONS

Ask = Callable[..., Awaitable[Any]]
CLUSTER = "+cluster"
PORT = 6379
CONNECTION: dict[str, Any] = {
    "health_check_interval": 30,
    "socket_keepalive": True,
    "socket_keepalive_options": OPTIONS,
    "socket_connect_timeout": 5,
    "protocol": 2,
}


class Cluster(RedisCluster):
    """redis-py's cluster client; what it cannot reach or route is an error of the connection, as with one server."""

    async def initialize(self, *args: Any, **options: Any) -> Any:
        """Ask a node for the slots. Raises ConnectionError when none answers."""
        try:
            return await super().initialize(*args, **options)
        except exceptions.RedisClusterException as error:
            raise exceptions.ConnectionError(str(error)) from error

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to the node that has its key."""
        try:
            return await super().execute_command(*args, **options)
        except exceptions.RedisClusterException as error:
            raise exceptions.ConnectionError(str(error)) from error

    async def mget(self, keys: Any, *args: Any) -> list[Any]:
        """Return values of keys that may lie on several nodes."""
        return list(await self.mget_nonatomic(keys, *args))


def connect(url: str) -> Redis:
    """Return a client that survives a restart of the server: six retries with jittered back-off."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 6)
    if is_cluster_url(url):
        first, others = cluster_nodes(url)
        nodes = [ClusterNode(host, port) for host, port in others]
        return cast("Redis", Cluster.from_url(first, retry=retry, startup_nodes=nodes, **CONNECTION))
    return Redis.from_url(
        url,
        retry=retry,
        retry_on_error=[exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError],
        **CONNECTION,
    )


def is_cluster_url(url: str) -> bool:
    """Return whether an address names nodes of a cluster."""
    return url.partition("://")[0].endswith(CLUSTER)


def cluster_nodes(url: str) -> tuple[str, list[tuple[str, int]]]:
    """Return the address of the first node as redis-py reads it, and host and port of the others."""
    parts = urlsplit(url.replace(CLUSTER, "", 1))
    credentials, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    found = [each.rpartition(":") if ":" in each else (each, ":", str(PORT)) for each in others]
    return (
        urlunsplit((parts.scheme, credentials + at + first, "", "", "")),
        [(host, int(port)) for host, _, port in found],
    )


def is_cluster(redis: Redis) -> bool:
    """Return whether keys of different shards may lie on different servers."""
    return isinstance(redis, RedisCluster)


async def primaries(redis: Redis) -> Sequence[ClusterNode]:
    """Return the nodes of a cluster that hold keys."""
    cluster = cast("RedisCluster", redis)
    await cluster.initialize()
    return cluster.get_primaries()


async def servers(redis: Redis) -> list[Ask]:
    """Return how to ask each server that holds keys: `await ask("INFO", "server")`."""
    return [node.execute_command for node in await primaries(redis)] if is_cluster(redis) else [redis.execute_command]


async def on_primaries(redis: Redis, *command: str) -> list[Any]:
    """Return what the server answers to a command without a key, in a cluster what each primary does."""
    return [await ask(*command) for ask in await servers(redis)]
