"""One database per service: SQLite files embedded, PostgreSQL in production, the same statements on both.

Invariant: a batch is one transaction, and a failure of the database itself is `Unavailable`, never an attempt.
"""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import JSON, DateTime, MetaData, Row, Table, bindparam, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from shared.clock import monotonic
from shared.errors import Unavailable
from shared.sockets import watch

Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A column of JSON."""

WRONG_STATEMENT = re.compile(r"no such|near |table .* has no column|too many|ambiguous|duplicate column")
"""What SQLite says of a statement that no retry can mend."""

Item = TypeVar("Item")
Found = TypeVar("Found")
Work = Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Found]]]
"""What is done in a transaction for some items at once: one result for each, in their order."""

Stored = Row[Any]
"""A row of a table, for those who read one without asking SQL themselves."""

TURN_S = 15.0
"""Longest wait of a writer of SQLite for those before it in the same process."""

ASK_AFTER_S = 5.0
"""How long a connection to PostgreSQL may lie in the pool before the server is asked whether it still stands."""
RETURNED = "ombud_returned_s"

PARAMETERS_AT_ONCE = 30_000
"""Bound parameters of one statement; SQLite allows 32,766, PostgreSQL 32,767."""


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return aware."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def url_for(service: str, data_dir: Path, database_url: str | None) -> str:
    """Return a service's database: its own SQLite file, or the PostgreSQL everybody shares."""
    return database_url or f"sqlite+aiosqlite:///{data_dir}/{service}.sqlite3"


def make_engine(url: str) -> AsyncEngine:
    """Return an engine with durable settings for `url` (stack: WAL, synchronous=FULL, busy_timeout 5 s)."""
    options: dict[str, Any] = {"hide_parameters": True, "json_serializer": _dumps, "json_deserializer": orjson.loads}
    if not url.startswith("sqlite"):
        engine = create_async_engine(url, pool_size=10, max_overflow=10, **options)
        _look_before_use(engine)
        return engine
    engine = create_async_engine(url, pool_size=5, max_overflow=5, **options)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own transactions would hide ours
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=5000",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        # a reader that becomes a writer half way fails at once; who will write says so first
        mode = "" if connection.get_execution_options().get("ombud_read") else " IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN{mode}")

    return engine


def _look_before_use(engine: AsyncEngine) -> None:
    """Replace connections that ended while they lay in the pool; ask the server only after a while.

    SQLAlchemy's own way asks each time, in three messages, which took longer than many a transaction. A server that was
    stopped closes its connections, and the driver knows; only one that is cut off says nothing.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        transport = getattr(connection.driver_connection, "_transport", None)  # asyncpg has no public way to it
        watch(transport and transport.get_extra_info("socket"))

    @event.listens_for(engine.sync_engine, "checkin")
    def on_checkin(_: Any, record: Any) -> None:
        record.info[RETURNED] = monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def on_checkout(connection: Any, record: Any, _: Any) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError("the server closed it")
        if monotonic() - record.info.get(RETURNED, float("inf")) > ASK_AFTER_S:
            try:
                connection.ping()
            except Exception as error:
                raise InvalidatePoolError("the server does not answer on it") from error


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


@contextmanager
def _outages() -> Iterator[None]:
    """Turn an error of the database itself into Unavailable; a wrong statement stays what it is."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"database ({type(error).__name__})") from error
    except sqlite3.OperationalError as error:
        raise Unavailable(f"database ({type(error).__name__})") from error
    except (OperationalError, InterfaceError) as error:
        if WRONG_STATEMENT.match(str(error.orig)):  # SQLite calls these operational, too
            raise
        raise Unavailable(f"database ({type(error.orig).__name__})") from error


