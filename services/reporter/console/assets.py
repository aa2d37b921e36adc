"""Our own style sheet, script and pictures, read once at start, with the digest that their address carries.

Invariant: the digest is that of all of them, so that a page and what it loads are always of one release. The modules of
the script go over the wire as one file: a page that asks for twenty is ready a tenth of a second later.
"""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from shared.ids import digest

KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
SCRIPT = "console.js"
"""The module that every page loads, and that imports the others."""
_IMPORT = re.compile(r'^import (\{ \w+(?:, \w+)* \}) from "\./(\w+\.js)";$', re.M)
_EXPORT = re.compile(r"^export ((?:async )?function (\w+))", re.M)
_OTHER = re.compile(r"^(?:import\b|export\b).*", re.M)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """Return every file by its name; of the modules only the one that holds them all."""
    folder = files("services.reporter.console").joinpath("static")
    bodies = {each.name: each.read_bytes() for each in sorted(folder.iterdir(), key=lambda each: each.name)}
    modules = {name: bodies.pop(name).decode() for name in list(bodies) if name.endswith(".js")}
    bodies[SCRIPT] = joined(modules, SCRIPT).encode()
    return {
        name: Asset(body, gzip.compress(body, 9, mtime=0), KINDS[kind])
        for name, body in bodies.items()
        if (kind := name.rpartition(".")[2]) in KINDS
    }


def joined(modules: Mapping[str, str], first: str) -> str:
    """Return one module that does what `first` does with all it imports, each in a scope of its own, in their order.

    They import names in braces from files beside them and export functions, nothing else: raises ValueError for other
    forms, for a circle and for a module that is not there.
    """
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above or name not in modules:
            raise ValueError(f"{above[-1] if above else 'nobody'} cannot import {name}")
        for _, other in _IMPORT.findall(modules[name]):
            if other not in order:
                visit(other, (*above, name))
        order.append(name)

    visit(first, ())
    return "\n".join(_scoped(name, modules[name]) for name in order)


def _scoped(name: str, source: str) -> str:
    exported = [each[1] for each in _EXPORT.findall(source)]
    body = _EXPORT.sub(r"\1", _IMPORT.sub(lambda found: f"const {found[1]} = {_variable(found[2])};", source))
    if other := _OTHER.search(body):
        raise ValueError(f"{name}: {other[0]}")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"


def _variable(name: str) -> str:
    return "_" + name.removesuffix(".js")


@cache
def release() -> str:
    """Return what changes whenever one of the files does."""
    return digest(b"\0".join(name.encode() + b"\0" + each.body for name, each in assets().items()))[:16]
