"""Batches whose store keeps them waiting, beside others: a gate stands for a bucket that gives and takes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.job import State
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict, OutputConfig
from batchscribe_server.operations.storage import LocalInput, WrittenFile
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.roots import FileRoots
from tests.in_process_service import PATIENCE_S, TENANT, InProcessService, in_process_service

FILES = 20
PLACES = 4
FETCHING = 2  # what a batch alone may of so many places


class GatedFiles(FileStorage):
    """Files that are given and taken at once, but for those of folders called `slow`: these wait for the gate."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FileRoots([folder]))
        self.gate = asyncio.Event()
        self.waiting = 0

    @asynccontextmanager
    async def open_input(self, uri: str, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The file, once the gate is open."""
        await self._pass(uri)
        async with super().open_input(uri, party) as opened:
            yield opened

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file, once the gate is open."""
        await self._pass(uri)
        return await super().write_output(uri, data, on_conflict)

    async def _pass(self, uri: str) -> None:
        if "/slow/" in uri:
            self.waiting += 1
            await self.gate.wait()


async def submitted(service: InProcessService, name: str, files: int = FILES, output: str = "") -> Batch:
    for number in range(files):
        service.audio(f"{name}/{number:02}.wav")
    outputs = OutputConfig(uri=(service.folder / output).as_uri()) if output else OutputConfig()
    return await service.submit.batch(TENANT, NewBatch(PrefixInput((service.folder / name).as_uri()), output=outputs))


async def none_but_waiting(files: GatedFiles, count: int) -> None:
    """Until so many files wait at the gate."""
    async with asyncio.timeout(PATIENCE_S):
        while files.waiting < count:
            await asyncio.sleep(0)


async def test_a_batch_succeeds_while_the_bucket_of_another_gives_nothing(tmp_path: Path) -> None:
    files = GatedFiles(tmp_path)
    async with in_process_service(tmp_path, max_running=PLACES, storages={"file": files}) as service:
        slow = await submitted(service, "in/slow")
        await none_but_waiting(files, FETCHING)
        quick = await service.batch_ended(await submitted(service, "in/quick"))
        assert quick.counts.succeeded == FILES
        lone = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("lone.wav"))))
        assert lone.state is State.SUCCEEDED
        assert (await service.store.get_batch(TENANT, slow.id)).counts.running == FETCHING
        files.gate.set()
        assert (await service.batch_ended(slow)).counts.succeeded == FILES
        await service.dispatch.drain(grace_s=PATIENCE_S)


async def test_a_batch_succeeds_while_the_bucket_of_another_takes_nothing(tmp_path: Path) -> None:
    files = GatedFiles(tmp_path)
    async with in_process_service(tmp_path, max_running=PLACES, storages={"file": files}) as service:
        slow = await submitted(service, "in/other", output="out/slow/")
        await none_but_waiting(files, FETCHING)
        quick = await service.batch_ended(await submitted(service, "in/quick", output="out/quick/"))
        assert quick.counts.succeeded == FILES
        stuck = (await service.store.get_batch(TENANT, slow.id)).counts
        assert 0 < stuck.running <= 2 * PLACES
        assert stuck.succeeded == 0
        files.gate.set()
        assert (await service.batch_ended(slow)).counts.succeeded == FILES


@pytest.mark.parametrize("waits", ["in/slow", "in/other"])
async def test_a_batch_that_waits_for_its_bucket_is_cancelled_at_once(tmp_path: Path, waits: str) -> None:
    files = GatedFiles(tmp_path)
    async with in_process_service(tmp_path, max_running=PLACES, storages={"file": files}) as service:
        slow = await submitted(service, waits, output="out/slow/")
        await none_but_waiting(files, FETCHING)
        await service.store.cancel_batch(TENANT, slow.id)
        assert (await service.batch_ended(slow)).state is State.CANCELLED
        again = await service.batch_ended(await submitted(service, "in/quick"))
        assert again.counts.succeeded == FILES  # nothing of the places is lost
        assert not files.gate.is_set()


async def test_many_batches_that_wait_leave_something_to_the_next(tmp_path: Path) -> None:
    files = GatedFiles(tmp_path)
    async with in_process_service(tmp_path, max_running=16, storages={"file": files}) as service:
        waiting = 0
        for number, places in enumerate((6, 4, 2, 2)):
            await submitted(service, f"in{number}/slow")
            waiting += places
            await none_but_waiting(files, waiting)
        quick = await service.batch_ended(await submitted(service, "in/quick"))
        assert quick.counts.succeeded == FILES
        assert files.waiting == waiting
