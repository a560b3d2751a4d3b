"""Group commit: many operations share one transaction, and so one fsync.

One task takes all operations that wait, a thread runs them one after the other, each within a savepoint, and commits
them together. While it does, the next group gathers; so a lone write is as quick as the disk is, and a hundred at once
cost little more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Engine

from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.ledger import Ledger, Operation

Result = TypeVar("Result")

MAX_GROUP = 256
"""Operations in one transaction at most: an operation waits for those before it and those with it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    operation: Operation[Any]
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    waiting: _Waiting
    result: Any = None
    error: Exception | None = None
    topics: frozenset[str] = frozenset()


class GroupCommit:
    """The only writer of a database. Owns one thread and one connection; belongs to one event loop."""

    def __init__(
        self,
        engine: Engine,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` raises where nothing may be written."""
        self._check = check
        self._engine = engine
        self._wakeups = wakeups
        self._clock = clock
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._task = asyncio.create_task(keep_running("store-writer", self._run), name="store-writer")
        self._closed = False

    async def submit(self, operation: Operation[Result]) -> Result:
        """Run an operation in the next group. What it returns is committed by then; what it raises changed nothing."""
        if self._closed or self._task.done():
            raise RuntimeError("the store is closed")
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(operation, answer))
        return await answer

    async def close(self) -> None:
        """Commit what was submitted, then stop."""
        self._closed = True
        self._queue.put_nowait(None)
        await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        closing = False
        while not closing:
            taken = [await self._queue.get()]
            while len(taken) < MAX_GROUP and not self._queue.empty():
                taken.append(self._queue.get_nowait())
            closing = None in taken
            # Who stopped waiting before their turn came wants nothing done.
            group = [waiting for waiting in taken if waiting is not None and not waiting.answer.done()]
            if group:
                try:
                    done = await loop.run_in_executor(self._thread, self._commit, group)
                except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for ever
                    done = [_Done(waiting, error=error) for waiting in group]
                self._answer(done)

    def _answer(self, group: list[_Done]) -> None:
        self._wakeups.notify(frozenset().union(*(done.topics for done in group)))
        for done in group:
            answer = done.waiting.answer
            if answer.done():
                continue
            if done.error is None:
                answer.set_result(done.result)
            else:
                answer.set_exception(done.error)

    def _commit(self, group: list[_Waiting]) -> list[_Done]:
        try:
            self._check()
            with self._engine.begin() as connection:
                done = []
                for waiting in group:
                    ledger = Ledger(connection, self._clock())
                    # In plain SQL: SQLAlchemy would compile its savepoints anew each time.
                    connection.exec_driver_sql("SAVEPOINT operation")
                    try:
                        result = waiting.operation(ledger)
                        ledger.flush()
                    except Exception as error:  # noqa: BLE001 - the operation's own: its caller gets it, no one else
                        # Fails where the database gave up the whole transaction (a full disk): then all are told.
                        connection.exec_driver_sql("ROLLBACK TO operation")
                        done.append(_Done(waiting, error=error))
                    else:
                        done.append(_Done(waiting, result, topics=frozenset(ledger.topics)))
                    connection.exec_driver_sql("RELEASE operation")
        except Exception as error:  # noqa: BLE001 - the transaction's: nothing was committed, and all are told
            return [_Done(waiting, error=error) for waiting in group]
        return done
