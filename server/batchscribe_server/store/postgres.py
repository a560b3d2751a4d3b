"""The PostgreSQL database: a transaction to each operation, rows locked, the clock that all replicas share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.database import Query
from batchscribe_server.store.dialect import database_now
from batchscribe_server.store.ledger import Ledger, Operation
from batchscribe_server.store.migrate import upgrade

Result = TypeVar("Result")

POOL_SIZE = 10
MAX_TRIES = 5
_SERIALIZATION_FAILURE = "40001"
_DEADLOCK = "40P01"
_UPGRADE_LOCK = 0x62617463  # any number that all replicas take for the same purpose


class PostgresDatabase:
    """A database that several replicas share."""

    def __init__(self, engine: AsyncEngine, wakeups: Wakeups, clock: Callable[[], datetime] | None) -> None:
        self._engine = engine
        self._wakeups = wakeups
        self._clock = clock

    @classmethod
    async def open(cls, url: URL, wakeups: Wakeups, clock: Callable[[], datetime] | None) -> PostgresDatabase:
        """Connect and bring the schema up to date, one replica at a time. Raises DatabaseTooNewError."""
        engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), pool_size=POOL_SIZE)
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
                await connection.run_sync(upgrade)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine, wakeups, clock)

    async def read(self, query: Query[Result]) -> Result:
        """Run a query in one view of the database."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            return await connection.run_sync(query)

    async def write(self, operation: Operation[Result]) -> Result:
        """Run an operation in a transaction of its own, again when the database found it in another's way."""
        tries = 0
        while True:
            tries += 1
            try:
                async with self._engine.begin() as connection:
                    result, topics = await connection.run_sync(self._apply, operation)
            except DBAPIError as error:
                sqlstate = getattr(error.orig, "sqlstate", "")
                if sqlstate not in (_SERIALIZATION_FAILURE, _DEADLOCK) or tries == MAX_TRIES:
                    raise
            else:
                self._wakeups.notify(topics)
                return result

    async def close(self) -> None:
        """Let go of all connections."""
        await self._engine.dispose()

    def _apply(self, connection: Connection, operation: Operation[Result]) -> tuple[Result, set[str]]:
        ledger = Ledger(connection, self._clock() if self._clock else database_now(connection))
        result = operation(ledger)
        ledger.flush()
        return result, ledger.topics
