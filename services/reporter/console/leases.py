"""Who is deciding which post right now: leases on the broker, so that two people do not read the same one.

Invariant: a lease saves work, it guards no data. It is renewed and released only with the token it was taken with,
and it ends by itself.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.reporter.console.members import Member
from services.reporter.console.presence import News
from shared.bus.keys import handed_key, held_channel, lease_key
from shared.errors import Unavailable

LEASE_MS = 300_000
DECIDED_MS = 30_000
"""How long nobody else is given a post that was just decided: our tables may not have heard of it yet."""
HANDED_MS = 900_000
"""How long a post waits for the colleague whom it was handed; afterwards anybody may take it."""
TAKE = """#!lua
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return 1
"""
HAND = """#!lua
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. ':handed', 'PX', ARGV[3])
return 1
"""
END = """#!lua
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a post, and for how many more seconds."""

    person_id: str
    left_s: int


@dataclass(frozen=True, slots=True)
class Handed:
    """Who handed a post over, and for how many more seconds it is held for whom it was handed to."""

    person_id: str
    left_s: int


class Leases:
    """Leases of posts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(TAKE)
        self._hand = redis.register_script(HAND)
        self._end = redis.register_script(END)

    async def take(self, member: Member, post_id: str, lasts_ms: int = LEASE_MS) -> bool:
        """Take or renew the lease of a post; return whether nobody else holds it. Raises Unavailable."""
        try:
            args: list[str | int] = [member.id, token_of(member, post_id), lasts_ms]
            taken = bool(await self._take(keys=[lease_key(post_id)], args=args))
            if taken:
                await self._tell(member, post_id, 0 if lasts_ms == DECIDED_MS else lasts_ms // 1000)
            return taken
        except RedisError as error:
            raise Unavailable("broker") from error

    async def release(self, member: Member, post_id: str, token: str | None = None) -> bool:
        """Give a post back; return whether the token was the one it is held with. Raises Unavailable."""
        try:
            held = f"{member.id}:{token or token_of(member, post_id)}"
            ended = bool(await self._end(keys=[lease_key(post_id)], args=[held]))
            if ended:
                await self._tell(member, post_id, 0)
            return ended
        except RedisError as error:
            raise Unavailable("broker") from error

    async def hand_over(self, member: Member, post_id: str, person_id: str, name: str) -> bool:
        """Give a post to a colleague; return False if somebody else holds it. Raises Unavailable.

        Whoever gets it takes the lease with a token of their own when they open the post.
        """
        try:
            handed: Any = await self._hand(keys=[lease_key(post_id)], args=[member.id, person_id, HANDED_MS])
            if handed:
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.hdel(handed_key(member.id), post_id)
                    pipe.hset(handed_key(person_id), post_id, member.id)
                    pipe.pexpire(handed_key(person_id), HANDED_MS)
                    await pipe.execute()
                news = News(post_id, person_id, name, HANDED_MS // 1000, member.name)
                await self._redis.publish(held_channel(), news.packed())
            return bool(handed)
        except RedisError as error:
            raise Unavailable("broker") from error

    async def handed(self, member: Member) -> dict[str, Handed]:
        """Return the posts that colleagues handed to somebody and that are still held for them, by id."""
        try:
            said: Any = await self._redis.hgetall(handed_key(member.id))
        except RedisError:
            return {}
        givers = {post.decode(): giver.decode() for post, giver in said.items()}
        leases = await self.of(list(givers))
        return {
            post: Handed(givers[post], lease.left_s) for post, lease in leases.items() if lease.person_id == member.id
        }

    async def settle(self, member: Member, post_id: str) -> None:
        """Forget that a post was handed to somebody: it is decided."""
        try:
            await self._redis.hdel(handed_key(member.id), post_id)
        except RedisError as error:
            raise Unavailable("broker") from error

    async def _tell(self, member: Member, post_id: str, left_s: int) -> None:
        await self._redis.publish(held_channel(), News(post_id, member.id, member.name, left_s).packed())

    async def of(self, post_ids: Sequence[str]) -> dict[str, Lease]:
        """Return who holds which of the posts; nobody, where the broker cannot be asked."""
        if not post_ids:
            return {}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in post_ids:
                    pipe.get(lease_key(each))
                    pipe.pttl(lease_key(each))
                found: Any = await pipe.execute()
        except RedisError:
            return {}
        held = zip(post_ids, found[::2], found[1::2], strict=True)
        return {
            post: Lease(value.decode().partition(":")[0], max(1, left // 1000)) for post, value, left in held if value
        }


def token_of(member: Member, post_id: str) -> str:
    """Return what somebody's session holds a post with; nobody else can tell."""
    return hmac.digest(member.token.encode(), f"a lease of {post_id}".encode(), sha256).hex()[:32]
