"""A server that cannot keep its leases: it goes on as long as they last, and then leaves its jobs to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.domain.job import State
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.operations.submit import NewJob
from tests.in_process_service import PATIENCE_S, TENANT, in_process_service
from tests.scripted_engine import ScriptedTranscriber

BESIDE = OutputConfig(OutputLayout.ADJACENT)


async def away(*_: object, **__: object) -> NoReturn:
    raise DatabaseUnavailableError("it is away")


async def test_a_run_ends_well_though_its_lease_cannot_be_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_process_service(tmp_path) as service:
        monkeypatch.setattr(service.store, "renew", away)
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=BESIDE)))
        assert (job.state, job.attempt) == (State.SUCCEEDED, 1)


async def test_a_run_whose_lease_is_over_is_given_up_and_another_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber, lease_s=0.5) as service:
        with monkeypatch.context() as database:
            database.setattr(service.store, "renew", away)
            job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=BESIDE))
            async with asyncio.timeout(PATIENCE_S):
                await transcriber.started.wait()
                database.setattr(service.store, "claim", away)
                while service.dispatch.running:
                    await asyncio.sleep(0.01)
            assert (await service.store.get_job(TENANT, job.id)).state is State.RUNNING
        transcriber.flowing.set()
        async with asyncio.timeout(PATIENCE_S):
            while not await service.store.recover(5, exclusive_owner=False):
                await asyncio.sleep(0.01)
        job = await service.ended(job)
        assert (job.state, job.attempt) == (State.SUCCEEDED, 2)


async def test_what_another_has_taken_over_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process_service(tmp_path) as service:
        read_segments = service.store.read_segments
        taken_over = asyncio.Event()

        async def claimed_by_another(job_id: str) -> AsyncIterator[Segment]:
            """All is heard, and nothing written yet."""
            monkeypatch.undo()
            monkeypatch.setattr(service.store, "claim", away)
            assert await service.store.recover(5, exclusive_owner=True) == 1
            monkeypatch.undo()
            assert len(await service.store.claim("another", 1, 30)) == 1
            taken_over.set()
            async for segment in read_segments(job_id):
                yield segment

        monkeypatch.setattr(service.store, "read_segments", claimed_by_another)
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=BESIDE))
        async with asyncio.timeout(PATIENCE_S):
            await taken_over.wait()
            while service.dispatch.running:
                await asyncio.sleep(0.01)
        assert [path.name for path in tmp_path.glob("a.wav*")] == ["a.wav"]
        job = await service.store.get_job(TENANT, job.id)
        assert (job.state, job.attempt) == (State.RUNNING, 2)


async def test_a_server_drains_while_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async with asyncio.timeout(PATIENCE_S):
            await transcriber.started.wait()
            for name in ("renew", "claim", "release"):
                monkeypatch.setattr(service.store, name, away)
            await service.dispatch.drain(grace_s=0)
        assert service.dispatch.running == 0
