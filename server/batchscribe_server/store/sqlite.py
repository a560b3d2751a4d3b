"""The SQLite database: one writer, readers that never wait for it, and one server to a data directory."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import fcntl
import math
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.availability import Availability, pauses
from batchscribe_server.store.commit import GroupCommit
from batchscribe_server.store.database import Query
from batchscribe_server.store.errors import DataDirectoryInUseError, StoreError
from batchscribe_server.store.ledger import Operation
from batchscribe_server.store.migrate import upgrade
from batchscribe_server.store.sqlite_failures import DatabaseFileGoneError, failure_below

Result = TypeVar("Result")

READERS = 4
BUSY_TIMEOUT_MS = 10_000
PATIENCE_S = 2.0
"""How long a full disk, or one that fails, may take without anybody being told: nothing restarts there."""
WAL_KEPT_BYTES = 64 * 1024 * 1024

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    # NORMAL would lose the last commits when the power fails, and they were acknowledged.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
    # What is deleted is overwritten with zeros, and does not stay in free pages: it was somebody's speech.
    "PRAGMA secure_delete = ON",
)


class SqliteDatabase:
    """A database file that this process alone has open, guarded by a lock on a file next to it.

    What fails below it, such as a full disk, passes: it is done again until it succeeds, or callers are told.
    """

    sole_owner = True

    def __init__(self, lock: int, engine: Engine, readers: Engine, commits: GroupCommit) -> None:
        self._availability = Availability()
        self._patience_s = PATIENCE_S
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
        try:
            lock = await asyncio.to_thread(_lock, path)
        except OSError as error:
            raise StoreError(f"The database {path} cannot be opened: {error.strerror or error}.") from error
        # The driver is Python's own, in threads of ours: a group of operations costs one change of thread, where an
        # asynchronous driver costs one for each statement.
        url = url.set(drivername="sqlite+pysqlite")
        engine = _engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        readers = _engine(url, begin="BEGIN", pool_size=READERS)
        try:
            await asyncio.to_thread(_upgrade, engine)
        except BaseException as error:
            engine.dispose()
            os.close(lock)
            if words := failure_below(error):
                raise StoreError(f"The database {path} cannot be opened: {words}.") from error
            raise
        check = partial(_check_same_file, path, _identity(path))
        return cls(lock, engine, readers, GroupCommit(engine, wakeups, clock or _utc_now, check))

    @property
    def serving(self) -> bool:
        """Whether what is written is kept."""
        return self._availability.serving

    def patient(self) -> SqliteDatabase:
        """The same database for those who wait until its disk takes what they write. Not to be closed."""
        view = copy.copy(self)
        view._patience_s = math.inf
        return view

    async def read(self, query: Query[Result]) -> Result:
        """Run a query on a reader of its own. Raises DatabaseUnavailableError, as `write` does."""
        loop = asyncio.get_running_loop()
        return await self._until_done(lambda: loop.run_in_executor(self._threads, self._query, query))

    async def write(self, operation: Operation[Result]) -> Result:
        """Run an operation as part of the next commit."""
        result = await self._until_done(lambda: self._commits.submit(operation))
        self._availability.found()  # a disk that takes nothing more can still be read
        return result

    async def write_step(self, job_id: str, operation: Operation[Result]) -> Result:
        """Run an operation as part of the next commit: all are grouped."""
        return await self.write(operation)

    async def _until_done(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        began_s = time.monotonic()
        for pause_s in pauses():
            try:
                return await attempt()
            except Exception as error:
                words = failure_below(error)
                if not words:
                    raise
                self._availability.lost(words)
                if max(self._availability.away_s, time.monotonic() - began_s) > self._patience_s:
                    raise DatabaseUnavailableError(f"{words}; try again later") from error
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses never end")

    async def erase_removed(self) -> None:
        """Empty the write-ahead log, which holds pages as they were before."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._empty_log)

    async def close(self) -> None:
        """Commit what was asked for, close the file and free the data directory."""
        await self._commits.close()
        self._threads.shutdown()
        self._readers.dispose()
        self._engine.dispose()
        os.close(self._lock)

    def _empty_log(self) -> None:
        # A reader or a writer at work is not waited for: it would make all others wait. The next time may succeed.
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(str(self._engine.url.database), timeout=0)) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _check_same_file(path: Path, identity: tuple[int, int]) -> None:
    """Raises DatabaseFileGoneError where the file at the path is another one by now."""
    try:
        if _identity(path) == identity:
            return
    except FileNotFoundError:
        pass
    raise DatabaseFileGoneError(
        f"the file of the database, {path}, was removed or replaced while the server runs: stop the server, put the "
        "file back, and start it again"
    )


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
