"""Group commit for the steps of runs, on a database that others write to as well.

All files of a batch meet at its row, which each step of a run locks to the end of its transaction. So the steps of all
runs of this server that wait are written in one transaction, by one after the other: the row is locked once for all of
them, and they wait for other replicas alone. A renewal of leases goes before all else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from batchscribe_server.domain.errors import LeaseLostError
from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.store.ledger import Ledger, Operation

Result = TypeVar("Result")

MAX_GROUP = 128
"""Steps in one transaction at most."""


class Writes(Protocol):
    """Runs an operation in a transaction, for as long as that takes."""

    async def write(self, operation: Operation[Result]) -> Result:
        """See `Database.write`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    job_id: str  # empty for what is of many jobs
    operation: Operation[Any]
    answer: asyncio.Future[Any]


class Steps:
    """What waits to be written, and who writes it. Belongs to one event loop."""

    def __init__(self, database: Writes) -> None:
        self._database = database
        self._waiting: deque[_Step] = deque()
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(keep_running("store-steps", self._run), name="store-steps")

    async def submit(self, job_id: str, operation: Operation[Result]) -> Result:
        """Write a step of a job's run, or with no id something of many, in the next group; returns once that is
        committed. Who stops waiting before its turn comes wants nothing done.

        An operation that finds its lease lost must not have changed anything by then.
        """
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        step = _Step(job_id, operation, answer)
        if job_id:
            self._waiting.append(step)
        else:
            self._waiting.appendleft(step)
        self._woken.set()
        return await answer

    async def close(self) -> None:
        """Stop. Nobody waits any more by then."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            while self._waiting:
                if group := list(self._next()):
                    await self._write(group)
            await self._woken.wait()
            self._woken.clear()

    def _next(self) -> Iterator[_Step]:
        """The first that wait, of each job one: the next sees what it wrote."""
        jobs: set[str] = set()
        for _ in range(min(len(self._waiting), MAX_GROUP)):
            step = self._waiting.popleft()
            if step.job_id in jobs:
                self._waiting.append(step)
            elif not step.answer.done():
                jobs |= {step.job_id} - {""}
                yield step

    async def _write(self, group: Sequence[_Step]) -> None:
        try:
            for step, result in await self._database.write(partial(_together, group)):
                _answer(step, result)
        except Exception:  # noqa: BLE001 - one of them is to blame: each is written by itself, and told its own
            for step in group:
                await self._write_alone(step)

    async def _write_alone(self, step: _Step) -> None:
        if step.answer.done():
            return
        try:
            result = await self._database.write(step.operation)
        except Exception as error:  # noqa: BLE001 - the operation's own: its caller gets it
            result = error
        _answer(step, result)


def _together(group: Sequence[_Step], ledger: Ledger) -> list[tuple[_Step, Any]]:
    results: list[tuple[_Step, Any]] = []
    for step in group:
        if step.answer.done():
            continue
        try:
            results.append((step, step.operation(ledger)))
        except LeaseLostError as error:
            results.append((step, error))
    return results


def _answer(step: _Step, result: Any) -> None:
    if step.answer.done():
        return
    if isinstance(result, Exception):
        step.answer.set_exception(result)
    else:
        step.answer.set_result(result)
