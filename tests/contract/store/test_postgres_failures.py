"""A PostgreSQL that is restarted, killed, or cut off: nothing is lost, nothing happens twice, and who waits is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.operations.run_store import Claim
from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from batchscribe_server.store import SqlStore, StoreError, availability
from tests.contract.store.samples import TENANT, all_jobs, check_history, claim_all, new_job, running_job, step
from tests.postgres_server import PostgresServer, postgres_server
from tests.socket_relay import SocketRelay, socket_relay

module = pytest.importorskip(
    "batchscribe_server.store.postgres", reason="needs batchscribe[postgres]", exc_type=ImportError
)

pytestmark = pytest.mark.slow

PATIENCE_S = 60


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """One that no other test uses."""
    with postgres_server() as server:
        yield server


@pytest.fixture
async def url(own_postgres: PostgresServer) -> str:
    return await own_postgres.create_database()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are told soon that the database is away."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    monkeypatch.setattr(availability, "SHORT_S", 0.2)


@pytest.fixture
async def relay(own_postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[SocketRelay]:
    async with socket_relay(own_postgres.socket, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("kill", [False, True])
async def test_what_is_written_meanwhile_is_written_once(own_postgres: PostgresServer, url: str, kill: bool) -> None:
    async with SqlStore.open(url, Wakeups()) as store:
        claim = await running_job(store)
        indexes = itertools.count()
        enough = asyncio.Event()
        writing = asyncio.create_task(advance_until(store, claim, indexes, enough))
        creating = [asyncio.create_task(create_until(store, enough)) for _ in range(4)]
        for _ in range(2):
            await asyncio.sleep(0.3)  # for some of each to be done, and some to be in the middle
            await asyncio.to_thread(own_postgres.crash if kill else own_postgres.restart)
            if kill:
                await asyncio.to_thread(own_postgres.start)
            before = len(await all_jobs(store))
            async with asyncio.timeout(PATIENCE_S):
                while len(await all_jobs(store)) <= before:
                    await asyncio.sleep(0.05)
        enough.set()
        async with asyncio.timeout(PATIENCE_S):
            stored = await writing
            created = set().union(*await asyncio.gather(*creating))
        job = await store.get_job(TENANT, claim.job.id)
        assert (job.segments, job.media_segments_done) == (stored, stored)
        await check_history(store, job.name, job.sequence, job.history_start)
        # None was refused as taken already: its first writing would have been committed unseen.
        assert {each.id for each in await all_jobs(store)} == created | {claim.job.id}


async def advance_until(store: SqlStore, claim: Claim, indexes: Iterator[int], enough: asyncio.Event) -> int:
    for index in indexes:
        if enough.is_set():
            return index
        await store.advance(claim, step(index))
    raise AssertionError


async def create_until(store: SqlStore, enough: asyncio.Event) -> set[str]:
    created = set()
    while not enough.is_set():
        created.add((await store.create_job(new_job())).id)
    return created


async def test_a_commit_whose_answer_is_lost_is_not_done_again(url: str, relay: SocketRelay) -> None:
    async with SqlStore.open(relay.url(url), Wakeups()) as store:
        claim = await running_job(store)
        relay.lose_next_answer_to(b"COMMIT")
        await store.advance(claim, step(0))
        assert relay.lost == 1
        job = await store.get_job(TENANT, claim.job.id)
        assert job.segments == 1
        await check_history(store, job.name, job.sequence, job.history_start)


async def test_a_commit_that_never_arrives_is_done_again(url: str, relay: SocketRelay) -> None:
    async with SqlStore.open(relay.url(url), Wakeups()) as store:
        claim = await running_job(store)
        relay.lose_next(b"COMMIT")
        await store.advance(claim, step(0))
        assert relay.lost == 1
        assert (await store.get_job(TENANT, claim.job.id)).segments == 1


async def test_another_transaction_with_the_same_id_is_not_taken_for_a_lost_one(
    own_postgres: PostgresServer, url: str, relay: SocketRelay
) -> None:
    """After a crash PostgreSQL gives the ids of transactions that left nothing on the disk to others."""
    async with SqlStore.open(url, Wakeups()) as other, SqlStore.open(relay.url(url), Wakeups()) as store:
        await other.create_job(new_job())
        relay.lose_next(b"COMMIT", hold=True)
        creating = asyncio.create_task(store.create_job(new_job("lost")))
        async with asyncio.timeout(PATIENCE_S):
            await relay.holds.wait()
        await asyncio.to_thread(own_postgres.restart)
        await asyncio.gather(*(other.create_job(new_job()) for _ in range(5)))
        relay.release()
        async with asyncio.timeout(PATIENCE_S):
            await creating
        assert "lost" in {job.id for job in await all_jobs(other)}


@pytest.mark.usefixtures("impatient")
async def test_callers_are_told_once_the_database_stays_away_and_the_patient_wait(
    own_postgres: PostgresServer, url: str
) -> None:
    async with SqlStore.open(url, Wakeups()) as store:
        job = await store.create_job(new_job())
        assert store.serving
        await asyncio.to_thread(own_postgres.crash)
        waiting = asyncio.create_task(store.patient().create_job(new_job()))
        try:
            with pytest.raises(DatabaseUnavailableError):
                await store.get_job(TENANT, job.id)
            with pytest.raises(DatabaseUnavailableError):
                await store.create_job(new_job())
            assert not store.serving
            assert not waiting.done()
        finally:
            await asyncio.to_thread(own_postgres.start)
        async with asyncio.timeout(PATIENCE_S):
            made = await waiting
        assert {each.id for each in await all_jobs(store)} == {job.id, made.id}
        assert store.serving


@pytest.mark.usefixtures("impatient")
async def test_a_store_of_which_nobody_asks_anything_learns_that_the_database_is_back(
    own_postgres: PostgresServer, url: str
) -> None:
    async with SqlStore.open(url, Wakeups()) as store:
        await asyncio.to_thread(own_postgres.crash)
        async with asyncio.timeout(PATIENCE_S):
            while store.serving:
                await asyncio.sleep(0.02)
        await asyncio.to_thread(own_postgres.start)
        async with asyncio.timeout(PATIENCE_S):
            while not store.serving:
                await asyncio.sleep(0.02)


async def test_everybody_is_woken_once_the_database_is_back(own_postgres: PostgresServer, url: str) -> None:
    wakeups = Wakeups()
    async with SqlStore.open(url, wakeups), SqlStore.open(url, Wakeups()) as other:
        with wakeups.listening(QUEUE) as queue, wakeups.listening("jobs/any") as job:
            await asyncio.to_thread(own_postgres.restart)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(queue.wait(), job.wait())
            # From there on it hears what others commit, as before.
            created = await other.create_job(new_job())
        with wakeups.listening(created.name) as woken:
            await other.cancel_job(TENANT, created.id)
            async with asyncio.timeout(PATIENCE_S):
                await woken.wait()


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_not_there_keeps_a_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not answer"):
        async with SqlStore.open(f"postgresql://postgres@/none?host={tmp_path}", Wakeups()):
            pytest.fail("it opened")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/test_", "/missing_"), "does not exist"),
        (("postgres@", "nobody@"), "nobody"),
        (("?host", "?no_such_option=1&host"), "no_such_option"),
        (("?host", "?sslmode=sometimes&host"), "sslmode"),
    ],
)
async def test_what_the_database_refuses_is_said_at_once(url: str, change: tuple[str, str], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        async with SqlStore.open(url.replace(*change), Wakeups()):
            pytest.fail("it opened")


async def test_options_of_the_url_are_asked_of_the_database(own_postgres: PostgresServer, url: str) -> None:
    def setting(connection: Connection) -> tuple[str, str, str]:
        names = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
        one, two, three = (str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names)
        return one, two, three

    async with SqlStore.open(f"{url}&application_name=calls&statement_timeout=7s", Wakeups(), pool_size=3) as store:
        assert await store._database.read(setting) == ("calls", "7s", "10s")
        await asyncio.gather(*(store.create_job(new_job()) for _ in range(20)))
        sessions = await own_postgres.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'calls'")
        assert len(sessions) <= 3 + 1


async def test_a_transaction_of_one_that_fell_asleep_holds_up_nobody_for_long(url: str) -> None:
    options = f"{url}&idle_in_transaction_session_timeout=500ms"
    async with SqlStore.open(options, Wakeups()) as sleeper, SqlStore.open(url, Wakeups()) as other:
        job = await sleeper.create_job(new_job())
        async with locked(sleeper, job.id):
            async with asyncio.timeout(PATIENCE_S):
                await other.cancel_job(TENANT, job.id)
        assert not await claim_all(other)


@asynccontextmanager
async def locked(store: SqlStore, job_id: str) -> AsyncIterator[None]:
    """A transaction that has locked a job, and then nothing."""
    async with store._database._engine.connect() as connection:  # type: ignore[attr-defined]
        await connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        yield
        await connection.invalidate()
