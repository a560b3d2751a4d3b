"""Group commit on SQLite: many writes share few commits, and none pays for another's failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from batchscribe_server.domain.errors import AlreadyExistsError, LeaseLostError
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import DataDirectoryInUseError, SqlStore, StoreError
from tests.contract.store.samples import TENANT, all_jobs, check_history, claim_all, new_job, running_job, step


def in_writer() -> bool:
    """True in the thread that writes; readers end their transactions with a commit too."""
    return threading.current_thread().name.startswith("store-writer")


@pytest.fixture
def commits() -> Iterator[list[Connection]]:
    """The connections that committed what was written, one entry for each commit."""
    seen: list[Connection] = []

    def note(connection: Connection) -> None:
        if in_writer():
            seen.append(connection)

    event.listen(Engine, "commit", note)
    yield seen
    event.remove(Engine, "commit", note)


async def test_concurrent_writes_share_commits(sqlite_url: str, commits: list[Connection]) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        await asyncio.gather(*(store.create_job(new_job()) for _ in range(100)))
        assert len(commits) <= 5
        claims = await claim_all(store)
        commits.clear()
        await asyncio.gather(*(store.advance(claim, step(0)) for claim in claims))
        assert 1 <= len(commits) <= 5
        assert {job.segments for job in await all_jobs(store)} == {1}


async def test_a_failing_write_leaves_those_committed_with_it_alone(sqlite_url: str, commits: list[Connection]) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        taken = await store.create_job(new_job())
        lost = await running_job(store, priority=1)
        await store.delete_job(TENANT, lost.job.id)
        commits.clear()
        good = [new_job() for _ in range(20)]
        answers = await asyncio.gather(
            *(store.create_job(job) for job in good[:10]),
            store.create_job(new_job(taken.id)),
            store.advance(lost, step(0)),
            *(store.create_job(job) for job in good[10:]),
            return_exceptions=True,
        )
        assert len(commits) <= 2
        failed = [type(answer) for answer in answers if isinstance(answer, BaseException)]
        assert failed == [AlreadyExistsError, LeaseLostError]
        jobs = await all_jobs(store)
        assert sorted(job.id for job in jobs) == sorted([taken.id, *(job.id for job in good)])
        for job in jobs:
            await check_history(store, job.name, job.sequence, job.history_start)


async def test_a_commit_that_fails_is_told_to_all_and_changes_nothing(sqlite_url: str) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:

        def fail(_: Connection) -> None:
            if in_writer():
                raise OSError("the disk is gone")

        event.listen(Engine, "commit", fail)
        try:
            answers = await asyncio.gather(*(store.create_job(new_job()) for _ in range(5)), return_exceptions=True)
        finally:
            event.remove(Engine, "commit", fail)
        assert [type(answer) for answer in answers] == [OSError] * 5
        assert await all_jobs(store) == []
        kept = await store.create_job(new_job())
        assert await all_jobs(store) == [kept]


async def test_writes_that_wait_are_committed_before_the_store_closes(sqlite_url: str) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        waiting = [asyncio.create_task(store.create_job(new_job())) for _ in range(20)]
        await asyncio.sleep(0)  # each has asked
    jobs = await asyncio.gather(*waiting)
    with pytest.raises(RuntimeError):
        await store.create_job(new_job())
    async with SqlStore.open(sqlite_url, Wakeups()) as reopened:
        assert {job.id for job in await all_jobs(reopened)} == {job.id for job in jobs}


async def test_who_gives_up_waiting_before_the_turn_comes_changes_nothing(sqlite_url: str) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        given_up = asyncio.create_task(store.create_job(new_job()))
        await asyncio.sleep(0)  # it has asked, and the writer has not seen it yet
        given_up.cancel()
        kept = await store.create_job(new_job())
        assert given_up.cancelled() or await asyncio.wait([given_up])
        assert [job.id for job in await all_jobs(store)] == [kept.id]


async def test_reads_do_not_wait_for_a_writer(sqlite_url: str) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()) as store:
        job = await store.create_job(new_job())
        committing, may_commit = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold(_: Connection) -> None:
            """Keeps the writer's transaction open at its commit."""
            if in_writer():
                loop.call_soon_threadsafe(committing.set)
                may_commit.wait(timeout=30)

        event.listen(Engine, "commit", hold)
        try:
            cancelling = asyncio.create_task(store.cancel_job(TENANT, job.id))
            async with asyncio.timeout(10):
                await committing.wait()
            async with asyncio.timeout(10):
                assert await store.get_job(TENANT, job.id) == job
            assert not cancelling.done()
        finally:
            may_commit.set()
            cancelled = await cancelling
            event.remove(Engine, "commit", hold)
        assert cancelled == await store.get_job(TENANT, job.id)


async def test_two_servers_cannot_share_a_file(sqlite_url: str) -> None:
    async with SqlStore.open(sqlite_url, Wakeups()):
        with pytest.raises(DataDirectoryInUseError):
            async with SqlStore.open(sqlite_url, Wakeups()):
                pytest.fail("the second one opened it")
    async with SqlStore.open(sqlite_url, Wakeups()) as again:
        assert await all_jobs(again) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name"])
async def test_a_database_that_cannot_serve_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        async with SqlStore.open(url, Wakeups()):
            pytest.fail("it opened")


async def test_the_data_directory_is_made_and_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "100% of it" / "batchscribe.db"
    async with SqlStore.open(f"sqlite:///{path}", Wakeups()) as store:
        await store.create_job(new_job())
    assert path.exists()
