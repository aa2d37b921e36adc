"""Name -> builder, imported only when asked for: the only list of services, and of their parts that need no server."""

from importlib import import_module
from typing import Any

from shared.runtime import Build
from shared.streams import SERVICES

PARTS = {
    "harvest": "services.trainer.harvest",
    "judging": "services.trainer.judging.judge",
    "merge": "services.trainer.merge",
    "opinions": "services.classifier.opinions",
    "ratings": "services.trainer.personal.trial",
    "status": "services.auditor.notes.updating",
    "tuning": "services.trainer.tuning.alone",
}
"""What the command line asks of a service that does not run: name -> module."""


def build_of(name: str) -> Build:
    """Return the builder of a service. Raises KeyError for a name that is none."""
    if name not in SERVICES:
        raise KeyError(name)
    build: Build = import_module(f"services.{name}.app").build
    return build


def part_of(name: str) -> Any:
    """Return a part of a service that works without it. Raises KeyError for a name that is none."""
    return import_module(PARTS[name])
