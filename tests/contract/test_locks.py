"""The lock files: what is installed is pinned, hashed, of one version everywhere, asked for on purpose and free to use.

An audit of known faults needs the network (`uvx pip-audit -r requirements.lock`); these checks do not.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
PAGE = ROOT / "docs" / "decisions" / "0047-what-we-depend-on.md"
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[\w,-]+\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>.+))?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
RECIPROCAL = re.compile(r"\bA?GPL|General Public|SSPL|Commons Clause|Business Source", re.IGNORECASE)


class Pinned(NamedTuple):
    """One requirement of a lock file."""

    name: str
    version: str
    marker: str
    hashes: int


def plain(name: str) -> str:
    """Return the name of a package as an index writes it, without extras and versions."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;~! ]", name, maxsplit=1)[0]).lower()


def pins(lock: Path) -> list[Pinned]:
    """Return every requirement of a lock file. Fails on a line that is none."""
    text = re.sub(r" \\\n\s*", " ", lock.read_text("utf-8"))
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        what, *hashes = re.split(r"\s+(?=--hash=)", line.strip())
        pin = PIN.fullmatch(what.strip())
        assert pin, f"{lock.name}: {what}"
        assert all(HASH.fullmatch(each) for each in hashes), f"{lock.name}: {what}"
        found.append(Pinned(plain(pin["name"]), pin["version"], pin["marker"] or "", len(hashes)))
    return found


def wanted() -> set[str]:
    """Return every package that pyproject.toml asks for, whatever for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return {plain(each) for some in lists for each in some}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_a_version_with_hashes_and_names_no_other_source(lock: Path) -> None:
    found = pins(lock)  # an address, a folder, a branch or an index is no pin
    assert len(found) > 20
    assert [each.name for each in found if not each.hashes] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_what_runs_has_the_same_version_wherever_it_is_installed(lock: Path) -> None:
    runs = {(each.name, each.marker): each.version for each in pins(ROOT / "requirements-postgres.lock")}
    here = {(each.name, each.marker): each.version for each in pins(lock)}
    assert {each: here[each] for each in here if runs.get(each, here[each]) != here[each]} == {}


def test_what_we_ask_for_is_what_the_decision_lists() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = [plain(name.strip()) for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(listed) == len(set(listed))
    assert set(listed) == wanted()


def test_nothing_that_runs_binds_who_uses_it_to_a_reciprocal_licence() -> None:
    bound = []
    for each in pins(ROOT / "requirements-postgres.lock"):
        try:
            about = metadata.metadata(each.name)
        except metadata.PackageNotFoundError:  # for another system or an older Python
            continue
        classified = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
        licence = about.get("License-Expression") or " ".join(classified) or (about.get("License") or "")[:80]
        if not licence or (RECIPROCAL.search(licence) and "LGPL" not in licence and " OR " not in licence):
            bound.append((each.name, licence))
    assert bound == []
