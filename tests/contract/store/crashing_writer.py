"""A process that writes until it is killed: prints a line for each job only once the store has acknowledged it."""

from __future__ import annotations

import asyncio
import itertools
import sys

from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import new_job, step


async def write(store: Store, writer: int) -> None:
    """Create, claim and advance jobs one after another, and say so."""
    for number in itertools.count():
        job = await store.create_job(new_job(f"{writer}-{number}"))
        print(f"created {job.id}", flush=True)
        for claim in await store.claim(f"writer-{writer}", 1, 30):
            await store.advance(claim, step(0))
            print(f"advanced {claim.job.id}", flush=True)


async def main(url: str) -> None:
    """Write with several at once."""
    async with SqlStore.open(url, Wakeups()) as store, asyncio.TaskGroup() as tasks:
        for writer in range(4):
            tasks.create_task(write(store, writer))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
