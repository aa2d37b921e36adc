"""The broker's files after an erasure: rewritten when one is over, not too often, and not forgotten in a crash."""

import asyncio
import os

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from shared.bus.erasures import ask_erasure
from shared.bus.janitor import Janitor
from shared.bus.keys import BROKER, SCRUB_TURN, SCRUBS
from shared.bus.publisher import Publisher, connect
from shared.bus.rewriting import Rewriter
from shared.embedded import FORGETFUL
from shared.settings import BusSettings
from tests.integration.bus.test_erasure import rounds, settle_all
from tests.support.everywhere import files, uncompressed
from tests.support.kit import INGESTED, post
from tests.support.servers import Broker, eventually

WORD = "zwunderquast"
BRIEFLY = 0.2


@pytest.fixture
def rewriter(redis: Redis) -> Rewriter:
    return Rewriter(redis, BusSettings(rewrite_every_s=BRIEFLY))


async def erased(redis: Redis, publisher: Publisher, n: int = 0, *, forgetful: bool = True) -> None:
    """Say a post between two others, and erase it to the end."""
    if forgetful:
        await redis.config_set(*(part for pair in FORGETFUL.items() for part in pair))
    await publisher.publish_many([post(n + 1), post(n, text=f"a {WORD}"), post(n + 2)])
    await settle_all(redis, INGESTED, "classifier")
    await ask_erasure(redis, post(n).data.post.post_id)
    await rounds(Janitor(redis, BusSettings(), [INGESTED]))
    assert await redis.hexists(SCRUBS, BROKER)


async def rewrites(redis: Redis) -> int:
    return int((await redis.info("persistence"))["aof_rewrites"])


async def due(redis: Redis) -> bool:
    return bool(await redis.hexists(SCRUBS, BROKER))


async def test_an_erased_word_leaves_the_files_and_its_neighbours_stay(
    broker: Broker, redis: Redis, publisher: Publisher, rewriter: Rewriter
) -> None:
    uncompressed(broker.url)
    await erased(redis, publisher)
    assert await asyncio.to_thread(files, broker.folder, [WORD]), "the file still holds what was appended"
    await rewriter()
    await eventually(lambda: not files(broker.folder, [WORD]), 5)
    assert not await due(redis) and await redis.xlen(INGESTED) == 2
    broker.stop()
    broker.start()
    assert await redis.xlen(INGESTED) == 2


async def test_an_entry_that_shares_its_node_stays_in_the_files(
    broker: Broker, redis: Redis, publisher: Publisher, rewriter: Rewriter
) -> None:
    uncompressed(broker.url)
    await erased(redis, publisher, forgetful=False)
    with capture_logs() as said:
        await rewriter()
    assert ["stream-node-max-entries" in each["event"] for each in said] == [True], "who runs the broker is told"
    await asyncio.sleep(BRIEFLY)
    assert files(broker.folder, [WORD]), "this is why our own broker has one entry to a node"


async def test_several_erasures_share_one_rewrite_and_the_next_waits_its_turn(
    redis: Redis, publisher: Publisher
) -> None:
    rewriters = [Rewriter(redis, BusSettings(rewrite_every_s=1)) for _ in range(5)]
    await erased(redis, publisher)
    await erased(redis, publisher, 10)
    await asyncio.gather(*(each() for each in rewriters))
    assert await rewrites(redis) == 1 and not await due(redis)
    await erased(redis, publisher, 20)
    for each in rewriters:
        await each()
    assert await rewrites(redis) == 1 and await due(redis), "too soon"
    await eventually(lambda: _after(rewriters[3], redis), 15)
    assert await rewrites(redis) == 2


async def test_without_an_erasure_nothing_is_rewritten(redis: Redis, rewriter: Rewriter) -> None:
    await rewriter()
    assert await rewrites(redis) == 0 and not await redis.exists(SCRUB_TURN)


async def test_an_erasure_that_ends_during_a_rewrite_asks_for_another(
    redis: Redis, publisher: Publisher, rewriter: Rewriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await erased(redis, publisher)
    ask = redis.execute_command

    async def meanwhile(*args: object, **options: object) -> object:
        answer = await ask(*args, **options)  # type: ignore[no-untyped-call]
        if args[0] == "BGREWRITEAOF":
            patched.undo()
            await erased(redis, publisher, 10)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(redis, "execute_command", meanwhile)
        await rewriter()
    assert await due(redis)
    await asyncio.sleep(2 * BRIEFLY)
    await eventually(lambda: _after(rewriter, redis), 5)


async def _after(rewriter: Rewriter, redis: Redis) -> bool:
    await rewriter()
    return not await due(redis)


async def test_that_a_rewrite_is_due_survives_a_killed_broker_and_a_killed_process(
    broker: Broker, redis: Redis, publisher: Publisher, rewriter: Rewriter
) -> None:
    uncompressed(broker.url)
    await erased(redis, publisher)
    await redis.set(SCRUB_TURN, 1, px=100)  # the process that had its turn died there
    await redis.waitaof(1, 0, 2000)
    broker.kill()
    (broker.folder / "appendonlydir" / f"temp-rewriteaof-{os.getpid()}.aof").write_text(WORD)
    broker.start()
    uncompressed(broker.url)
    assert await due(redis)
    await eventually(lambda: _after(rewriter, redis), 5)


async def test_a_broker_that_forbids_it_is_asked_again_later_and_nothing_breaks(
    broker: Broker, redis: Redis, publisher: Publisher
) -> None:
    await erased(redis, publisher)
    await redis.execute_command("ACL", "SETUSER", "hosted", "on", ">x", "~*", "&*", "+@all", "-bgrewriteaof", "-config")
    guest = connect(broker.url.replace("redis://", "redis://hosted:x@"))
    rewriter = Rewriter(guest, BusSettings(rewrite_every_s=BRIEFLY))
    for _ in range(2):
        await rewriter()
        await asyncio.sleep(2 * BRIEFLY)
    assert await due(redis) and await rewrites(redis) == 0
    await redis.execute_command("ACL", "SETUSER", "hosted", "+bgrewriteaof")
    await rewriter()
    assert not await due(redis) and await rewrites(redis) == 1
    await guest.aclose()


async def test_a_broker_without_an_append_only_file_has_nothing_to_rewrite_but_its_snapshots(
    broker: Broker, redis: Redis, publisher: Publisher, rewriter: Rewriter
) -> None:
    uncompressed(broker.url)
    await redis.config_set("appendonly", "no")
    await redis.config_set("save", "3600 1")
    await publisher.publish_many([post(9, text=f"a {WORD}")])
    await redis.save()
    assert "file dump.rdb (zwunderquast)" in files(broker.folder, [WORD])
    await settle_all(redis, INGESTED, "classifier")
    await ask_erasure(redis, post(9).data.post.post_id)
    await rounds(Janitor(redis, BusSettings(), [INGESTED]))
    await rewriter()
    assert not await due(redis) and await rewrites(redis) == 0
    assert "file dump.rdb (zwunderquast)" not in files(broker.folder, [WORD])
