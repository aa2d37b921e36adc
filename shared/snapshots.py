"""One moment of what an Ombud keeps on one machine: its SQLite files and its broker.

Invariant: the copies are what a kill of every process at that one moment would have left, which handlers are built to
go on from. While the moment is taken nobody writes a table: rows and what the broker holds of their events fit.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.clock import utcnow

WAIT_S = 30.0
"""Longest wait for a writer that holds a file."""
TRIES = 20
POLL_S = 0.1
BASE = "appendonly.aof.1.base.rdb"
MANIFEST = f"file {BASE} seq 1 type b\n"
"""An append-only file that begins with a snapshot and has nothing after it (Redis 7 and Valkey: multi-part files)."""


class NoSnapshot(RuntimeError):
    """The moment could not be taken; the message says why and names no content."""


class Snapshot:
    """Copies SQLite files and a broker as they were at one moment (`at`)."""

    def __init__(self, files: Sequence[Path], redis: Redis) -> None:
        self._files = files
        self._redis = redis
        self._readers: dict[Path, sqlite3.Connection] = {}
        self.at: datetime | None = None

    async def take(self, dump: Path) -> None:
        """Fix the moment and copy the broker's snapshot to `dump`. Raises NoSnapshot.

        Writers wait for as long as it takes to open a reader of each file and to fork the broker: milliseconds.
        """
        for _ in range(TRIES):
            await self._idle()
            if await self._fixed():
                break
            await asyncio.sleep(POLL_S)
        else:
            raise NoSnapshot("the broker is busy with files of its own")
        if (await self._idle()).get("rdb_last_bgsave_status") != "ok":
            raise NoSnapshot("the broker could not write its snapshot; is its disk full?")
        try:
            about = await self._redis.config_get("dir", "dbfilename", "save")
        except ResponseError as error:
            raise NoSnapshot("the broker does not say where its files are") from error
        written = Path(str(about["dir"])) / str(about["dbfilename"])
        try:
            await asyncio.to_thread(shutil.copyfile, written, dump)
        except OSError as error:
            raise NoSnapshot("the broker's files are not on this machine, or not for us to read") from error
        if not about["save"]:  # nobody else wants it, and it holds texts that may be erased tomorrow
            with suppress(OSError):
                written.unlink()

    async def copy(self, file: Path, target: Path) -> None:
        """Copy one SQLite file as it was at that moment. Raises NoSnapshot if the copy is damaged."""
        await asyncio.to_thread(_copied, self._readers[file], target)

    def close(self) -> None:
        """Let go of the moment."""
        for each in self._readers.values():
            each.close()
        self._readers.clear()

    async def _fixed(self) -> bool:
        """Try to fix the moment; return False if the broker was busy after all."""
        writers: list[sqlite3.Connection] = []
        try:
            for file in self._files:
                writers.append(_open(file))
                await asyncio.to_thread(writers[-1].execute, "BEGIN IMMEDIATE")
            for file in self._files:
                self._readers[file] = _open(file)
                self._readers[file].execute("BEGIN")
                self._readers[file].execute("SELECT count(*) FROM sqlite_master").fetchone()  # now it is of this moment
            await self._redis.bgsave(schedule=False)  # answers after the fork: what it writes is of this moment
            self.at = utcnow()
        except sqlite3.OperationalError as error:
            self.close()
            raise NoSnapshot(f"a database does not let go ({error})") from error
        except ResponseError:  # a rewrite began after we looked
            self.close()
            return False
        except RedisError as error:
            self.close()
            raise NoSnapshot("the broker does not answer") from error
        finally:
            for each in writers:
                each.close()
        return True

    async def _idle(self) -> dict[str, Any]:
        busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
        while True:
            try:
                about: dict[str, Any] = await self._redis.info("persistence")
            except RedisError as error:
                raise NoSnapshot("the broker does not answer") from error
            if not any(int(about.get(name, 0)) for name in busy):
                return about
            await asyncio.sleep(POLL_S)


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=WAIT_S, isolation_level=None, check_same_thread=False)


def _copied(reader: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        reader.backup(copy)
        (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
    if said != "ok":
        raise NoSnapshot(f"the copy of {target.name} is damaged")


def lay_out(dump: Path, folder: Path) -> None:
    """Put a broker's snapshot where a private broker with an append-only file begins with it."""
    files = folder / "appendonlydir"
    files.mkdir(parents=True)
    shutil.copyfile(dump, files / BASE)
    (files / "appendonly.aof.manifest").write_text(MANIFEST)
