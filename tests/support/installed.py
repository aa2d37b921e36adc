"""An Ombud that has run once: its first model is made and in force. Whole Ombuds of the tests begin as copies of it.

Making that first model takes fifteen seconds of a core. That it is made, in one process and in five, is shown by the
tests that begin with nothing (`first_start=True`, test_up, chaos).
"""

import asyncio
import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from tests.support.world import World


@cache
def installation() -> Path:
    """Return the folder of a stopped Ombud whose first model scores: `broker` and `data`; gone with this process."""
    folder = Path(tempfile.mkdtemp(prefix="ombud-installed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    failed: list[BaseException] = []

    def make() -> None:
        try:
            asyncio.run(_ran_once(folder))
        except BaseException as error:
            failed.append(error)

    making = threading.Thread(target=make, name="installation")  # who asks may be in a loop of its own
    making.start()
    making.join()
    if failed:
        raise failed[0]
    return folder


def install(folder: Path) -> Path:
    """Put a copy of it into a folder, without logs, and return the folder."""
    shutil.copytree(installation(), folder, ignore=shutil.ignore_patterns("*.log"), dirs_exist_ok=True)
    return folder


async def _ran_once(folder: Path) -> None:
    """Leave an Ombud in `folder` that ran until its first model scored, and was stopped in order."""
    world = World.on(folder)
    try:
        world.processes.start()
        await world.processes.ready(within=240)
        await world.quiet(1)
        codes = await asyncio.to_thread(world.processes.terminate)
        assert set(codes.values()) == {0}, codes
    finally:
        world.close()
