"""Reads a file row by row in flat memory: JSON lines, a JSON document, or delimited columns; plain or packed with gzip.

Invariant: a row that cannot be read is a row with a fault, and the next one is read all the same.
"""

import codecs
import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

LIMIT = 1024 * 1024
"""Longest line, cell or JSON entry that is read, in bytes or characters; the server takes no longer line either."""
HEAD = 64 * 1024
AFTER_VALUE = frozenset(" \t\r\n,:]}")
"""Without one of these a number may go on in the next piece."""
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `at` is its first line (in a JSON document its entry) from 1, `read` the bytes up to its end.

    `fault` is why it could not be read: a reason for programs and one for people, never what stands there.
    """

    at: int
    read: int
    value: Any = None
    fault: tuple[str, str] | None = None


@dataclass(frozen=True)
class Shape:
    """How a file is written: `kind` is jsonl, json or csv; `names` are its header's, or its first object's."""

    kind: str
    names: tuple[str, ...]
    delimiter: str = ","

    def __str__(self) -> str:
        return {"jsonl": "JSON lines", "json": "a JSON document"}.get(self.kind) or (
            f"columns between {DELIMITERS[self.delimiter]}"
        )


class TooLong(Exception):
    """A line longer than the limit was skipped."""


def opened(path: Path) -> BinaryIO:
    """Return a file's bytes, unpacked when it is gzip, whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def measured(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file's unpacked bytes: about a second for 1 GB, in flat memory."""
    digest, size = hashlib.sha256(), 0
    with opened(path) as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


class Lines:
    """The lines of a file with their number and the bytes read so far; goes on after a line that was TooLong."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.read = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> bytes:
        line = self._piece()
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= LIMIT and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = self._piece()
            raise TooLong
        return line.removeprefix(codecs.BOM_UTF8) if self.number == 1 else line

    def _piece(self) -> bytes:
        line = self._file.readline(LIMIT)
        self.read += len(line)
        return line


class TextLines:
    """The same as text, for the csv module; bytes that are no UTF-8 pass as surrogates and are refused later."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __iter__(self) -> "TextLines":
        return self

    def __next__(self) -> str:
        return next(self._lines).decode("utf-8", "surrogateescape")


def shape_of(path: Path, kind: str | None = None) -> Shape:
    """Return how a file is written, told by its first 64 KiB; `kind` says it instead (csv, tsv, jsonl, json)."""
    with opened(path) as file:
        head = file.read(HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("The file is UTF-16; save it as UTF-8.")
    text = head.decode("utf-8-sig", "replace")
    kind = kind or _kind_of(text)
    if kind in ("csv", "tsv"):
        first = text.splitlines()[0] if text.strip() else ""
        counts = {each: first.count(each) for each in DELIMITERS if kind == "csv" or each == "\t"}
        delimiter = "\t" if first.count("\t") else max(counts, key=lambda each: counts[each])
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error as error:
            raise ValueError(f"The header cannot be told into cells: {error}.") from None
        return Shape("csv", tuple(header), delimiter)
    shape = Shape(kind, ())
    with opened(path) as file:
        values = (row.value for row in islice(rows_of(file, shape), 20))
        named = next((value for value in values if value and isinstance(value, dict)), {})
    return Shape(kind, tuple(named))


def _kind_of(head: str) -> str:
    start = head.lstrip()
    if start.startswith("["):
        return "json"
    if not start.startswith("{"):
        return "csv"
    for line in start.splitlines(keepends=True)[:20]:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            return "json" if value and all(isinstance(each, dict) for each in value.values()) else "jsonl"
    return "json"


def rows_of(file: BinaryIO, shape: Shape) -> Iterator[Row]:
    """Yield every row of a file."""
    if shape.kind == "json":
        return _entries(file)
    lines = Lines(file)
    return _objects(lines) if shape.kind == "jsonl" else _records(lines, shape.delimiter)


def _objects(lines: Lines) -> Iterator[Row]:
    while True:
        try:
            line = next(lines).strip()
            if line:
                yield Row(lines.number, lines.read, orjson.loads(line))
        except StopIteration:
            return
        except TooLong:
            yield Row(lines.number, lines.read, fault=("line_too_long", f"A line may have {LIMIT} bytes."))
        except orjson.JSONDecodeError:
            yield Row(lines.number, lines.read, fault=("malformed_json", "This line is not valid JSON."))


def _records(lines: Lines, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LIMIT)
    reader = csv.reader(TextLines(lines), delimiter=delimiter)
    header: list[str] | None = None
    while True:
        at = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except TooLong:
            yield Row(at, lines.read, fault=("line_too_long", f"A line may have {LIMIT} bytes."))
        except csv.Error as error:
            yield Row(at, lines.read, fault=("malformed_csv", f"This row cannot be told into cells: {error}."))
        else:
            if header is None:
                header = cells
            elif any(cells[len(header) :]):
                detail = f"{len(cells)} cells under {len(header)} names; is a delimiter in the text not quoted?"
                yield Row(at, lines.read, fault=("surplus_cells", detail))
            elif cells:
                yield Row(at, lines.read, {name: cell for name, cell in zip(header, cells, strict=False) if cell})


def _entries(file: BinaryIO) -> Iterator[Row]:
    """Yield the members of one JSON object or array; after one that is no JSON nothing can be told any more."""
    decoder, utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    text, read, number, ended = "", 0, 0, False

    def more() -> None:
        nonlocal text, read, ended
        piece = file.read(HEAD)
        read, ended = read + len(piece), not piece
        text += utf8.decode(piece, final=ended)

    def value() -> Any:
        """Take one JSON value from the text; reads on while it is not whole."""
        nonlocal text
        while True:
            text = text.lstrip(" \t\r\n,:")
            try:
                found, end = decoder.raw_decode(text)
                if ended or text[end : end + 1] in AFTER_VALUE:
                    text = text[end:]
                    return found
            except json.JSONDecodeError:
                if ended:
                    raise
            if len(text) > LIMIT:
                raise json.JSONDecodeError("too long", "", 0)
            more()

    more()
    text = text.lstrip()
    opening, text = text[:1], text[1:]
    while True:
        while not ended and not text.lstrip(" \t\r\n,"):
            more()
        if text.lstrip(" \t\r\n,")[:1] == {"{": "}", "[": "]"}.get(opening):
            return
        number += 1
        try:
            if opening == "{":
                value()
            yield Row(number, read, value())
        except (json.JSONDecodeError, RecursionError):
            detail = "From this entry on the document is not valid JSON; the rest was not read."
            yield Row(number, read, fault=("malformed_json", detail))
            return
