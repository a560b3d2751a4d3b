"""What all who share a database agree on."""

from __future__ import annotations

import asyncio

from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore


async def test_what_was_agreed_on_first_stands_until_something_else_is(store: Store) -> None:
    assert await store.agreed("id", "one") == "one"
    assert await store.agreed("id", "two") == "one"
    assert await store.agreed("sealing_key", "three") == "three"
    await store.agree("id", "two")
    assert await store.agreed("id", "one") == "two"


async def test_servers_that_propose_at_once_agree(postgres_url: str) -> None:
    async with SqlStore.open(postgres_url, Wakeups()) as first, SqlStore.open(postgres_url, Wakeups()) as second:
        proposals = [store.agreed("id", f"{number}") for number in range(5) for store in (first, second)]
        assert len(set(await asyncio.gather(*proposals))) == 1
