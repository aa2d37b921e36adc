"""Does a row equal a text that is kept for judging? One function for every set, our own sentences and made copies too.

Invariant: an answer names files and row numbers, never a text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.trainer.rows import Row
from services.trainer.sets import files
from shared.text_key import key_of

TEXT_COLUMNS = (
    "test_case",
    "text",
    "comment_text",
    "comment",
    "post",
    "tweet",
    "sentence",
    "content",
    "message",
    "body",
    "Text",
)
"""Names a column of texts goes by, the first that is there counts."""

FEWEST_WORDS = 3
"""Shorter texts keep their placeholders: without them too little is left to be the same."""

_PLACEHOLDERS = re.compile(r"https?://\S+|www\.\S+|@\w+|[\[<{](?:user|url|link|name)[\]>}]|\b(?:rt|urlx|userx)\b")
_VARIATIONS = "\ufe0e\ufe0f\u200d"
_NO_WORD = re.compile(r"[\W_]+")


Pool = Mapping[tuple[str, str], tuple[str, int]]
"""Every key of the held-out texts -> file and row number."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that equals a held-out one, each by its file and its number in it (from 1, without the header)."""

    source: str
    file: str
    number: int
    held_out: str
    held_out_number: int

    def __str__(self) -> str:
        return f"{self.file} row {self.number} ({self.source}) equals {self.held_out} row {self.held_out_number}"


class Leak(ValueError):
    """Rows to train on equal held-out ones; `hits` says which."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        super().__init__(f"{len(hits)} rows equal a held-out text: " + "; ".join(map(str, hits[:20])))
        self.hits = tuple(hits)


def variants(text: str) -> frozenset[tuple[str, str]]:
    """Return every key under which two texts count as the same, each with the name of its rule."""
    low = unicodedata.normalize("NFC", text).lower()
    keys = {("key", key_of(text)), *_folded(low)}
    if len(_NO_WORD.sub(" ", low).split()) >= FEWEST_WORDS:
        keys.update(_folded(_PLACEHOLDERS.sub(" ", low)))
    return frozenset((rule, key) for rule, key in keys if key)


def _folded(text: str) -> Iterator[tuple[str, str]]:
    yield "signs", " ".join(text.translate(_SHOWN).split())
    words = _NO_WORD.sub(" ", text).split()
    yield "words", " ".join(words)
    yield "letters", "".join(words)


class _Shown(dict[int, str]):
    """What a character is for the rule `signs`: punctuation is a space, emoji stay, their variations go."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        folds = unicodedata.category(sign)[0] in "PZC" or (sign.isascii() and not sign.isalnum())
        self[code] = "" if sign in _VARIATIONS else " " if folds else sign
        return self[code]


_SHOWN = _Shown()


def pool(held_out: Sequence[Path]) -> Pool:
    """Return key -> (file, row number) of every text in the files. Raises ValueError for one without texts."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for path in held_out:
        for number, text in enumerate(_texts(path), 1):
            for key in variants(text):
                found.setdefault(key, (path.name, number))
    return found


def hits(rows: Iterable[Row], held_out: Pool) -> Iterator[Hit]:
    """Yield the rows that equal a text of the pool."""
    for row in rows:
        equal = min((held_out[key] for key in variants(row.text) if key in held_out), default=None)
        if equal is not None:
            yield Hit(row.source, row.file, row.number, *equal)


def refuse(rows: Iterable[Row], held_out: Pool) -> None:
    """Raise Leak if any row equals a text of the pool."""
    found = list(hits(rows, held_out)) if held_out else []
    if found:
        raise Leak(found)


def without(rows: Iterable[Row], held_out: Pool) -> Iterator[Row]:
    """Yield the rows that equal no text of the pool."""
    return (row for row in rows if not held_out or not any(hits([row], held_out)))


def _texts(path: Path) -> Iterator[str]:
    lines = any(suffix in (".jsonl", ".ndjson") for suffix in path.suffixes)
    records: Iterator[Mapping[str, Any]] = files.objects(path) if lines else files.table(path)
    column = None
    for record in records:
        if column is None:
            column = next((name for name in TEXT_COLUMNS if name in record), None)
            if column is None:
                raise ValueError(f"{path.name} has no column of texts; one of {', '.join(TEXT_COLUMNS)} is needed")
        yield str(record.get(column) or "")
