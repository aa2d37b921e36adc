"""What we emit is what it always was, byte for byte, and what both generations of avidtools take.

avidtools is no dependency, and its generations want different Pythons. `OMBUD_AVIDTOOLS` names Pythons that have it,
separated as in PATH; in CI (`CI=true`) an environment for each generation is made in a temporary folder where a Python
for it is found.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.reporter import avid
from services.reporter.avid_export import submission, to_bytes
from services.reporter.report import AuditCategory, UnequalFor
from tests.support import avid_documents
from tests.support.avid_documents import document

GOLDEN = Path(__file__).parents[2] / "golden" / "avid"
SAYS = Path(avid_documents.__file__).with_name("avidtools_says.py")
GENERATIONS = {"0.1.2": ("python3.11",), "0.3.2": ("python3.12", "python3.13")}
"""Each generation with the Pythons it installs on (avid.md section 6)."""


@pytest.mark.parametrize("kind", sorted(avid.ReportType))
def test_a_document_of_each_type_is_the_one_that_is_kept_here(kind: str) -> None:
    made = avid_documents.of_each_type()[kind]
    assert made["problemtype"]["type"] == kind
    assert json.loads((GOLDEN / f"{kind}.json").read_text("utf-8")) == orjson.loads(to_bytes(made))


def test_every_category_and_code_maps_to_the_codes_and_domains_that_are_kept_here() -> None:
    assert json.loads((GOLDEN / "sep.json").read_text("utf-8")) == mappings()


def mappings() -> dict[str, Any]:
    """Return code and domain of each category with each kind of inequality, and of each code an author can choose."""

    def taxonomy(**changes: Any) -> list[list[str]]:
        found = document(**changes)["impact"]["avid"]
        return [found["sep_view"], found["risk_domain"]]

    return {
        "categories": {
            f"{category} / {unequal}": taxonomy(audit_category=category, unequal_for=unequal)
            for category in AuditCategory
            for unequal in (None, *UnequalFor)
        },
        "codes": {code: taxonomy(sep=(code,)) for code in sorted(avid.SEP_OF_CODE)},
    }


def runs(name: str) -> bool:
    """Return whether a Python of this name can be started: managers of versions put names on PATH that cannot."""
    found = shutil.which(name)
    return found is not None and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0


def python_with(generation: str, folder: Path) -> str:
    """Return a Python that has this generation of avidtools; skip, and say why, where there is none."""
    for each in filter(None, os.environ.get("OMBUD_AVIDTOOLS", "").split(os.pathsep)):
        asked = "from importlib.metadata import version; print(version('avidtools'))"
        if subprocess.run([each, "-c", asked], capture_output=True, text=True, check=True).stdout.strip() == generation:
            return each
    if os.environ.get("CI", "").lower() not in ("true", "1"):
        pytest.skip(f"OMBUD_AVIDTOOLS names no Python with avidtools {generation}, and this is not CI")
    running = f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = GENERATIONS[generation]
    base = sys.executable if running in names else next(filter(runs, names), None)
    if base is None:
        pytest.skip(f"avidtools {generation} wants {' or '.join(names)}")
    made = str(folder / "bin" / "python")
    try:
        subprocess.run([base, "-m", "venv", folder], check=True, capture_output=True, timeout=120)
        install = [made, "-m", "pip", "install", "--quiet", f"avidtools=={generation}", "pydantic>=2"]
        subprocess.run(install, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"avidtools {generation} cannot be installed here: {type(error).__name__}")
    return made


@pytest.mark.parametrize("generation", GENERATIONS)
def test_both_generations_of_avidtools_take_every_document_we_emit(generation: str, tmp_path: Path) -> None:
    python = python_with(generation, tmp_path / "venv")
    made = list(avid_documents.every_kind())
    sent = [orjson.loads(submission(each, decimals_as_text=text)) for each in made for text in (True, False)]
    as_upstream = document()  # what IndieLabel sends: a method that is none, one credit instead of a list
    as_upstream["metrics"][0]["detection_method"]["type"] = "Detection"
    as_upstream["credit"] = {"lang": "eng", "value": "somebody"}
    changed = [each | {"problemtype": each["problemtype"] | {"classof": "Undefined"}} for each in sent]
    emitted = {"0.1.2": changed, "0.3.2": sent}[generation]  # the only change that is permitted: it knows no such class
    asked = json.dumps([*emitted, as_upstream, sent[0]]).encode()
    done = subprocess.run([python, SAYS], input=asked, capture_output=True, check=True, timeout=120)
    said = json.loads(done.stdout)
    assert said["version"] == generation
    *ours, theirs, unchanged = said["faults"]
    assert len(ours) > 100 and [each for each in ours if each] == []
    assert theirs != [] and (unchanged == []) is (generation == "0.3.2")
    enums = {name: set(values) for name, values in said["enums"].items()}
    assert enums["SepEnum"] == set(avid.SEP)
    assert enums["LifecycleEnum"] == set(avid.LIFECYCLE)
    assert enums["TypeEnum"] == set(avid.ReportType)
    assert enums["MethodEnum"] == set(avid.Method)
    assert enums["ArtifactTypeEnum"] == set(avid.ArtifactType)
    assert enums["ClassEnum"] | {"Third-party Report"} == set(avid.ClassOf)
