"""`ombud up` in a process of its own, as people run it."""

import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.commands import command, surroundings
from tests.support.ombud import ROOT
from tests.support.servers import eventually


def processes_on(folder: Path) -> list[str]:
    """Return the command lines of all processes that work in a folder: a broker does, and renames itself."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            works_there = folder in (each / "cwd").readlink().parents
            words = (each / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if works_there or str(folder) in words:
            found.append(words)
    return found


def start(data: Path, output: Path, *words: str, **settings: object) -> subprocess.Popen[bytes]:
    """Start `ombud up` on a free port, without any key in its environment."""
    with output.open("wb") as out:
        return subprocess.Popen(
            command("up", *words),
            env=surroundings(data, port=0, key=None, **settings),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@asynccontextmanager
async def up(
    data: Path, output: Path, *words: str, **settings: object
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield a running `ombud up` and its address once it says that Ctrl-C stops it."""
    process = start(data, output, *words, **settings)

    def ready() -> str | None:
        assert process.poll() is None, output.read_text()
        text = output.read_text()
        found = re.search(r"console\s+(http://\S+)/", text)
        return found[1] if found and "Ctrl-C" in text else None

    try:
        yield process, await eventually(ready, 120)
    finally:
        if process.poll() is None:
            process.terminate()  # orderly, or its broker would stay
            process.wait(40)


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> float:
    """Ask it to stop and return how long that took; it has to end orderly."""
    begun = time.monotonic()
    process.send_signal(how)
    assert process.wait(40) == 0
    return time.monotonic() - begun
