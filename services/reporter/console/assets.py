"""Our own style sheet, scripts and pictures, read once at start, with the digest that their address carries.

Invariant: the digest is that of all of them, so that a module and what it imports are always of one release.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from shared.ids import digest

KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """Return every file by its name."""
    folder = files("services.reporter.console").joinpath("static")
    found = {}
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        kind = KINDS.get(each.name.rpartition(".")[2])
        if kind is not None:
            body = each.read_bytes()
            found[each.name] = Asset(body, gzip.compress(body, 9, mtime=0), kind)
    return found


@cache
def release() -> str:
    """Return what changes whenever one of the files does."""
    return digest(b"\0".join(name.encode() + b"\0" + each.body for name, each in assets().items()))[:16]
