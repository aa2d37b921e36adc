"""Where a word is still found: every column of every table, every key of the broker, every byte of every file.

Invariant: a place is searched as it really is on disk, deleted entries and free pages included; so the broker must not
compress what it writes (`uncompressed`), and artifacts are unpacked.
"""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.inside import LocalInside, columns_with, unpacked


def uncompressed(url: str) -> None:
    """Let the broker write its files so that a word in them can be seen."""
    with redis.Redis.from_url(url) as client:
        client.config_set("rdbcompression", "no")


def rewritten(url: str) -> None:
    """Have the broker write its append-only file anew, whatever it holds, and wait for it."""
    with redis.Redis.from_url(url) as client:
        before = client.info("persistence")["aof_rewrites"]  # type: ignore[index]
        client.bgrewriteaof()
        while True:
            about: dict[str, int] = client.info("persistence")  # type: ignore[assignment]
            if about["aof_rewrites"] > before and not about["aof_rewrite_in_progress"]:
                return


def places(data_dir: Path, url: str, words: Iterable[str]) -> list[str]:
    """Return every place that still holds one of the words, in tables, keys, artifacts and files."""
    inside = LocalInside(data_dir, url)
    found = [f"{place} ({word})" for word in words for place in inside.places_of(word)]
    return found + files(data_dir, words)


def tables(data_dir: Path, word: str) -> list[str]:
    """Return every table and column that holds a word."""
    return [place for file in sorted(data_dir.glob("*.sqlite3")) for place in columns_with(file, word)]


async def tables_of_postgresql(url: str, word: str) -> dict[str, int]:
    """Return table.column -> rows that hold a word, of every table of a PostgreSQL database."""
    found = {}
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        columns = (
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
        for table, column, kind in (await connection.execute(text(columns))).all():
            value = f"encode({column}, 'escape')" if kind == "bytea" else f'"{column}"::text'
            question = f"SELECT count(*) FROM {table} WHERE {value} LIKE '%{word}%'"  # noqa: S608
            if count := (await connection.execute(text(question))).scalar_one():
                found[f"{table}.{column}"] = int(count)
    await engine.dispose()
    return found


def files(folder: Path, words: Iterable[str]) -> list[str]:
    """Return every file below a folder whose bytes hold one of the words, as any of the encodings we write."""
    return [
        f"file {file.relative_to(folder)} ({word})"
        for file in sorted(each for each in folder.rglob("*") if each.is_file())
        for data in [_bytes(file)]
        for word in words
        if any(_holds(part, word) for part in data)
    ]


def _bytes(file: Path) -> list[bytes]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:  # a file of the broker that was just replaced
        return []
    return [raw.lower(), *(part.lower() for part in _unpacked(file, raw))]


def _unpacked(file: Path, raw: bytes) -> Iterator[bytes]:
    if zipfile.is_zipfile(file):
        for _, part in unpacked(raw):
            yield part


def _holds(data: bytes, word: str) -> bool:
    return word.encode() in data or word.encode("utf-16-le") in data
