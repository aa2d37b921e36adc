"""Plays the newcomer: `make run` twice with nothing but Python and make, measured and checked. Standard library only.

Exits with 1 when the first page or the scores come later than the README promises, or anything is left running.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

FIRST_S, SECOND_S = 180.0, 5.0
NOISE = 3.0
"""A shared machine may be this much slower before the run fails; what was measured is always printed."""
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


def environment() -> dict[str, str]:
    """Return a clean environment; only what a package client needs of the machine stays."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
    return kept | {"COLUMNS": "100"}


def start() -> tuple[float, subprocess.Popen[str], str]:
    """Run `make run` until it shows the result; return the seconds, the process and what it printed."""
    begun, printed = time.monotonic(), ""
    process = subprocess.Popen(
        ["make", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    alarm = threading.Timer(2 * FIRST_S, lambda: os.killpg(process.pid, signal.SIGKILL))
    alarm.start()
    for line in process.stdout:
        print("  |", line.rstrip(), flush=True)
        printed += line
        if "Ctrl-C" in line:
            alarm.cancel()
            return time.monotonic() - begun, process, printed
    sys.exit(f"`make run` ended with {process.wait()}")


def stop(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C and wait."""
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout is not None
    for line in process.stdout:
        print("  |", line.rstrip(), flush=True)
    process.wait(60)


def page(printed: str) -> str:
    """Return the first page."""
    found = re.search(r"open numbers\s+(http\S+)", printed)
    if not found:
        sys.exit("no address was printed")
    with urllib.request.urlopen(found[1], timeout=10) as answer:
        return str(answer.read().decode())


def scored(printed: str) -> int:
    """Return how many posts the command line says were scored."""
    found = re.search(r"(\d+) posts scored", printed)
    return int(found[1]) if found else 0


def main() -> None:
    """Start, look, stop; twice."""
    seconds, process, printed = start()
    first = scored(printed)
    shown = page(printed)
    stop(process)
    took = f"{seconds:.1f} s (promised {FIRST_S:.0f})"
    print(f"first start: {took}, {first} posts scored, page of {len(shown)} characters", flush=True)
    again, process, printed = start()
    second = scored(printed)
    stop(process)
    print(f"second start: {again:.1f} s (promised {SECOND_S:.0f}), {second} posts still there", flush=True)
    left = subprocess.run(["pgrep", "-f", str(Path.cwd())], capture_output=True, text=True, check=False).stdout.split()
    left = [pid for pid in left if int(pid) not in (os.getpid(), os.getppid())]
    faults = []
    faults += ["the first start took too long"] if seconds > FIRST_S * NOISE else []
    faults += ["the second start took too long"] if again > SECOND_S * NOISE else []
    faults += ["too few posts were scored"] if first < 300 else []
    faults += ["the second start lost posts"] if second != first else []
    faults += ["processes were left running"] if left else []
    sys.exit("; ".join(faults) or 0)


if __name__ == "__main__":
    main()
