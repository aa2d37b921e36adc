"""The report of rejected rows: line, field, reason, detail; never what stands there.

Invariant: a report of ours is the only file that is ever written over.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import orjson
import typer


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row was rejected; `line` is its first line in the file, in a JSON document its entry, from 1."""

    line: int
    field: str
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field} {self.reason}: {self.detail}"


NAMES = [each.name for each in fields(Rejection)]
HEADER = (",".join(NAMES) + "\n").encode()


class Report:
    """A report at `path`: JSON lines (.jsonl, .ndjson) or CSV.

    It goes on behind the first `kept` bytes of an earlier one; `goes_on` says whether it does.
    """

    def __init__(self, path: Path, kept: int = 0) -> None:
        self._json = path.suffix in (".jsonl", ".ndjson")
        start = b'{"line":' if self._json else HEADER
        known = path.read_bytes()[: len(start)] if path.exists() else b""
        if known and known != start:
            raise typer.BadParameter(f"{path} exists and is no report of rejected lines; name another file")
        self.goes_on = kept > 0 and path.exists() and path.stat().st_size >= kept
        self._file = path.open("r+b" if self.goes_on else "wb")
        self._file.truncate(self._file.seek(kept if self.goes_on else 0))
        if not self._json and self._file.tell() == 0:
            self._file.write(HEADER)

    def add(self, rejections: Iterable[Rejection]) -> int:
        """Write rejections and return the report's size with them."""
        for each in rejections:
            if self._json:
                self._file.write(orjson.dumps(asdict(each)) + b"\n")
            else:
                out = io.StringIO()
                csv.DictWriter(out, NAMES, lineterminator="\n").writerow(asdict(each))
                self._file.write(out.getvalue().encode())
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
