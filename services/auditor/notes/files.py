"""Community Notes' files: reads notes, scored notes and histories of every generation, prints histories canonically.

Invariant: what is read is matched by its header; nothing that is missing becomes a number, and no id or time goes
through single precision.
"""

import gzip
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import polars as pl
from polars.exceptions import PolarsError

from services.auditor.status.communitynotes import (
    ALIASES,
    AUTHOR,
    CREATED,
    GENERATIONS,
    HISTORY,
    ID,
    MISSING,
    NO_TIME,
    NOTES,
    SCORED,
    SCORED_TEXTS,
    TEXTS,
    columns,
    scored_columns,
)
from services.auditor.status.policy import Policy
from services.auditor.status.record import Rejected

UNREADABLE = "unreadable"
FREE_TEXT = "summary"
"""The public notes have a column of free text, quoted; files without it have no quoting."""
GZIP, ZIP = b"\x1f\x8b", b"PK"
OLDEST = GENERATIONS[0]

Source = Path | Sequence[Path]


def read_history(source: Source, policy: Policy, warn: list[str] | None = None) -> pl.DataFrame:
    """Return a history of any generation with the columns of `policy`; what a file lacks is empty.

    Raises Rejected for what cannot be read.
    """
    parts = []
    for path in _files(source):
        found = _table(path, dict.fromkeys(HISTORY, True), TEXTS, policy, warn)
        if len(found.columns) == OLDEST:
            unset = [pl.when(pl.col(name) != -1).then(pl.col(name)).alias(name) for name in NO_TIME]
            unknown = pl.when(pl.col(CREATED) != 0).then(pl.col(CREATED)).alias(CREATED)
            found = found.with_columns(*unset, unknown)
        elif len(found.columns) not in GENERATIONS and warn is not None:
            warn.append(f"{path.name}: {len(found.columns)} columns are no generation of this file")
        parts.append(_widened(found, columns(policy), TEXTS))
    return pl.concat(parts)


def read_notes(source: Source, policy: Policy) -> pl.DataFrame:
    """Return id, author and creation time of notes. Raises Rejected."""
    return pl.concat([_table(path, dict.fromkeys(NOTES, True), (NOTES[1],), policy, None) for path in _files(source)])


def read_scored(source: Source, policy: Policy) -> pl.DataFrame:
    """Return scored notes with the columns of `policy`. Raises Rejected."""
    wanted = scored_columns(policy)
    needed = {name: name in (ID, CREATED, "finalRatingStatus", "decidedBy") for name in SCORED}
    parts = [_table(path, needed, SCORED_TEXTS, policy, None) for path in _files(source)]
    return pl.concat([_widened(part, wanted, SCORED_TEXTS) for part in parts])


def read_ids(path: Path) -> list[int]:
    """Return note ids, one a line. Raises Rejected."""
    try:
        return [int(line) for line in path.read_text("utf-8").split()]
    except ValueError as error:
        raise Rejected(UNREADABLE, f"{path.name}: an id is no number") from error


def write_history(history: pl.DataFrame, path: Path, *, raw: bool = False, added: bool = False) -> None:
    """Print a history: whole numbers bare, fractions as short as they read back, missing values empty.

    With `raw` as Community Notes' own writer prints it, where numbers end in `.0`; creation times do if the round
    `added` a note. The file appears whole or not at all.
    """
    numbers = [name for name, kind in history.schema.items() if kind == pl.Float64]
    whole = history.select((pl.col(name) == pl.col(name).floor()).all() for name in numbers).row(0, named=True)
    printed = history.with_columns(
        _printed(name, whole=whole[name], dotted=raw and (name != CREATED or added)) for name in numbers
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as part:
        try:
            printed.write_csv(part.name, separator="\t", quote_style="never", line_terminator="\n")
        except BaseException:
            Path(part.name).unlink()
            raise
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


def _printed(name: str, *, whole: bool, dotted: bool) -> pl.Expr:
    value = pl.col(name)
    if whole and not dotted:
        return value.cast(pl.Int64)
    bare = value.cast(pl.Int64).cast(pl.String)
    text = (
        pl.when(value == value.floor()).then(bare + pl.lit(".0") if dotted else bare).otherwise(value.cast(pl.String))
    )
    return text.alias(name)


def _files(source: Source) -> list[Path]:
    """Return the files of a source: itself, several, or a folder's shards in order."""
    paths = [source] if isinstance(source, Path) else list(source)
    found: list[Path] = []
    for path in paths:
        found += sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    if not found:
        raise Rejected(UNREADABLE, "there is no file to read")
    return found


def _bytes(path: Path) -> Path | bytes:
    """Return what to read: the file, or what is packed in it, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(2)
    if start == GZIP:
        return gzip.decompress(path.read_bytes())
    if start == ZIP:
        with zipfile.ZipFile(path) as packed:
            return b"".join(packed.read(name) for name in sorted(packed.namelist()))
    return path


def _header(source: Path | bytes) -> list[str]:
    if isinstance(source, bytes):
        line = io.BytesIO(source).readline()
    else:
        with source.open("rb") as file:
            line = file.readline()
    return line.decode("utf-8-sig").rstrip("\r\n").split("\t")


def _table(
    path: Path, needed: Mapping[str, bool], texts: Iterable[str], policy: Policy, warn: list[str] | None
) -> pl.DataFrame:
    """Return the columns of `needed` that a file has, under their own names; those that are needed have to be there."""
    try:
        source = _bytes(path)
        there = _header(source)
        names = {name: ALIASES.get(name, name) for name in there}
        kept = [name for name in there if names[name] in needed]
        strange = sorted(set(there) - set(kept))
        if strange and warn is not None:
            warn.append(f"{path.name}: columns nobody knows are left out: {', '.join(strange)}")
        lacking = [name for name in NOTES if name in needed and needed[name] and name not in names.values()]
        if lacking:
            raise Rejected(UNREADABLE, f"{path.name}: the column {lacking[0]} is missing")
        known = {*texts}
        found = pl.read_csv(
            source,
            separator="\t",
            quote_char='"' if FREE_TEXT in there else None,
            columns=kept,
            schema_overrides={name: _kind(names[name], known) for name in kept},
            infer_schema=False,
            null_values=[] if policy.strict else list(MISSING),
            raise_if_empty=False,
        )
    except (PolarsError, OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise Rejected(UNREADABLE, f"{path.name} cannot be read ({type(error).__name__})") from error
    return found.rename({name: names[name] for name in kept}).select([names[name] for name in kept])


def _kind(name: str, texts: Iterable[str]) -> type[pl.DataType]:
    if name in (ID, AUTHOR):
        return pl.Int64 if name == ID else pl.String
    return pl.Categorical if name in texts else pl.Float64


def _widened(found: pl.DataFrame, names: Sequence[str], texts: Iterable[str]) -> pl.DataFrame:
    lacking = [pl.lit(None, _kind(name, texts)).alias(name) for name in names if name not in found.columns]
    return found.with_columns(lacking).select(names)
