"""Says what a file is before anything of it is sent: how it is written, which data set, which fields are taken.

Invariant: what is not understood is an error that says what was found and what is known.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import typer

from services.cli.layouts import BY_NAME, POSTS, Layout, chosen, fields_of, recognised, unknown
from services.cli.rows import Shape, measured, shape_of

KINDS = ("csv", "tsv", "jsonl", "json")
FORMATS = ("auto", *KINDS, *BY_NAME)


@dataclass(frozen=True)
class Source:
    """A file as it is understood, and why; `content` is the digest of its unpacked bytes, `size` their number."""

    path: Path
    shape: Shape
    layout: Layout
    why: str
    content: str
    size: int

    @property
    def key(self) -> str:
        """Return what makes this file as it is understood the same the next time, wherever it lies."""
        used = sorted(fields_of(self.layout, self.shape.names).items())
        return f"{self.content}|{self.layout.name}|{used}|{self.shape}"


def understood(path: Path, wanted: str, text: str | None, name: str | None) -> Source:
    """Return what a file is. Raises BadParameter when that is unclear, with what was found and what is known."""
    if wanted not in FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise typer.BadParameter(f"{path} is no plain file; it is read twice, so a pipe will not do")
    try:
        content, size = measured(path)
        shape = shape_of(path, wanted if wanted in KINDS else None)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise typer.BadParameter(f"{path.name} cannot be read: {error}") from None
    if not size:
        raise typer.BadParameter(f"{path.name} is empty")
    found = recognised(shape.names)
    layout = BY_NAME.get(wanted) or (found[0] if found else POSTS)
    why = f"fields {', '.join(map(repr, found[1]))}" if found and layout is found[0] else "--format says so"
    if text or name:
        layout, found, why = chosen(layout, text, name), None, "--text or --id says so"
        missing = [sign for sign in layout.signs[0] if sign not in (each.strip().lower() for each in shape.names)]
        if missing:
            there = ", ".join(shape.names[:20])
            raise typer.BadParameter(f"{path.name} has no field {', '.join(missing)}; it has {there}")
    if "text" not in fields_of(layout, shape.names):
        raise typer.BadParameter(unknown(str(shape), shape.names))
    return Source(path, shape, layout, why, content, size)


def explained(source: Source) -> str:
    """Return in one sentence what a file was taken for and which fields are used."""
    used = fields_of(source.layout, source.shape.names)
    taken = ", ".join(f"{part} from {name!r}" for part, name in used.items())
    left = [name for name in source.shape.names if name not in used.values()]
    ids = "" if "external_id" in used else "; no ids, so rows are named after the file's content and their number"
    rest = f"; left out: {', '.join(map(repr, left[:20]))}{', ...' * (len(left) > 20)}" if left else ""
    return f"{source.path.name}: {source.layout.title} ({source.why}), {source.shape}. Takes {taken}{ids}{rest}."