class Database:
    """A service's tables and the transactions on them."""

    def __init__(self, url: str, metadata: MetaData) -> None:
        self.url = url
        self.metadata = metadata
        self.engine = make_engine(url)
        self._turn: asyncio.Lock | None = asyncio.Lock() if url.startswith("sqlite") else None
        self._waiting: list[tuple[Work[Any, Any], Any, asyncio.Future[Any]]] = []
        self._rounds: asyncio.Task[None] | None = None

    @property
    def dialect(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that commits at the end.

        Raises Unavailable when the database cannot be reached or is busy for too long. Writers of one process take
        turns: SQLite lets one write at a time and makes the others sleep and ask again, in no order, for a multiple of
        what they wait for.
        """
        with _outages():
            async with self._in_turn(), self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Unavailable("database (busy)") from error
        try:
            yield
        finally:
            self._turn.release()

    async def together(self, work: Work[Item, Found], item: Item) -> Found:
        """Return what `work` finds for an item; on SQLite everything that waits at the same time is done at once.

        Each commit of SQLite waits for the disk, and each statement for a thread: sixteen callers who each write a row
        pay for one transaction, and the same work gets all its items in one call. Work that fails, fails alone: the
        others are done again, so what it does besides writing has to bear repetition. Raises as `begin`.
        """
        if self._turn is None:
            async with self.begin() as connection:
                (found,) = await work(connection, [item])
                return found
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, item, answer))
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._go_round())
        return await answer

    async def _go_round(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            if not await self._done(some):
                for each in some:
                    await self._done([each])

    async def _done(self, some: Sequence[tuple[Work[Any, Any], Any, asyncio.Future[Any]]]) -> bool:
        """Do some work in one transaction and answer; return False, without an answer, if several could not be done."""
        kinds: dict[Work[Any, Any], list[tuple[Any, asyncio.Future[Any]]]] = {}
        for work, item, answer in some:
            kinds.setdefault(work, []).append((item, answer))
        try:
            async with self.begin() as connection:
                found = [await work(connection, [item for item, _ in asked]) for work, asked in kinds.items()]
        except Exception as error:
            alone = len(some) == 1 or isinstance(error, Unavailable)  # a database that is away is away for each of them
            for *_, answer in some if alone else ():
                if not answer.done():
                    answer.set_exception(error)
            return alone
        for asked, answers in zip(kinds.values(), found, strict=True):
            for (_, answer), each in zip(asked, answers, strict=True):
                if not answer.done():  # who does not wait any more does not want to know
                    answer.set_result(each)
        return True

    @asynccontextmanager
    async def read(self, *, cursor: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for reading only.

        On PostgreSQL each statement stands alone: in a transaction it would see what was committed before it just the
        same, for two messages more. Only a `cursor`, whose rows come in pieces, needs one.
        """
        options: dict[str, Any] = {"ombud_read": True}
        if self._turn is None and not cursor:
            options["isolation_level"] = "AUTOCOMMIT"
        with _outages():
            async with self.engine.connect() as connection:
                await connection.execution_options(**options)
                yield connection

    async def ping(self) -> None:
        """Raise Unavailable if the database does not answer."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def scrub(self, *, whole: bool) -> bool:
        """Take the bytes of erased rows out of SQLite's files; return False while a reader keeps that from ending.

        `secure_delete` overwrites what is freed, but for copies that moving cells between pages leaves in the gaps;
        those go when the file is written anew (`whole`), which holds up writers. PostgreSQL vacuums by itself.
        """
        if self.dialect != "sqlite":
            return True
        with _outages():
            async with self.engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                if whole:
                    await (await driver.execute("VACUUM")).close()
                cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                busy, *_ = await cursor.fetchone()
                await cursor.close()
                return not busy

    async def close(self) -> None:
        """Give every connection back."""
        try:
            await self.engine.dispose()
        except SQLAlchemyError as error:
            raise Unavailable("database") from error


Rows = Sequence[Mapping[str, Any]]


async def insert_new(connection: AsyncConnection, table: Table, rows: Rows) -> None:
    """Insert rows; those whose key exists already are left as they are."""
    if rows:
        await _write(connection, _insertion(table, connection.dialect, tuple(rows[0]), _Known.STAYS), rows)


async def append(connection: AsyncConnection, table: Table, rows: Rows) -> None:
    """Insert rows that are new. Raises IntegrityError if a key exists already."""
    if rows:
        await _write(connection, _insertion(table, connection.dialect, tuple(rows[0]), _Known.FAILS), rows)


async def insert_first(connection: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row; return whether nobody was faster. Of several callers at once exactly one gets True."""
    return bool(await insert_those_first(connection, table, [row]))


async def insert_those_first(connection: AsyncConnection, table: Table, rows: Rows) -> set[tuple[Any, ...]]:
    """Insert rows; return the primary keys of those nobody inserted before."""
    if not rows:
        return set()
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    statement = made.on_conflict_do_nothing().returning(*table.primary_key)
    return {tuple(row) for row in await connection.execute(statement, [dict(row) for row in rows])}


async def upsert(
    connection: AsyncConnection, table: Table, rows: Rows, *, newer: str | None = None, keep: Sequence[str] = ()
) -> None:
    """Insert rows, or replace the row with the same primary key. Every row has the same columns.

    With `newer`, a row is replaced only by one whose value in that column is at least as great, so that late
    and repeated events change nothing. Columns named in `keep` stay as they are in an existing row.
    """
    if rows:
        known = _insertion(table, connection.dialect, tuple(rows[0]), _Known.REPLACED, newer, tuple(keep))
        await _write(connection, known, rows)


async def add_counts(connection: AsyncConnection, table: Table, rows: Rows, column: str) -> None:
    """Insert rows; where the key exists already the value of `column` is added to what is there."""
    if rows:
        made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
        total = {column: table.c[column] + made.excluded[column]}
        key = [each.name for each in table.primary_key]
        await connection.execute(made.on_conflict_do_update(index_elements=key, set_=total), rows)


class _Known(Enum):
    """What becomes of a row whose key is there already."""

    STAYS = auto()
    REPLACED = auto()
    FAILS = auto()


@dataclass(frozen=True, slots=True)
class _Insertion:
    """A compiled INSERT; per parameter, in order: the column and what turns its value into the driver's."""

    sql: str
    parameters: tuple[tuple[str, Callable[[Any], Any] | None], ...]


@lru_cache(256)
def _insertion(
    table: Table,
    dialect: Dialect,
    columns: tuple[str, ...],
    known: _Known,
    newer: str | None = None,
    keep: tuple[str, ...] = (),
) -> _Insertion:
    """Compile an INSERT once. Bound row by row, SQLAlchemy would take longer than the database (tests/bench)."""
    made = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
    statement: Any = made.values({name: bindparam(name, type_=table.c[name].type) for name in columns})
    if known is _Known.STAYS:
        statement = statement.on_conflict_do_nothing()
    elif known is _Known.REPLACED:
        key = [column.name for column in table.primary_key]
        changed = {name: made.excluded[name] for name in columns if name not in key and name not in keep}
        where = None if newer is None else table.c[newer] <= made.excluded[newer]
        statement = statement.on_conflict_do_update(index_elements=key, set_=changed, where=where)
    compiled = statement.compile(dialect=dialect)
    order = compiled.positiontup or columns
    return _Insertion(
        compiled.string,
        tuple((name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order),
    )


async def _write(connection: AsyncConnection, insertion: _Insertion, rows: Rows) -> None:
    columns = [_column([row[name] for row in rows], to) for name, to in insertion.parameters]
    await connection.exec_driver_sql(insertion.sql, list(zip(*columns, strict=True)))


def _column(values: list[Any], to: Callable[[Any], Any] | None) -> list[Any]:
    """Return a column as the driver takes it; the very same object, often a moment, is turned into its form once."""
    if to is None:
        return values
    known: dict[int, Any] = {}
    for value in values:
        if id(value) not in known:  # they all live as long as this call
            known[id(value)] = to(value)
    return [known[id(value)] for value in values]


def chunks(values: Sequence[Any], width: int = 1) -> list[Sequence[Any]]:
    """Return `values` in pieces whose parameters (`width` each) fit one statement."""
    size = max(1, PARAMETERS_AT_ONCE // width)
    return [values[start : start + size] for start in range(0, len(values), size)]
