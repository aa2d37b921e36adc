"""Clients from npm that we did not write, run by node as they are."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def installed(folder: Path, *packages: str) -> Path:
    """Install packages (`name@version`) in a folder and return it; skip, saying what is NOT checked, where it fails."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(f"needs node and npm: {', '.join(packages)}, which we did not write, are NOT checked")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"{', '.join(packages)} could not be installed: clients we did not write are NOT checked")
    return folder


def run(folder: Path, script: str, told: object) -> Any:
    """Run an ES module in a folder; it reads `told` as JSON from standard input and prints its answer as JSON."""
    (folder / "script.mjs").write_text(script)
    answer = subprocess.run(
        [shutil.which("node") or "node", "script.mjs"],
        cwd=folder,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout)
