"""The examples a run starts from: our own sentences, the sample, the operator's training sets.

Invariant: the same text, by its key, never stands on both sides of the split, and what equals a held-out text is in no
table. Reading and expanding takes ten seconds and more, so the table is kept in a file named after all it comes from.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from zipfile import BadZipFile

import pandas as pd

from services.trainer import table_file
from services.trainer.labels import Lesson
from services.trainer.own_rows import own_rows
from services.trainer.rows import Mark, Row, Split, with_implied
from services.trainer.sets import files, leaks
from services.trainer.sets.folder import TWEETS, dutch_words
from services.trainer.sets.lines import training_rows
from services.trainer.sets.merging import merged
from services.trainer.sets.mix import copies, folder_rows, table_of
from shared import sample
from shared.ids import digest
from shared.text_key import key_of

SAMPLE = "sample"
ONE_IN = 5
"""One text of the sample in five is held out: it is small."""
FORMAT = b"1"
"""Raised when the same sources make another table."""
KEPT = 3
"""Tables that are kept: of the sources as they are, and as they were before the last changes."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Lessons that may teach, and which may not because their texts are held out: correction ids."""

    lessons: tuple[Lesson, ...]
    held_out: tuple[str, ...]


def base(
    training_sets: Sequence[Path] = (),
    *,
    held_out: Sequence[Path] = (),
    cache: Path | None = None,
    sentences: bool = True,
) -> pd.DataFrame:
    """Return the examples before corrections, in the shape that `services.trainer.sets.mix.load_mix` describes.

    A training set is a file of training lines (`ombud merge` writes them) or a folder of public sets. Without
    `sentences` our own are left out: where nothing is learned, nobody needs to wait for them. Raises
    `leaks.Leak` if a row equals a text of the held-out files, `BadLine` or OSError for a set that cannot be read.
    """
    if cache is None:
        return _made(training_sets, held_out, sentences)
    path = cache / f"base-{_name(training_sets, held_out, sentences)}.npz"
    with suppress(FileNotFoundError, ValueError, KeyError, BadZipFile):
        table = table_file.load(path.read_bytes())
        os.utime(path)
        return table
    table = _made(training_sets, held_out, sentences)
    _keep(path, table_file.dump(table))
    return table


def allowed(taught: Iterable[Lesson], held_out: Sequence[Path]) -> Allowed:
    """Return lessons without those about a text of the held-out files."""
    pool = _pool(tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in held_out))
    lessons = tuple(taught)
    rows = [Row("correction", "", number, lesson.text, {}) for number, lesson in enumerate(lessons)]
    out = {hit.number for hit in leaks.hits(rows, pool)} if pool else set()
    kept = tuple(lesson for number, lesson in enumerate(lessons) if number not in out)
    return Allowed(kept, tuple(lessons[number].correction_id for number in sorted(out)))


@lru_cache(maxsize=1)
def _pool(files_as_they_are: tuple[tuple[Path, int, int], ...]) -> leaks.Pool:
    """Return the keys of held-out files, read again only when one was written: a replay has no second for it."""
    return leaks.pool([path for path, *_ in files_as_they_are])


def _made(training_sets: Sequence[Path], held_out: Sequence[Path], sentences: bool) -> pd.DataFrame:
    pool = leaks.pool(held_out)
    rows = [*(own_rows() if sentences else ()), *_sample(), *chain.from_iterable(map(_rows, training_sets))]
    leaks.refuse(rows, pool)
    by_key = dict(merged(map(with_implied, rows)))
    others = {key: row for key, row in by_key.items() if row.source != SAMPLE}  # the sample speaks Dutch itself
    for folder in filter(Path.is_dir, training_sets):
        by_key = copies(others, dutch_words(folder), pool) | by_key
    return table_of(by_key)


def _rows(path: Path) -> Iterable[Row]:
    if path.is_dir():
        return folder_rows(path, "wide" if all((path / name).is_dir() for name in TWEETS) else "base")
    return training_rows(path.name, enumerate(files.objects(path), 1))


def _sample() -> Iterator[Row]:
    for number, row in enumerate(sample.rows("train"), 1):
        marks = {category: Mark(label) for category, label in row.labels.items()}
        split: Split = "dev" if held_out(key_of(row.text)) else "train"
        yield Row(SAMPLE, "corpus.jsonl", number, row.text, marks, row.language, split)


def _name(training_sets: Sequence[Path], held_out: Sequence[Path], sentences: bool) -> str:
    """Return a digest of every byte that a table comes from, and of the code that makes it."""
    here, theirs = Path(__file__).parent, Path(sample.__file__).parent
    code = [
        *here.glob("own_*.py"),
        here / "rows.py",
        *here.glob("sets/*.py"),
        *theirs.glob("*.py"),
        theirs.parent / "text_key.py",
    ]
    data = [*here.glob("own/**/*.tsv"), *theirs.glob("*.jsonl")]
    given = [each for path in training_sets for each in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    parts = [FORMAT, b"%d %d" % (len(training_sets), sentences)]
    for group in (sorted(code), sorted(data), given, held_out):
        named = [b"%s %s" % (each.name.encode(), _digest(each)) for each in group if each.is_file()]
        parts.append(b"\n".join(named))
    return digest(b"\n\n".join(parts))[:32]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest().encode()


def _keep(path: Path, content: bytes) -> None:
    """Write a table, whole or not at all, and throw the oldest away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        part.write(content)
    Path(part.name).replace(path)
    known = sorted(path.parent.glob("base-*.npz"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in known[KEPT:]:
        old.unlink(missing_ok=True)


def held_out(key: str) -> bool:
    """Return whether a text is kept for judging; always the same answer for the same key."""
    return int(digest(key.encode("utf-8", "replace"))[:8], 16) % ONE_IN == 0
