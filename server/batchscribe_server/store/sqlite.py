"""The SQLite database: one writer, readers that never wait for it, and one server to a data directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.commit import GroupCommit
from batchscribe_server.store.database import Query
from batchscribe_server.store.errors import DataDirectoryInUseError, StoreError
from batchscribe_server.store.ledger import Operation
from batchscribe_server.store.migrate import upgrade

Result = TypeVar("Result")

READERS = 4
BUSY_TIMEOUT_MS = 10_000
WAL_KEPT_BYTES = 64 * 1024 * 1024

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    # NORMAL would lose the last commits when the power fails, and they were acknowledged.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
)


class SqliteDatabase:
    """A database file that this process alone has open, guarded by a lock on a file next to it."""

    sole_owner = True
    serving = True

    def __init__(self, lock: int, engine: Engine, readers: Engine, commits: GroupCommit) -> None:
        self._lock = lock
        self._engine = engine
        self._readers = readers
        self._commits = commits
        self._threads = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="store-reader")

    @classmethod
    async def open(cls, url: URL, wakeups: Wakeups, clock: Callable[[], datetime] | None) -> SqliteDatabase:
        """Open or create the file and bring its schema up to date.

        Raises DataDirectoryInUseError when another server has it open, DatabaseTooNewError.
        """
        if not url.database or url.database == ":memory:":
            raise StoreError("SQLite needs the path of a file: sqlite:///path/to/batchscribe.db")
        path = Path(url.database)
        lock = await asyncio.to_thread(_lock, path)
        # The driver is Python's own, in threads of ours: a group of operations costs one change of thread, where an
        # asynchronous driver costs one for each statement.
        url = url.set(drivername="sqlite+pysqlite")
        engine = _engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        readers = _engine(url, begin="BEGIN", pool_size=READERS)
        try:
            await asyncio.to_thread(_upgrade, engine)
        except BaseException:
            engine.dispose()
            os.close(lock)
            raise
        return cls(lock, engine, readers, GroupCommit(engine, wakeups, clock or _utc_now))

    def patient(self) -> SqliteDatabase:
        """Itself: a file is never away."""
        return self

    async def read(self, query: Query[Result]) -> Result:
        """Run a query on a reader of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)

    async def write(self, operation: Operation[Result]) -> Result:
        """Run an operation as part of the next commit."""
        return await self._commits.submit(operation)

    async def write_step(self, job_id: str, operation: Operation[Result]) -> Result:
        """Run an operation as part of the next commit: all are grouped."""
        return await self._commits.submit(operation)

    async def close(self) -> None:
        """Commit what was asked for, close the file and free the data directory."""
        await self._commits.close()
        self._threads.shutdown()
        self._readers.dispose()
        self._engine.dispose()
        os.close(self._lock)

    def _query(self, query: Query[Result]) -> Result:
        with self._readers.begin() as connection:
            return query(connection)


def _lock(path: Path) -> int:
    """An exclusive lock that the system drops when this process dies, however it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DataDirectoryInUseError(
            f"Another server has {path} open. Stop it, or start this one with another data directory."
        ) from None
    return descriptor


def _engine(url: URL, *, begin: str, pool_size: int) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=0, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # Transactions begin where SQLAlchemy says so, not where the driver guesses.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade(connection)


def _utc_now() -> datetime:
    return datetime.now(UTC)
