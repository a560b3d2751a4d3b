"""What the store asks of a database: to run a reading or a writing function in a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from batchscribe_server.store.ledger import Operation

Result = TypeVar("Result")

Query = Callable[[Connection], Result]
"""What one reader asks, in one consistent view of the database."""


class Database(Protocol):
    """Runs plain functions, so that they are the same on every database and driver.

    They must not touch the event loop: SQLite runs them in threads of its own.
    """

    @property
    def sole_owner(self) -> bool:
        """Whether nobody else has this database open."""
        ...

    @property
    def serving(self) -> bool:
        """Whether the database is there: a short restart does not count."""
        ...

    def patient(self) -> Database:
        """The same database for those who wait for it to come back, however long it is away. Not to be closed."""
        ...

    async def read(self, query: Query[Result]) -> Result:
        """Run a query. Never waits for a writer. Raises DatabaseUnavailableError, as `write` does."""
        ...

    async def write(self, operation: Operation[Result]) -> Result:
        """Run an operation; returns or raises once it is committed durably or rolled back, then wakes its topics."""
        ...

    async def write_step(self, job_id: str, operation: Operation[Result]) -> Result:
        """Run an operation of a job's run, or with no id of many runs, with those of others: as `write` does.

        It raises LeaseLostError before it changes anything, if at all.
        """
        ...

    async def erase_removed(self) -> None:
        """Leave no copy of what was removed in files; what is in use just now stays until the next time."""
        ...

    async def close(self) -> None:
        """Finish what was asked for, then let go of all connections."""
        ...


async def repeat(database: Database, step: Operation[Result | None]) -> Result:
    """Run a step, each time in a transaction of its own, until it gives a result.

    Work on the jobs of a large batch is cut this way, so that it neither fills memory nor keeps other writers waiting.
    """
    while (result := await database.write(step)) is None:
        pass
    return result
