"""The data sets beside the repository: working data that is never copied into it; without them their tests skip."""

import os
from pathlib import Path

import pytest

from tests.support.ombud import ROOT


def beside() -> Path:
    """Return the folder `shared` beside the repository, also seen from a worktree of it."""
    return ROOT.parent / "shared"


def data_folder() -> Path:
    """Return the folder of data sets: OMBUD_TEST_DATA, or `shared/data` beside the repository."""
    return Path(os.environ.get("OMBUD_TEST_DATA") or beside() / "data")


def real(name: str, folder: str = "data") -> Path:
    """Return a file or folder of the data sets; skip the test, saying why, when it is not there."""
    path = (data_folder() if folder == "data" else beside() / folder) / name
    if not path.exists():
        pytest.skip(f"no shared/{folder}/{name} beside the repository: this test needs the real data sets")
    return path
