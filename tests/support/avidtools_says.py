"""Run by a Python that has avidtools: what it says of documents. Reads and writes JSON; imports nothing of ours.

In: a list of documents. Out: its version, its enums, and for each document the faults it finds.
"""

import json
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

from avidtools.datamodels import enums  # type: ignore[import-not-found]  # noqa: E402
from avidtools.datamodels.report import Report  # type: ignore[import-not-found]  # noqa: E402
from pydantic import ValidationError  # noqa: E402


def faults(document: dict[str, object]) -> list[str]:
    """Return where a document is not what avidtools takes."""
    try:
        Report(**document)
    except ValidationError as error:
        return [".".join(map(str, each["loc"])) for each in error.errors()]
    return []


named = ("SepEnum", "LifecycleEnum", "TypeEnum", "MethodEnum", "ArtifactTypeEnum", "ClassEnum")
json.dump(
    {
        "version": version("avidtools"),
        "enums": {name: [each.value for each in getattr(enums, name)] for name in named},
        "faults": [faults(each) for each in json.load(sys.stdin)],
    },
    sys.stdout,
)
