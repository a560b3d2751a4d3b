"""PostgreSQL is restarted, and goes away for longer, while a server works: every file is finished, no event twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from batchscribe import AsyncClient, DatabaseUnavailableError, output_config
from batchscribe.v1 import state_pb2
from batchscribe.v1.event_pb2 import BatchEvent
from tests.many_files import make_files, words
from tests.postgres_server import PostgresServer, postgres_server
from tests.running_server import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]

FILES = 24
RESTART_AFTER = (3, 10)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


async def test_a_batch_goes_on_while_the_database_is_restarted(tmp_path: Path, postgres: PostgresServer) -> None:
    said = make_files(tmp_path / "calls", FILES)
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start, BATCHSCRIBE_DATABASE__URL=await postgres.create_database())
        async with AsyncClient(server.address) as client:
            batch = await client.submit_batch(
                (tmp_path / "calls").as_uri() + "/",
                output=output_config((tmp_path / "out").as_uri() + "/", formats=["txt"], layout="prefix"),
            )
            events: list[BatchEvent] = []
            ended = 0
            async for event in client.watch_batch(batch.name):
                events.append(event)
                if event.WhichOneof("event") == "job_change" and event.job_change.state == state_pb2.STATE_SUCCEEDED:
                    ended += 1
                    if ended in RESTART_AFTER:
                        await asyncio.to_thread(postgres.restart)
            batch = await client.get_batch(batch.name)
            jobs = [job async for job in client.list_jobs(batch=batch.name)]
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.close()
    assert batch.state == state_pb2.STATE_SUCCEEDED
    assert (batch.counts.total, batch.counts.succeeded) == (FILES, FILES)
    assert {job.attempt for job in jobs} == {1}
    sequences = [event.sequence for event in events if event.WhichOneof("event") not in ("snapshot", "heartbeat")]
    assert sequences == sorted(set(sequences))
    changes = [event.job_change for event in events if event.WhichOneof("event") == "job_change"]
    succeeded = [change.job for change in changes if change.state == state_pb2.STATE_SUCCEEDED]
    assert sorted(succeeded) == sorted(job.name for job in jobs)
    written = {path.name.removesuffix(".txt"): path.read_text() for path in (tmp_path / "out").iterdir()}
    assert {name: words(text) for name, text in written.items()} == {name: words(text) for name, text in said.items()}


@pytest.mark.parametrize(
    ("goes_away", "comes_back"),
    [(PostgresServer.crash, PostgresServer.start), (PostgresServer.hang, PostgresServer.go_on)],
    ids=["killed", "hung"],
)
async def test_a_server_says_so_while_the_database_is_away_and_goes_on(
    tmp_path: Path,
    postgres: PostgresServer,
    goes_away: Callable[[PostgresServer], None],
    comes_back: Callable[[PostgresServer], None],
) -> None:
    server = RunningServer(tmp_path, "--model=tiny.en")
    make_files(tmp_path / "calls", 1)
    (file,) = (tmp_path / "calls").iterdir()
    try:
        await asyncio.to_thread(server.start, BATCHSCRIBE_DATABASE__URL=await postgres.create_database())
        async with (
            AsyncClient(server.address, retry_s=0.1) as client,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            await asyncio.to_thread(goes_away, postgres)
            await until_health_is(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
            with pytest.raises(DatabaseUnavailableError) as raised:
                await client.submit(file.as_uri())
            assert raised.value.code is grpc.StatusCode.UNAVAILABLE
            assert server.process.is_running()
            await asyncio.to_thread(comes_back, postgres)
            await until_health_is(channel, health_pb2.HealthCheckResponse.SERVING)
            job = await client.submit(file.as_uri())
            async for event in client.watch_job(job.name):
                last = event
            assert last.state_change.state == state_pb2.STATE_SUCCEEDED
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.close()
    assert '"exception"' not in server.log.read_text()  # nothing of it came as a surprise


async def until_health_is(channel: grpc.aio.Channel, status: int) -> None:
    async for answer in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=90):
        if answer.status == status:
            return
    raise AssertionError("the health service ended its watch")
