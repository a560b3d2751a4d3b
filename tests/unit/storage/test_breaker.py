"""The breaker of a store: who asks while it is away, and who learns that it is back."""

from __future__ import annotations

import asyncio

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason, StoreAwayFailure
from batchscribe_server.storage.breaker import Breakers

URI = "s3://calls/a.wav"
REASON = Reason.FETCH_FAILED


async def ask(breakers: Breakers, answer: Exception | None = None, store: str = "calls") -> None:
    async with breakers.asking(store, URI, REASON):
        if answer is not None:
            raise answer


def away(after_s: float = 0.0) -> StoreAwayFailure:
    return StoreAwayFailure(REASON, "nobody answers", after_s)


async def test_a_store_that_is_away_is_not_asked_again_before_its_pause_is_over() -> None:
    breakers = Breakers(waits_s=0.0, first_pause_s=3600.0)
    with pytest.raises(StoreAwayFailure, match="nobody answers"):
        await ask(breakers, away())
    with pytest.raises(StoreAwayFailure, match="its store does not answer") as failure:
        await ask(breakers)
    assert failure.value.reason is REASON
    assert failure.value.after_s > 0
    await ask(breakers, store="another")


async def test_who_waits_goes_on_as_soon_as_another_was_answered() -> None:
    breakers = Breakers(waits_s=60.0, first_pause_s=0.01)
    with pytest.raises(StoreAwayFailure):
        await ask(breakers, away())
    answered: list[int] = []

    async def one(number: int) -> None:
        await ask(breakers)
        answered.append(number)

    async with asyncio.timeout(30):
        await asyncio.gather(*(one(number) for number in range(20)))
    assert len(answered) == 20


async def test_one_at_a_time_sees_whether_it_is_back() -> None:
    breakers = Breakers(waits_s=0.05, first_pause_s=0.01)
    asked = 0

    async def one() -> None:
        nonlocal asked
        async with breakers.asking("calls", URI, REASON):
            asked += 1
            raise away()

    results = await asyncio.gather(*(one() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, StoreAwayFailure) for each in results)
    before = asked
    results = await asyncio.gather(*(one() for _ in range(200)), return_exceptions=True)
    assert all(isinstance(each, StoreAwayFailure) for each in results)
    assert asked - before < 20


async def test_a_refusal_is_an_answer() -> None:
    breakers = Breakers(waits_s=0.0, first_pause_s=0.0)
    with pytest.raises(StoreAwayFailure):
        await ask(breakers, away())
    with pytest.raises(JobFailure, match="denied"):
        await ask(breakers, JobFailure(Reason.BUCKET_READ_DENIED, "denied"))
    await asyncio.gather(*(ask(breakers) for _ in range(20)))
