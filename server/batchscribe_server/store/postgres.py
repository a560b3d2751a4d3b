"""The PostgreSQL database: a transaction to each operation, rows locked, the clock that all replicas share.

A connection that breaks is nothing that callers see: reads are done again, and so are writes, unless they turn out to
have been committed. Only once the database has been away for a while are callers told.
"""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.availability import PATIENCE_S, Availability, pauses
from batchscribe_server.store.commit_marks import Mark, mark, was_committed
from batchscribe_server.store.database import Query
from batchscribe_server.store.dialect import database_now
from batchscribe_server.store.errors import StoreError
from batchscribe_server.store.ledger import Ledger, Operation
from batchscribe_server.store.postgres_failures import is_away, is_conflict, is_misconfigured, plain_words
from batchscribe_server.store.postgres_schema import bring_up_to_date
from batchscribe_server.store.postgres_url import PostgresUrl
from batchscribe_server.store.shared_wakeups import SharedWakeups
from batchscribe_server.store.steps import Steps

log = structlog.get_logger()

Result = TypeVar("Result")

POOL_SIZE = 10

_GRACE_S = 1.0  # in which a database that is known to be away is told as that


class _CommitLostError(Exception):
    """A transaction whose COMMIT was not answered turned out not to be committed."""


class PostgresDatabase:
    """A database that several replicas share."""

    sole_owner = False

    def __init__(
        self,
        engine: AsyncEngine,
        wakeups: Wakeups,
        shared: SharedWakeups,
        availability: Availability,
        clock: Callable[[], datetime] | None,
    ) -> None:
        self._engine = engine
        self._wakeups = wakeups
        self._shared = shared
        self._availability = availability
        self._telling = asyncio.create_task(shared.run(), name="shared-wakeups")
        self._clock = clock
        self._patience_s = PATIENCE_S
        self._steps = Steps(self.patient())

    @classmethod
    async def open(
        cls, url: PostgresUrl, wakeups: Wakeups, clock: Callable[[], datetime] | None, pool_size: int = POOL_SIZE
    ) -> PostgresDatabase:
        """Connect and bring the schema up to date, one replica at a time.

        Waits for a database that is starting itself. Raises StoreError.
        """
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=url.connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=PATIENCE_S,
        )
        availability = Availability()
        try:
            await _prepared(url, availability)
            shared = SharedWakeups(url.connect, wakeups, availability)
            database = cls(engine, wakeups, shared, availability, clock)
        except BaseException:
            await engine.dispose()
            raise
        try:
            async with asyncio.timeout(PATIENCE_S):
                await shared.wait_listening()
        except BaseException as error:  # also where it is cancelled: its connections would stay
            await database.close()
            if isinstance(error, TimeoutError):
                raise StoreError("The database gives no connection to listen for wake-ups on.") from None
            raise
        return database

    @property
    def serving(self) -> bool:
        """Whether the database is there."""
        return self._availability.serving

    def patient(self) -> PostgresDatabase:
        """The same database for those who wait for it to come back, however long it is away. Not to be closed."""
        view = copy.copy(self)
        view._patience_s = math.inf
        return view

    async def read(self, query: Query[Result]) -> Result:
        """Run a query in one view of the database. Raises DatabaseUnavailableError."""
        return await self._in_time(self._until_done(partial(self._read, query)))

    async def write(self, operation: Operation[Result]) -> Result:
        """Run an operation in a transaction of its own, again when the database found it in another's way, or went
        away before it was committed.

        Raises DatabaseUnavailableError; where nobody could say what became of a COMMIT it may have been done.
        """
        return await self._in_time(self._until_done(partial(self._write, operation)))

    async def write_step(self, job_id: str, operation: Operation[Result]) -> Result:
        """Run an operation with those of other runs. Raises DatabaseUnavailableError, as `write` does."""
        return await self._in_time(self._steps.submit(job_id, operation))

    async def erase_removed(self) -> None:
        """Nothing: the files are the database's own, and VACUUM and its archive are for its operator."""

    async def close(self) -> None:
        """Let go of all connections."""
        await self._steps.close()
        self._telling.cancel()
        with suppress(asyncio.CancelledError):
            await self._telling
        await self._engine.dispose()

    async def _in_time(self, work: Awaitable[Result]) -> Result:
        """What comes of it while this view of the database is patient: also one that hangs is away."""
        try:
            async with asyncio.timeout(None if math.isinf(self._patience_s) else self._patience_s + _GRACE_S):
                return await work
        except TimeoutError as error:
            raise DatabaseUnavailableError("the database does not answer in time; try again") from error

    async def _until_done(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        began_s = time.monotonic()
        for pause_s in pauses():
            try:
                result = await attempt()
            except Exception as error:
                if is_away(error):
                    self._availability.lost(plain_words(error))
                    if max(self._availability.away_s, time.monotonic() - began_s) > self._patience_s:
                        raise DatabaseUnavailableError("the database does not answer; try again") from error
                elif isinstance(error, PoolTimeoutError):
                    if math.isfinite(self._patience_s):
                        raise DatabaseUnavailableError("the database is too busy; try again") from error
                elif not (is_conflict(error) or isinstance(error, _CommitLostError)):
                    raise
            else:
                self._availability.found()
                return result
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses never end")

    async def _read(self, query: Query[Result]) -> Result:
        async with self._connected() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            return await connection.run_sync(query)

    async def _write(self, operation: Operation[Result]) -> Result:
        committing: Mark | None = None
        try:
            async with self._connected() as connection:
                result, topics, committing = await connection.run_sync(self._apply, operation)
                await connection.commit()
        except Exception as error:
            if committing is None or not is_away(error):
                raise
            self._availability.lost(plain_words(error))
            if not await self._until_done(partial(self._was_committed, committing)):
                raise _CommitLostError from error
            log.info("commit_found_done")
        self._wakeups.notify(topics)
        self._shared.tell(topics)
        return result

    def _apply(self, connection: Connection, operation: Operation[Result]) -> tuple[Result, set[str], Mark]:
        ledger = Ledger(connection, self._clock() if self._clock else database_now(connection))
        result = operation(ledger)
        ledger.flush()
        return result, ledger.topics, mark(connection, ledger.now)

    async def _was_committed(self, committing: Mark) -> bool:
        async with self._connected() as connection:
            # It may have to wait for the transaction that it asks for.
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            found = await connection.run_sync(was_committed, committing)
            await connection.commit()
            return found

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            try:
                yield connection
            except Exception as error:
                if is_away(error):
                    # Also where the driver has not noticed: nothing more is asked over it.
                    await connection.invalidate(error)
                raise


async def _prepared(url: PostgresUrl, availability: Availability) -> None:
    """Bring the schema up to date, once the database is there, however long that takes. Raises StoreError."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(url.connect, command_timeout_s=None), poolclass=NullPool
    )
    for pause_s in pauses():
        try:
            await bring_up_to_date(engine)
        except Exception as error:
            if is_misconfigured(error):
                raise StoreError(f"The database refuses to be opened: {plain_words(error)}") from None
            if not is_away(error):
                raise
            availability.lost(plain_words(error))
            if availability.away_s > PATIENCE_S:
                raise StoreError(f"The database does not answer: {plain_words(error)}") from None
        else:
            availability.found()
            return
        await asyncio.sleep(pause_s)
