"""A process that is asked to stop does stop, whatever its loops are doing at that moment."""

import asyncio

from shared.runtime import _cancel


async def test_a_loop_that_swallows_a_cancellation_ends_all_the_same() -> None:
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        while cancelled < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(_cancel([task]), 10)
    assert task.done()
    assert cancelled == 2
