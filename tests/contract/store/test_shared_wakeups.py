"""Replicas wake each other: whoever waits at one learns of what was committed at another."""

from __future__ import annotations

import asyncio

import pytest

from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import TENANT, new_job

pytestmark = pytest.mark.slow

PATIENCE_S = 30


async def test_a_commit_at_one_wakes_those_who_wait_at_another(postgres_url: str) -> None:
    wakeups = Wakeups()
    async with SqlStore.open(postgres_url, wakeups), SqlStore.open(postgres_url, Wakeups()) as other:
        await settled(wakeups, other)
        with wakeups.listening(QUEUE) as queue, wakeups.listening("jobs/watched") as watched:
            await other.create_job(new_job("watched"))
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(queue.wait(), watched.wait())


async def test_many_topics_at_once_all_arrive(postgres_url: str) -> None:
    """They are more than one payload takes."""
    wakeups = Wakeups()
    names = [f"{number:04}-{'x' * 50}" for number in range(400)]
    async with SqlStore.open(postgres_url, wakeups), SqlStore.open(postgres_url, Wakeups()) as other:
        await settled(wakeups, other)
        listening = [wakeups.listening(f"jobs/{name}") for name in names]
        woken = [each.__enter__() for each in listening]
        await asyncio.gather(*(other.create_job(new_job(name)) for name in names))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(event.wait() for event in woken))
        for each in listening:
            each.__exit__(None, None, None)


async def test_a_refused_write_wakes_nobody(postgres_url: str) -> None:
    wakeups = Wakeups()
    async with SqlStore.open(postgres_url, wakeups), SqlStore.open(postgres_url, Wakeups()) as other:
        await other.create_job(new_job("taken"))
        await settled(wakeups, other)
        with wakeups.listening("jobs/taken") as taken:
            with pytest.raises(Exception, match="taken"):
                await other.create_job(new_job("taken"))
            await settled(wakeups, other)
            assert not taken.is_set()


async def settled(wakeups: Wakeups, other: SqlStore) -> None:
    """Once this is over, all that `other` told before has been heard: a connection's words keep their order."""
    last = await other.create_job(new_job())
    with wakeups.listening(last.name) as woken:
        while not woken.is_set():
            await other.cancel_job(TENANT, last.id)
            await other.retry_job(TENANT, last.id)
            async with asyncio.timeout(PATIENCE_S):
                await woken.wait()
