"""Tells open pages who began or stopped deciding which post, in every process, by a channel of the broker.

Invariant: it is news, no state. What is missed is on the next page anyway, and a lease ends by itself.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.keys import held_channel

AGAIN_S = 1.0
ROOM = 200
"""News that may wait for one page; of more the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class News:
    """Who holds a post for how many seconds from now; zero: nobody any more. `by`: who handed it to them, by name."""

    post_id: str
    person_id: str
    name: str
    left_s: int
    by: str = ""

    def packed(self) -> bytes:
        """Return it as it is said on the channel."""
        handed = [self.by] if self.by else []  # a process of the release before knows of four
        return orjson.dumps([self.post_id, self.person_id, self.name, self.left_s, *handed])


class Presence:
    """Whoever listens in this process. One subscription for all, as long as somebody does."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ears: dict[int, tuple[deque[News], Callable[[], None]]] = {}
        self._reader: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[deque[News]]:
        """Yield where news arrive; `wake` is called when some have."""
        news: deque[News] = deque(maxlen=ROOM)
        self._ears[id(news)] = news, wake
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._run(), name="presence")
        try:
            yield news
        finally:
            del self._ears[id(news)]

    async def stop(self) -> None:
        """End the subscription."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _run(self) -> None:
        while self._ears:
            with suppress(RedisError):
                await self._follow()
            await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(held_channel())
            while self._ears:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=AGAIN_S)
                if message is None:
                    continue
                news = News(*orjson.loads(message["data"]))
                for waiting, wake in list(self._ears.values()):
                    waiting.append(news)
                    wake()
