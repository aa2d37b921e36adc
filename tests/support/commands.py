"""The command line as users run it: `ombud` in a process of its own."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support.ombud import KEY, ROOT
from tests.support.servers import environment

WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}


def command(*arguments: object) -> list[str]:
    """Return the words that start `ombud`."""
    return [sys.executable, "-m", "services", *map(str, arguments)]


def surroundings(data_dir: Path, **settings: object) -> dict[str, str]:
    """Return the environment of a command: this data folder, the admin key of the tests, the given settings.

    A setting that is None is left out, also the key.
    """
    given = {"data_dir": data_dir, "key": KEY} | settings
    return environment(**{name: value for name, value in given.items() if value is not None}) | WIDE


async def ombud(
    *arguments: object, data_dir: Path, within: float = 120, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end and return exit code and output."""
    return await asyncio.to_thread(
        subprocess.run,
        command(*arguments),
        env=surroundings(data_dir, **settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


async def succeeds(*arguments: object, data_dir: Path, **settings: object) -> str:
    """Run one command that has to end with exit code 0 and return what it printed."""
    done = await ombud(*arguments, data_dir=data_dir, **settings)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
