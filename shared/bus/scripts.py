"""The Lua scripts beside this file, loaded once. Each starts with `#!lua`, so that out of memory refuses it whole."""

from functools import cache
from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


@cache
def source(name: str) -> str:
    """Return the text of `<name>.lua`."""
    return files(__package__).joinpath(f"{name}.lua").read_text("utf-8")


def script(redis: Redis, name: str) -> AsyncScript:
    """Return `<name>.lua` as a callable that loads itself again on a server that lost it."""
    return redis.register_script(source(name))
