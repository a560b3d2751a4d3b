"""What was acknowledged is there after the process was killed, and what it ran is run again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from batchscribe_server.domain.job import State
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import all_jobs, check_history, claim_all, segment

REPOSITORY = Path(__file__).parents[3]


async def killed_writer(url: str, lines: int) -> list[str]:
    """What a writer had acknowledged when it was killed in the middle of writing."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.store.crashing_writer",
        url,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(60):
            while len(said) < lines:
                line = await child.stdout.readline()
                assert line, "the writer ended by itself"
                said.append(line.decode().strip())
    finally:
        child.kill()
        rest = await child.stdout.read()
        await child.wait()
    # A line cut in half was said, but can't be read.
    return said + rest.decode().rpartition("\n")[0].split("\n")


async def test_every_acknowledged_write_outlives_a_kill(sqlite_url: str) -> None:
    said = await killed_writer(sqlite_url, lines=60)
    created = {line.removeprefix("created ") for line in said if line.startswith("created ")}
    advanced = {line.removeprefix("advanced ") for line in said if line.startswith("advanced ")}
    assert created
    assert advanced
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        jobs = {job.id: job for job in await all_jobs(store)}
        assert created <= jobs.keys()
        for job_id in advanced:
            assert jobs[job_id].media_segments_done == 1
            assert [heard async for heard in store.read_segments(job_id)] == [segment(0)]
        for job in jobs.values():
            await check_history(store, job.name, job.sequence, job.history_start)


async def test_what_a_killed_server_ran_is_run_again(sqlite_url: str) -> None:
    await killed_writer(sqlite_url, lines=20)
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        running = {job.id for job in await all_jobs(store) if job.state is State.RUNNING}
        assert running
        assert await store.recover(3, exclusive_owner=False) == 0
        assert await store.recover(3, exclusive_owner=True) == len(running)
        again = {claim.job.id: claim for claim in await claim_all(store)}
        assert running <= again.keys()
        assert {again[job_id].job.attempt for job_id in running} == {2}
