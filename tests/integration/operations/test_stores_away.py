"""A store that is away for a while, in the middle of a batch: its files wait, and none is transcribed twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.errors import JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.event import BatchJobChanged
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict, OutputConfig
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.storage import FoundObject, LocalInput, WrittenFile
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.operations.transcriber import TranscriptionRequest
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.roots import FileRoots
from tests.in_process_service import PATIENCE_S, TENANT, InProcessService, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

FILES = 8
HOURS = Patience(max_away_s=3600.0, first_pause_s=0.02)


class AwayFiles(FileStorage):
    """Files of a store that goes away: below folders of the names in `away` nothing is answered."""

    def __init__(self, folder: Path, *away: str) -> None:
        super().__init__(FileRoots([folder]))
        self.away = set(away)
        self.asked = asyncio.Event()

    @asynccontextmanager
    async def open_input(self, uri: str, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The file, where its store is there."""
        self._ask(uri, Reason.FETCH_FAILED)
        async with super().open_input(uri, party) as opened:
            yield opened

    async def list_prefix(
        self, uri: str, include_globs: Sequence[str] = (), exclude_globs: Sequence[str] = (), after_cursor: str = ""
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """The files, where their store is there."""
        self._ask(uri, Reason.SCAN_FAILED)
        async for chunk in super().list_prefix(uri, include_globs, exclude_globs, after_cursor):
            yield chunk

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file, where its store is there."""
        self._ask(uri, Reason.OUTPUT_FAILED)
        return await super().write_output(uri, data, on_conflict)

    def _ask(self, uri: str, reason: Reason) -> None:
        if self.away & set(uri.split("/")):
            self.asked.set()
            raise StoreAwayFailure(reason, f"{uri}: nobody answers")


def bad_file_fails(request: TranscriptionRequest) -> Script:
    failure = JobFailure(Reason.DECODE_FAILED, "It is broken.") if request.file_name.endswith("bad.wav") else None
    return Script(failure=failure)


async def submitted(service: InProcessService) -> Batch:
    for name in [*(f"{number}.wav" for number in range(FILES - 1)), "bad.wav"]:
        service.audio(f"in/{name}")
    output = OutputConfig(uri=(service.folder / "out").as_uri(), write_report=True)
    return await service.submit.batch(
        TENANT, NewBatch(PrefixInput((service.folder / "in").as_uri()), output=output), batch_id="calls"
    )


async def jobs_that_wait(service: InProcessService, batch: Batch, count: int) -> list[Job]:
    """All of a batch's jobs, once so many of them wait."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            page = await service.store.list_jobs(ListQuery(TENANT, 100, batch_id=batch.id))
            if sum(job.waiting is not None and job.state is State.QUEUED for job in page.items) >= count:
                return list(page.items)
            await asyncio.sleep(0.01)


async def check_ended_as_without_it(service: InProcessService, batch: Batch) -> None:
    """The batch ends as if nothing had been away: each file transcribed once."""
    ended = await service.batch_ended(batch)
    assert (ended.counts.succeeded, ended.counts.failed, ended.warning) == (FILES - 1, 1, "")
    heard = [request.file_name for request in service.transcriber.requests]
    assert len(heard) == len(set(heard)) == FILES
    assert {path.name for path in (service.folder / "out").iterdir()} == {
        *(f"{number}.wav.json" for number in range(FILES - 1)),
        "bad.wav.notice",
        "calls.report.jsonl",
    }
    report = (service.folder / "out" / "calls.report.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["state"] for line in report) == ["FAILED"] + ["SUCCEEDED"] * (FILES - 1)


async def test_outputs_are_written_once_their_store_is_back(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path, "out")
    transcriber = ScriptedTranscriber(bad_file_fails)
    async with in_process_service(tmp_path, transcriber, storages={"file": files}, patience=HOURS) as service:
        batch = await submitted(service)
        waiting = await jobs_that_wait(service, batch, FILES)
        assert {job.waiting.why.reason for job in waiting if job.waiting} == {Reason.OUTPUT_FAILED}
        assert {job.attempt for job in waiting} == {0}
        files.away.clear()
        await check_ended_as_without_it(service, batch)
        told = await service.store.read_events(batch.name, 0, 1_000)
        assert any(
            event.detail.error is not None and event.detail.error.reason is Reason.OUTPUT_FAILED
            for event in told
            if isinstance(event.detail, BatchJobChanged) and event.detail.state is State.QUEUED
        )


async def test_inputs_are_fetched_once_their_store_is_back_and_others_go_on(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path)
    transcriber = ScriptedTranscriber(bad_file_fails)
    transcriber.ready.clear()
    async with in_process_service(tmp_path, transcriber, storages={"file": files}, patience=HOURS) as service:
        batch = await submitted(service)
        async with asyncio.timeout(PATIENCE_S):
            while not (await service.store.get_batch(TENANT, batch.id)).scanned:
                await asyncio.sleep(0.01)
        files.away.add("in")
        transcriber.ready.set()
        await jobs_that_wait(service, batch, FILES)
        other = await service.submit.job(TENANT, NewJob(service.audio("other/a.wav")))
        assert (await service.ended(other)).state is State.SUCCEEDED
        transcriber.requests.clear()
        files.away.clear()
        await check_ended_as_without_it(service, batch)


async def test_a_scan_and_a_report_wait_as_well(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path, "in")
    transcriber = ScriptedTranscriber(bad_file_fails)
    async with in_process_service(tmp_path, transcriber, storages={"file": files}, patience=HOURS) as service:
        batch = await submitted(service)
        await files.asked.wait()
        files.away = {"calls.report.jsonl"}
        files.asked.clear()
        await files.asked.wait()
        unfinished = await service.store.get_batch(TENANT, batch.id)
        assert (unfinished.state, unfinished.counts.finished) == (State.RUNNING, FILES)
        files.away.clear()
        await check_ended_as_without_it(service, batch)


async def test_waiting_and_what_was_transcribed_outlive_the_server(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path, "out")
    transcriber = ScriptedTranscriber(bad_file_fails)
    async with in_process_service(tmp_path, transcriber, storages={"file": files}, patience=HOURS) as service:
        batch = await submitted(service)
        await jobs_that_wait(service, batch, FILES)
    files.away.clear()
    async with in_process_service(
        tmp_path, transcriber, storages={"file": files}, patience=HOURS, first_id=1000
    ) as service:
        await check_ended_as_without_it(service, batch)


async def test_a_file_that_waits_is_cancelled_at_once(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path, "in")
    patience = Patience(3600.0, first_pause_s=600.0)
    async with in_process_service(tmp_path, storages={"file": files}, patience=patience) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("in/a.wav")))
        async with asyncio.timeout(PATIENCE_S):
            while (await service.store.get_job(TENANT, job.id)).waiting is None:
                await asyncio.sleep(0.01)
        assert (await service.store.cancel_job(TENANT, job.id)).state is State.CANCELLED


async def test_the_wait_has_an_end_which_the_file_tells(tmp_path: Path) -> None:
    files = AwayFiles(tmp_path, "in")
    patience = Patience(max_away_s=0.3, first_pause_s=0.05)
    async with in_process_service(tmp_path, storages={"file": files}, patience=patience) as service:
        ended = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("in/a.wav"))))
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (State.FAILED, Reason.FETCH_FAILED)
    assert "storage.max_away_s" in ended.error.message
    assert ended.waiting is None
