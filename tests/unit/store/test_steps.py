"""Steps of runs that are written together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from batchscribe_server.domain.errors import LeaseLostError
from batchscribe_server.store.steps import MAX_GROUP, Steps


class Transactions:
    """Runs operations on a ledger that is only a list, once they may."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.allowed = asyncio.Event()
        self.begun = asyncio.Event()

    async def write(self, operation: Callable[[Any], Any]) -> Any:
        self.begun.set()
        await self.allowed.wait()
        ledger: list[str] = []
        result = operation(ledger)
        self.written.append(ledger)
        return result


@asynccontextmanager
async def opened(transactions: Transactions) -> AsyncIterator[Steps]:
    steps = Steps(transactions)
    try:
        yield steps
    finally:
        await steps.close()


def saying(word: str) -> Callable[[list[str]], str]:
    def operation(ledger: list[str]) -> str:
        ledger.append(word)
        return word

    return operation


def failing(error: Exception) -> Callable[[list[str]], str]:
    def operation(_: list[str]) -> str:
        raise error

    return operation


async def submitted(steps: Steps, *operations: tuple[str, Any]) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(steps.submit(job_id, operation)) for job_id, operation in operations]
    await asyncio.sleep(0)
    return tasks


async def test_what_waits_is_written_together_renewals_first_and_one_step_of_a_job_at_a_time() -> None:
    transactions = Transactions()
    async with opened(transactions) as steps:
        (first,) = await submitted(steps, ("one", saying("first")))
        await transactions.begun.wait()
        rest = await submitted(
            steps, ("one", saying("a")), ("two", saying("b")), ("one", saying("c")), ("", saying("renewal"))
        )
        transactions.allowed.set()
        assert await asyncio.gather(first, *rest) == ["first", "a", "b", "c", "renewal"]
    assert transactions.written == [["first"], ["renewal", "a", "b"], ["c"]]


async def test_a_lost_lease_is_told_to_its_run_alone() -> None:
    transactions = Transactions()
    transactions.allowed.set()
    async with opened(transactions) as steps:
        lost, kept = await submitted(steps, ("one", failing(LeaseLostError("gone"))), ("two", saying("b")))
        assert await kept == "b"
        with pytest.raises(LeaseLostError):
            await lost
    assert transactions.written == [["b"]]


async def test_what_fails_otherwise_fails_alone_and_the_others_are_written() -> None:
    transactions = Transactions()
    transactions.allowed.set()
    async with opened(transactions) as steps:
        kept, broken = await submitted(steps, ("one", saying("a")), ("two", failing(ValueError("no"))))
        assert await kept == "a"
        with pytest.raises(ValueError, match="no"):
            await broken
    assert transactions.written == [["a"]]


async def test_who_gave_up_holds_up_nobody() -> None:
    transactions = Transactions()
    async with opened(transactions) as steps:
        (first,) = await submitted(steps, ("first", saying("first")))
        await transactions.begun.wait()
        gone = await submitted(steps, *((f"job-{n}", saying("gone")) for n in range(MAX_GROUP)))
        (last,) = await submitted(steps, ("last", saying("last")))
        for task in gone:
            task.cancel()
        await asyncio.sleep(0)
        transactions.allowed.set()
        async with asyncio.timeout(10):
            assert list(await asyncio.gather(first, last)) == ["first", "last"]
    assert transactions.written == [["first"], ["last"]]
