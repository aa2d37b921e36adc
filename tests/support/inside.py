"""A look behind the HTTP interface: what the streams and tables really hold."""

import io
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import orjson
import redis

SAID = """
local found = {}
for _, entry in ipairs(redis.call('XRANGE', ARGV[1], '-', '+')) do found[#found + 1] = entry[2][2] end
return found
"""
"""Lua: what each entry of a stream holds in its first field."""

KEYS_WITH = """
local function holds(value)
  if type(value) == 'string' then return string.find(value, ARGV[1], 1, true) end
  if type(value) ~= 'table' then return false end
  for _, each in ipairs(value) do if holds(each) then return true end end
  return false
end
local read = {stream = {'XRANGE', '-', '+'}, zset = {'ZRANGE', 0, -1}, hash = {'HGETALL'}, set = {'SMEMBERS'},
  list = {'LRANGE', 0, -1}, string = {'GET'}}
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local how = read[redis.call('TYPE', key).ok]
  if holds(key) or holds(redis.call(how[1], key, unpack(how, 2))) then found[#found + 1] = key end
end
return found
"""
"""Lua: every key that holds a word."""

NAME = re.compile(r"^[a-z_]+$")


class Inside(Protocol):
    """What a test may look at."""

    def said(self, stream: str) -> list[dict[str, Any]]:
        """Return every event on a stream in order."""
        ...

    def scores(self) -> list[tuple[str, str]]:
        """Return post id and model version of every row of toxicity_scores."""
        ...

    def places_of(self, word: str) -> list[str]:
        """Return where a word is still found: tables, keys of the broker, model artifacts."""
        ...


class LocalInside:
    """SQLite files in a folder and a broker on this machine."""

    def __init__(self, data_dir: Path, redis_url: str) -> None:
        self._data_dir = data_dir
        self._redis_url = redis_url

    def said(self, stream: str) -> list[dict[str, Any]]:
        return [orjson.loads(raw) for raw in self._eval(SAID, stream)]

    def scores(self) -> list[tuple[str, str]]:
        return query(self._data_dir / "classifier.sqlite3", "SELECT post_id, model_version FROM toxicity_scores")

    def places_of(self, word: str) -> list[str]:
        tables = [place for file in sorted(self._data_dir.glob("*.sqlite3")) for place in columns_with(file, word)]
        keys = [f"broker key {key.decode()}" for key in self._eval(KEYS_WITH, word)]
        return [*tables, *keys, *artifacts_with(self._data_dir / "artifacts", word)]

    def tables(self, service: str) -> dict[str, list[Any]]:
        """Return every row of a service's tables."""
        file = self._data_dir / f"{service}.sqlite3"
        return {name: sorted(query(file, f"SELECT * FROM {name}"), key=repr) for name in tables_of(file)}  # noqa: S608

    def keys(self, prefix: str) -> dict[str, bytes]:
        """Return the broker's keys with a prefix and what each holds, as the broker dumps it."""
        with closing(redis.Redis.from_url(self._redis_url)) as client:
            found: Any = sorted(client.keys(f"{prefix}*"))  # type: ignore[arg-type]
            return {key.decode(): client.dump(key) for key in found}  # type: ignore[misc]

    def _eval(self, script: str, *arguments: str) -> list[bytes]:
        with closing(redis.Redis.from_url(self._redis_url)) as client:
            answer: Any = client.eval(script, 0, *arguments)
        return list(answer)


def query(file: Path, sql: str) -> list[Any]:
    """Return the rows of a question to a SQLite file that others may have open."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql).fetchall()


def tables_of(file: Path) -> dict[str, list[str]]:
    """Return table -> columns of a SQLite file."""
    names = [name for (name,) in query(file, "SELECT name FROM sqlite_master WHERE type = 'table'") if NAME.match(name)]
    return {name: [row[1] for row in query(file, f"PRAGMA table_info({name})")] for name in names}


def columns_with(file: Path, word: str) -> Iterator[str]:
    """Yield every column that holds a word, whatever its type."""
    for table, columns in tables_of(file).items():
        for column in columns:
            found = query(file, f"SELECT count(*) FROM {table} WHERE CAST(\"{column}\" AS TEXT) LIKE '%{word}%'")  # noqa: S608
            if found[0][0]:
                yield f"{file.name}: {table}.{column}"


def artifacts_with(folder: Path, word: str) -> list[str]:
    """Return the model artifacts that hold a word anywhere, unpacked."""
    return [
        f"artifact {file.name}: {part}"
        for file in sorted(each for each in folder.glob("*/*") if each.is_file())
        for part, data in unpacked(file.read_bytes())
        if word.encode() in data.lower()
    ]


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what an artifact holds, part by part; a card is one part."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        yield "whole", data
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)
