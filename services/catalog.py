"""Name -> builder, imported only when asked for: the only list of services."""

from importlib import import_module

from shared.runtime import Build
from shared.streams import SERVICES


def build_of(name: str) -> Build:
    """Return the builder of a service. Raises KeyError for a name that is none."""
    if name not in SERVICES:
        raise KeyError(name)
    build: Build = import_module(f"services.{name}.app").build
    return build
