"""What is really in the tables and on the streams, read past all of our own code but for the names of keys."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.bus.keys import dead_key, delay_key, retry_key
from shared.streams import groups
from tests.support.servers import Broker

FEW = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    stream: str
    group: str
    raw: bytes
    reason: str
    error: str

    @property
    def event(self) -> dict[str, Any]:
        """Return the event, for a letter that holds one."""
        event: dict[str, Any] = orjson.loads(self.raw)
        return event


class Ledger:
    """Counts what services with SQLite files in `data_dir` and a broker hold."""

    def __init__(self, data_dir: Path, broker: Broker) -> None:
        self._data_dir = data_dir
        self.redis = broker.client()

    def close(self) -> None:
        self.redis.close()

    def ask(self, service: str, question: str) -> list[tuple[Any, ...]]:
        """Return the rows of a question to one service's database."""
        address = f"file:{self._data_dir / service}.sqlite3?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
            return connection.execute(question).fetchall()

    def value(self, service: str, question: str) -> Any:
        """Return the one value of a question to one service's database."""
        return self.ask(service, question)[0][0]

    @contextmanager
    def held(self, service: str) -> Iterator[None]:
        """Hold the one right to write to a service's database."""
        with closing(sqlite3.connect(self._data_dir / f"{service}.sqlite3", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    def rows(self, service: str, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.value(service, f"SELECT count(*) FROM {table}"))  # noqa: S608

    def length(self, stream: str) -> int:
        """Return how many entries a stream has."""
        return int(self.redis.xlen(stream))

    def events(self, stream: str) -> list[dict[str, Any]]:
        """Return every event on a stream, oldest first."""
        entries: Any = self.redis.xrange(stream)
        return [orjson.loads(fields[b"__data__"]) for _, fields in entries]

    def pending(self, *services: str) -> int:
        """Return how many entries the groups of some services, or all, have read but not acknowledged."""
        found = 0
        for stream, group in groups():
            if not services or group in services:
                for key in (stream, retry_key(stream, group)):
                    found += sum(info["pending"] for info in self._infos(key) if info["name"] == group.encode())
        return found

    def held_by(self, service: str, pid: int) -> int:
        """Return how many entries one process of a service has read but not acknowledged."""
        found = 0
        for stream, group in groups():
            for key in (stream, retry_key(stream, group)) if group == service else ():
                consumers: Any = self.redis.xinfo_consumers(key, group)
                found += sum(each["pending"] for each in consumers if each["name"].endswith(b"-%d" % pid))
        return found

    def open_work(self, *services: str) -> Counter[str]:
        """Return what is still before the groups of some services, or all; nothing once everything is handled."""
        found: Counter[str] = Counter()
        for stream, group in groups():
            if services and group not in services:
                continue
            for key in (stream, retry_key(stream, group)):
                infos = {info["name"].decode(): info for info in self._infos(key)}
                if group not in infos:
                    found[f"{key} has no group {group}"] += 1
                    continue
                after = infos[group]["last-delivered-id"].decode()
                unread: Any = self.redis.xrange(key, min=f"({after}", count=FEW)
                found[f"{key} unread by {group}"] += len(unread)
                found[f"{key} pending in {group}"] += infos[group]["pending"]
            found[delay_key(stream, group)] += int(self.redis.zcard(delay_key(stream, group)))
        return +found

    def letters(self) -> list[Letter]:
        """Return every dead letter of every group."""
        found = []
        for stream, group in groups():
            entries: Any = self.redis.xrange(dead_key(stream, group))
            for _, fields in entries:
                reason, error = fields.get(b"reason", b"").decode(), fields.get(b"error", b"").decode()
                found.append(Letter(stream, group, fields[b"__data__"], reason, error))
        return found

    def tried_again(self) -> dict[str, int]:
        """Return how many entries each group's retry streams ever got: taken over from the dead, or delayed."""
        found: Counter[str] = Counter()
        for stream, group in groups():
            if self.redis.exists(retry_key(stream, group)):
                info: Any = self.redis.xinfo_stream(retry_key(stream, group))
                found[group] += info["entries-added"]
        return dict(+found)

    def _infos(self, key: str) -> list[dict[str, Any]]:
        infos: Any = self.redis.xinfo_groups(key) if self.redis.exists(key) else []
        return list(infos)
