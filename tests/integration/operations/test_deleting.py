"""Deleting with outputs: what goes, what stays, and what is told where something can't be removed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchscribe_server.domain.access import Fetch, Profile, S3Credentials, StorageAccess
from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import (
    BatchNotFoundError,
    CredentialsDeletedError,
    EtagMismatchError,
    JobFailure,
    JobNotFoundError,
    Reason,
)
from batchscribe_server.domain.job import State
from batchscribe_server.domain.recognition import OnConflict, OutputConfig, RecognitionConfig, TranscriptFormat
from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.store import SealedAccess
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.contract.store.samples import all_jobs, new_batch
from tests.in_process_service import PATIENCE_S, TENANT, InProcessService, in_process_service

UNREADABLE = SealedAccess(b"sealed with a key that is gone", holds_secrets=True)
FORMATS = (TranscriptFormat.TEXT, TranscriptFormat.JSON)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def output_of(service: InProcessService, **fields: object) -> OutputConfig:
    return OutputConfig(uri=(service.folder / "out").as_uri(), formats=FORMATS, **fields)  # type: ignore[arg-type]


async def submitted(service: InProcessService, files: int, output: OutputConfig) -> Batch:
    for number in range(files):
        service.audio(f"in/{number:03}.wav")
    new = NewBatch(PrefixInput((service.folder / "in").as_uri()), output=output)
    return await service.submit.batch(TENANT, new, batch_id="calls")


async def ended_batch(service: InProcessService, files: int, **fields: object) -> Batch:
    return await service.batch_ended(await submitted(service, files, output_of(service, **fields)))


async def gone(service: InProcessService, batch: Batch) -> None:
    with service.wakeups.listening(batch.name) as woken:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                woken.clear()
                try:
                    await service.store.get_batch(TENANT, batch.id)
                except BatchNotFoundError:
                    return
                await woken.wait()


async def test_a_batch_takes_its_outputs_and_its_report_along_and_nothing_else(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await ended_batch(service, 130, write_report=True)
        assert len(files_in(tmp_path / "out")) == 261
        (tmp_path / "out" / "other.txt").touch()
        inputs = files_in(tmp_path / "in")
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == {"other.txt"}
        assert files_in(tmp_path / "in") == inputs
        assert await all_jobs(service.store) == []
        with pytest.raises(BatchNotFoundError):
            await service.delete.batch(TENANT, batch.id, outputs=True)


async def test_the_notice_of_a_failed_file_goes_as_well(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.wav.notice").touch()
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        job = await service.ended(
            await service.submit.job(TENANT, NewJob((tmp_path / "gone.wav").as_uri(), output=output))
        )
        assert files_in(tmp_path / "out") == {"gone.wav.notice", "mine.wav.notice"}
        await service.delete.job(TENANT, job.id, outputs=True)
        assert files_in(tmp_path / "out") == {"mine.wav.notice"}


async def test_outputs_stay_unless_they_are_asked_for(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await ended_batch(service, 1)
        with pytest.raises(EtagMismatchError):
            await service.delete.batch(TENANT, batch.id, "1", outputs=True)
        await service.delete.batch(TENANT, batch.id)
        assert len(files_in(tmp_path / "out")) == 2


async def test_what_was_there_before_is_left_alone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        (tmp_path / "out").mkdir()
        for suffix in ("txt", "json"):
            (tmp_path / "out" / f"000.wav.{suffix}").write_text("somebody's")
        batch = await ended_batch(service, 2, on_conflict=OnConflict.SKIP)
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == {"000.wav.txt", "000.wav.json"}


async def test_one_output_of_two_that_was_there_before_is_left_alone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "000.wav.txt").write_text("somebody's")
        batch = await ended_batch(service, 1, on_conflict=OnConflict.SKIP)
        assert (tmp_path / "out" / "000.wav.txt").read_text() == "somebody's"
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == {"000.wav.txt"}


async def test_a_running_batch_is_stopped_first(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, max_running=1) as service:
        service.transcriber.flowing.clear()
        batch = await submitted(service, 2, output_of(service))
        await service.transcriber.started.wait()
        async with asyncio.timeout(PATIENCE_S):
            await service.delete.batch(TENANT, batch.id, outputs=True)
        with pytest.raises(BatchNotFoundError):
            await service.store.get_batch(TENANT, batch.id)
        assert service.transcriber.open == 0
        assert files_in(tmp_path / "out") == set()


async def test_an_output_that_cannot_be_removed_is_told_and_keeps_its_record(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await ended_batch(service, 3)
        blocked = tmp_path / "out" / "001.wav.txt"
        blocked.unlink()
        blocked.mkdir()
        with pytest.raises(JobFailure) as failure:
            await service.delete.batch(TENANT, batch.id, outputs=True)
        assert failure.value.reason is Reason.OUTPUT_FAILED
        kept = await service.store.get_batch(TENANT, batch.id)
        assert (kept.state, kept.deletion, kept.counts.total) == (State.SUCCEEDED, None, 3)
        assert "001.wav.txt" in kept.warning
        blocked.rmdir()
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == set()


async def test_nothing_goes_where_the_credentials_are_gone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = new_batch(input=PrefixInput(tmp_path.as_uri()), output=output_of(service))
        # Its credentials can't be read, so that it fails; they are deleted at its end like all others.
        batch = await service.batch_ended(await service.store.create_batch(batch, access=UNREADABLE))
        with pytest.raises(CredentialsDeletedError):
            await service.delete.batch(TENANT, batch.id, outputs=True)
        assert (await service.store.get_batch(TENANT, batch.id)).deletion is None
        await service.delete.batch(TENANT, batch.id)


async def test_outputs_that_took_no_credentials_go_without_them(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/000.wav")
        batch = new_batch(input=PrefixInput((tmp_path / "in").as_uri()), output=output_of(service))
        sealed = service.reach.sealed(StorageAccess(Fetch("https://example.org/?sig=1"), None))
        batch = await service.batch_ended(await service.store.create_batch(batch, access=sealed))
        assert len(files_in(tmp_path / "out")) == 2
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == set()


async def test_an_input_with_a_secret_leaves_its_outputs_their_profile(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = new_batch(input=PrefixInput((tmp_path / "in").as_uri()))
        profile = Profile("archive")
        sealed = service.reach.sealed(StorageAccess(S3Credentials("AKIA", "SECRET"), profile))
        batch = await service.batch_ended(await service.store.create_batch(batch, access=sealed))
        with pytest.raises(JobFailure, match="'archive'"):  # there is none of that name, so it was read back
            async with service.reach.of(batch.name):
                pass


async def test_a_deletion_that_was_cut_off_goes_on_after_the_next_start(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await ended_batch(service, 3)
        assert len(files_in(tmp_path / "out")) == 6
        # As a kill leaves it: marked, one file's outputs and record gone, those of another half.
        service.delete._awaited.add(batch.name)
        await service.store.begin_delete_batch(TENANT, batch.id, deletion=Deletion.OUTPUTS)
        jobs = await all_jobs(service.store, batch.id)
        for uri in [*(output.uri for output in jobs[0].outputs), jobs[1].outputs[0].uri]:
            Path(uri.removeprefix("file://")).unlink()
        await service.store.remove_jobs(jobs[:1])
    async with in_process_service(tmp_path) as service:
        await gone(service, batch)
        assert files_in(tmp_path / "out") == set()
        assert await all_jobs(service.store) == []


async def test_a_client_that_stops_waiting_stops_nothing(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, max_running=1) as service:
        service.transcriber.flowing.clear()
        batch = await submitted(service, 2, output_of(service))
        await service.transcriber.started.wait()
        deleting = asyncio.create_task(service.delete.batch(TENANT, batch.id, outputs=True))
        while (await service.store.get_batch(TENANT, batch.id)).deletion is None:
            await asyncio.sleep(0)
        deleting.cancel()
        await asyncio.wait([deleting])
        await gone(service, batch)


async def test_of_two_who_delete_the_same_neither_is_told_that_it_is_gone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, max_running=1) as service:
        service.transcriber.flowing.clear()
        batch = await submitted(service, 2, output_of(service))
        await service.transcriber.started.wait()
        async with asyncio.timeout(PATIENCE_S):
            both = (service.delete.batch(TENANT, batch.id, outputs=True) for _ in range(2))
            await asyncio.gather(*both)
        with pytest.raises(BatchNotFoundError):
            await service.store.get_batch(TENANT, batch.id)
        job = await service.submit.job(TENANT, NewJob(service.audio("alone.wav"), output=output_of(service)))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(service.delete.job(TENANT, job.id, outputs=True) for _ in range(2)))
        assert files_in(tmp_path / "out") == set()


async def test_a_notice_beside_outputs_that_were_spared_is_left_alone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        (tmp_path / "out").mkdir()
        kept = {"000.wav.txt", "000.wav.json", "000.wav.notice"}
        for name in kept:
            (tmp_path / "out" / name).write_text("somebody's")
        service.audio("in/000.wav")
        output = output_of(service, on_conflict=OnConflict.SKIP)
        new = NewBatch(
            PrefixInput((tmp_path / "in").as_uri()), config=RecognitionConfig(enable_entities=True), output=output
        )
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
        await service.delete.batch(TENANT, batch.id, outputs=True)
        assert files_in(tmp_path / "out") == kept


async def test_a_job_takes_its_outputs_along(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=output_of(service)))
        await service.ended(job)
        assert len(files_in(tmp_path / "out")) == 2
        await service.delete.job(TENANT, job.id, outputs=True)
        assert files_in(tmp_path / "out") == set()
        with pytest.raises(JobNotFoundError):
            await service.store.get_job(TENANT, job.id)


async def test_a_running_job_is_stopped_and_leaves_its_batch(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, max_running=1) as service:
        service.transcriber.flowing.clear()
        batch = await submitted(service, 1, output_of(service))
        await service.transcriber.started.wait()
        (job,) = await all_jobs(service.store, batch.id)
        async with asyncio.timeout(PATIENCE_S):
            await service.delete.job(TENANT, job.id, outputs=True)
        batch = await service.batch_ended(batch)
        assert (batch.state, batch.counts.total) == (State.SUCCEEDED, 0)


async def test_results_that_expired_go_and_their_outputs_stay(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=1_000)
        await spool.start()
        house = Housekeeping(service.store, spool, KeepingPolicy(history_s=3_600), sole_owner=True)
        service.audio("in/a.wav")
        new = NewBatch(PrefixInput((tmp_path / "in").as_uri()), output=output_of(service), retention_ms=1)
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
        job = await service.submit.job(TENANT, NewJob(service.audio("b.wav"), retention_ms=1))
        await service.ended(job)
        kept = await service.submit.job(TENANT, NewJob(service.audio("c.wav")))
        await service.ended(kept)
        await house.keep()
        await gone(service, batch)
        assert [each.id for each in await all_jobs(service.store)] == [kept.id]
        assert files_in(tmp_path / "out") == {"a.wav.txt", "a.wav.json"}
