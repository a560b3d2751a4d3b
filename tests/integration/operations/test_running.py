"""Jobs and batches from submission to their end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput, PrefixInput
from batchscribe_server.domain.errors import InvalidArgumentError, JobFailure, Reason, TranscriptNotFoundError
from batchscribe_server.domain.event import Event, SegmentHeard
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import (
    Diarization,
    DiarizationMode,
    OnConflict,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    SummaryConfig,
    SummaryStyle,
    TranscriptFormat,
)
from batchscribe_server.metrics.exposition import new_registry
from batchscribe_server.metrics.jobs import JobMetrics
from batchscribe_server.operations.store import BatchChanges
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.operations.transcriber import TranscriptionRequest
from tests.in_process_service import PATIENCE_S, TENANT, in_process_service
from tests.scripted_diarizer import ScriptedDiarizer
from tests.scripted_engine import Script, ScriptedTranscriber

WORDS = "hello there general audience goodbye"


async def test_a_job_is_transcribed_and_its_transcript_is_kept(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        assert job.state is State.QUEUED
        job = await service.ended(job)
        assert job.state is State.SUCCEEDED
        assert (job.attempt, job.segments, job.audio_duration_ms) == (1, 3, 6_000)
        pieces = await service.read_transcript(TENANT, job.id, TranscriptFormat.TEXT)
        assert b"".join(pieces).decode().split() == WORDS.split()


SUMMED_UP = RecognitionConfig(summary=SummaryConfig(SummaryStyle.BULLETS))


async def test_any_format_is_read_later_from_what_was_heard_once(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        new = NewJob(service.audio("a.wav"), config=SUMMED_UP)
        job = await service.ended(await service.submit.job(TENANT, new))
        for format in TranscriptFormat:
            text = b"".join(await service.read_transcript(TENANT, job.id, format)).decode()
            assert all(word in text for word in WORDS.split())
        assert len(service.transcriber.requests) == 1


async def test_all_formats_of_a_run_are_written_beside_each_other(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        output = OutputConfig(OutputLayout.ADJACENT, formats=tuple(TranscriptFormat))
        new = NewJob(service.audio("a.wav"), output=output, config=SUMMED_UP)
        job = await service.ended(await service.submit.job(TENANT, new))
        assert job.state is State.SUCCEEDED
        suffixes = {"txt", "srt", "vtt", "json", "v2.json", "ibm.json", "tsv", "summary.txt"}
        assert {path.name for path in tmp_path.glob("a.wav.*")} == {f"a.wav.{suffix}" for suffix in suffixes}
        assert len(service.transcriber.requests) == 1
        for format in TranscriptFormat:
            read = b"".join(await service.read_transcript(TENANT, job.id, format))
            assert (tmp_path / f"a.wav.{format.value}").read_bytes() == read


@pytest.mark.parametrize("format", TranscriptFormat)
async def test_words_are_timed_for_the_formats_that_tell_when_they_are_said(
    tmp_path: Path, format: TranscriptFormat
) -> None:
    async with in_process_service(tmp_path) as service:
        output = OutputConfig(OutputLayout.ADJACENT, formats=(format,))
        await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=output)))
        (request,) = service.transcriber.requests
        assert request.word_times == (
            format in {TranscriptFormat.SRT, TranscriptFormat.VTT, TranscriptFormat.JSON_V2, TranscriptFormat.IBM_JSON}
        )


async def test_a_batch_mirrors_the_tree_of_its_input(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        names = ["calls/a b.wav", "calls/deep/er/ü#1?.mp3", "calls/100%.wav"]
        for name in names:
            service.audio(name)
        service.audio("calls/notes.txt")
        batch = await service.submit.batch(
            TENANT,
            NewBatch(
                PrefixInput((tmp_path / "calls").as_uri() + "/"),
                output=OutputConfig(
                    OutputLayout.PREFIX, (tmp_path / "out").as_uri(), (TranscriptFormat.TEXT, TranscriptFormat.SRT)
                ),
            ),
        )
        batch = await service.batch_ended(batch)
        assert batch.state is State.SUCCEEDED
        assert (batch.counts.total, batch.counts.succeeded, batch.counts.progress) == (3, 3, 1.0)
        written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
        expected = {name.removeprefix("calls/") + suffix for name in names for suffix in (".txt", ".srt")}
        assert written == expected


async def test_a_failed_file_leaves_a_notice_and_the_batch_goes_on(tmp_path: Path) -> None:
    def script(request: TranscriptionRequest) -> Script:
        failed = request.file_name.endswith("bad.wav")
        return Script(failure=JobFailure(Reason.NO_AUDIO, "There is no sound in it.") if failed else None)

    async with in_process_service(tmp_path, ScriptedTranscriber(script)) as service:
        uris = [service.audio(f"calls/{name}") for name in ("good.wav", "bad.wav", "fine.wav")]
        batch = await service.submit.batch(
            TENANT,
            NewBatch(
                ManifestInput(tuple(ManifestEntry(uri) for uri in uris)), output=OutputConfig(OutputLayout.ADJACENT)
            ),
        )
        batch = await service.batch_ended(batch)
        assert batch.state is State.SUCCEEDED
        assert (batch.counts.succeeded, batch.counts.failed) == (2, 1)
        notice = json.loads((tmp_path / "calls/bad.wav.notice").read_text())
        assert notice["error"]["reason"] == "NO_AUDIO"
        assert not (tmp_path / "calls/bad.wav.json").exists()
        assert (tmp_path / "calls/good.wav.json").exists()


async def test_an_unexpected_crash_of_one_run_is_that_jobs_internal_error(tmp_path: Path) -> None:
    def script(request: TranscriptionRequest) -> Script:
        if request.file_name.endswith("cursed.wav"):
            raise ZeroDivisionError
        return Script()

    async with in_process_service(tmp_path, ScriptedTranscriber(script)) as service:
        cursed = await service.submit.job(TENANT, NewJob(service.audio("cursed.wav")))
        blessed = await service.submit.job(TENANT, NewJob(service.audio("blessed.wav")))
        cursed, blessed = await service.ended(cursed), await service.ended(blessed)
        assert cursed.error is not None
        assert cursed.error.reason is Reason.INTERNAL
        assert blessed.state is State.SUCCEEDED


async def test_missing_input_fails_with_words(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob((tmp_path / "none.wav").as_uri())))
        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error.reason is Reason.FETCH_FAILED


async def test_cancelling_a_running_job_stops_it_and_closes_its_transcription(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async with asyncio.timeout(10):
            await transcriber.started.wait()
        await service.store.cancel_job(TENANT, job.id)
        job = await service.ended(job)
        assert job.state is State.CANCELLED
        assert transcriber.open == 0


async def test_a_new_priority_of_a_batch_reaches_the_files_that_run(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer()
    async with in_process_service(tmp_path, max_running=1, diarizer=diarizer) as service, asyncio.timeout(PATIENCE_S):
        transcriber = service.transcriber
        transcriber.flowing.clear()
        for name in ("a.wav", "b.wav"):
            service.audio(f"calls/{name}")
        new = NewBatch(
            PrefixInput((tmp_path / "calls").as_uri()),
            config=RecognitionConfig(diarization=Diarization(DiarizationMode.SPEAKER)),
        )
        batch = await service.submit.batch(TENANT, new)
        while service.dispatch.running < 2:  # one is heard, and one waits for that with its file at hand
            await asyncio.sleep(0)
        await transcriber.started.wait()
        await service.store.update_batch(TENANT, batch.id, BatchChanges(priority=7))
        while len(transcriber.prioritized) < 2:
            await asyncio.sleep(0)
        transcriber.flowing.set()
        await service.batch_ended(batch)
    jobs = {request.job_id for request in transcriber.requests}
    assert {*transcriber.prioritized} == {*diarizer.prioritized} == {(job, 7) for job in jobs}
    assert [request.priority for request in transcriber.requests] == [0, 7]
    assert [request.priority for request in diarizer.asked] == [0, 7]


async def test_the_ends_of_jobs_are_counted_by_state_and_reason(tmp_path: Path) -> None:
    def script(request: TranscriptionRequest) -> Script:
        if request.file_name == "bad.wav":
            return Script(failure=JobFailure(Reason.NO_AUDIO, "no audio stream"))
        return Script()

    registry = new_registry()
    transcriber = ScriptedTranscriber(script)
    async with in_process_service(tmp_path, transcriber, observer=JobMetrics(registry)) as service:
        for name in ("a.wav", "b.wav", "bad.wav"):
            await service.ended(await service.submit.job(TENANT, NewJob(service.audio(name))))
        transcriber.flowing.clear()
        transcriber.started.clear()
        job = await service.submit.job(TENANT, NewJob(service.audio("c.wav")))
        async with asyncio.timeout(10):
            await transcriber.started.wait()
        await service.store.cancel_job(TENANT, job.id)
        await service.dispatch.drain(grace_s=10)
    ended = {
        tuple(sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "batchscribe_jobs_ended_total"
    }
    assert ended == {("SUCCEEDED", ""): 2, ("FAILED", "NO_AUDIO"): 1, ("CANCELLED", ""): 1}


async def test_cancelling_a_batch_spares_the_queued_files(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber, max_running=1) as service:
        for k in range(5):
            service.audio(f"calls/{k}.wav")
        batch = await service.submit.batch(TENANT, NewBatch(PrefixInput((tmp_path / "calls").as_uri())))
        async with asyncio.timeout(10):
            await transcriber.started.wait()
        await service.store.cancel_batch(TENANT, batch.id)
        batch = await service.batch_ended(batch)
        assert batch.state is State.CANCELLED
        assert batch.counts.cancelled == batch.counts.total
        assert len(transcriber.requests) == 1


async def test_a_drained_run_is_released_and_goes_on_after_its_stored_segments(tmp_path: Path) -> None:
    slow = ScriptedTranscriber(lambda _: Script(texts=tuple(f"segment {k}" for k in range(6))))
    async with in_process_service(tmp_path, slow) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async for message in service.watch.job(TENANT, job.id, after=None, include_segments=True):
            if isinstance(message, Event) and isinstance(message.detail, SegmentHeard):
                slow.flowing.clear()
                break
        await service.dispatch.drain(grace_s=0)
        released = await service.store.get_job(TENANT, job.id)
        assert released.state is State.QUEUED
        assert 0 < released.media_segments_done < 6
    fresh = ScriptedTranscriber(slow.script_for)
    async with in_process_service(tmp_path, fresh, model="another-default") as service:
        job = await service.ended(released)
        assert job.state is State.SUCCEEDED
        assert fresh.requests[0].model.name == job.model == "scripted"
        assert fresh.requests[0].first_segment == released.media_segments_done
        assert fresh.requests[0].resume_at_ms == released.processed_ms == 2_000 * released.media_segments_done - 1_000
        texts = [segment.text async for segment in service.store.read_segments(job.id)]
        assert texts == [f"segment {k}" for k in range(6)]


async def test_an_input_that_changed_between_two_runs_is_refused(tmp_path: Path) -> None:
    slow = ScriptedTranscriber()
    slow.flowing.clear()
    async with in_process_service(tmp_path, slow) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        while (await service.store.get_job(TENANT, job.id)).media is None:
            await asyncio.sleep(0)
        await service.dispatch.drain(grace_s=0)
    (tmp_path / "a.wav").write_bytes(b"something else altogether")
    async with in_process_service(tmp_path) as service:
        job = await service.ended(job)
        assert job.error is not None
        assert job.error.reason is Reason.INPUT_CHANGED


async def test_conflicts_are_skipped_or_refused_before_anything_is_transcribed(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("a.wav")
        (tmp_path / "a.wav.json").write_text("mine")
        skip = OutputConfig(OutputLayout.ADJACENT, on_conflict=OnConflict.SKIP)
        fail = OutputConfig(OutputLayout.ADJACENT, on_conflict=OnConflict.FAIL)
        skipped = await service.ended(await service.submit.job(TENANT, NewJob(uri, output=skip)))
        failed = await service.ended(await service.submit.job(TENANT, NewJob(uri, output=fail)))
        assert skipped.state is State.SUCCEEDED
        assert failed.error is not None
        assert failed.error.reason is Reason.OUTPUT_EXISTS
        assert (tmp_path / "a.wav.json").read_text() == "mine"
        assert service.transcriber.requests == []
        for format in (TranscriptFormat.JSON, TranscriptFormat.TEXT):
            with pytest.raises(TranscriptNotFoundError, match="was skipped") as nothing:
                await service.read_transcript(TENANT, skipped.id, format)
            assert nothing.value.metadata == {"job": skipped.name, "uri": f"{uri}.json"}


async def test_stale_notices_go_when_a_file_succeeds(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("a.wav")
        (tmp_path / "a.wav.notice").write_text("{}")
        output = OutputConfig(OutputLayout.ADJACENT, remove_stale=True)
        await service.ended(await service.submit.job(TENANT, NewJob(uri, output=output)))
        assert not (tmp_path / "a.wav.notice").exists()
        assert (tmp_path / "a.wav.json").exists()


async def test_a_job_that_is_claimed_again_while_its_earlier_run_ends_is_run_once_more(tmp_path: Path) -> None:
    """As after a suspension of the machine: the leases of its own runs have expired."""
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber, lease_s=600) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async with asyncio.timeout(10):
            await transcriber.started.wait()
            transcriber.started.clear()
            assert await service.store.recover(5, exclusive_owner=True) == 1
            await transcriber.started.wait()
        transcriber.flowing.set()
        job = await service.ended(job)
        assert job.state is State.SUCCEEDED
        assert job.attempt == 2
        another = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("b.wav"))))
        assert another.state is State.SUCCEEDED
        await service.dispatch.drain(grace_s=10)
        assert service.dispatch.running == 0


async def test_a_file_that_waits_to_be_heard_has_no_part_in_what_kills_the_server(tmp_path: Path) -> None:
    for life in range(1, 6):
        transcriber = ScriptedTranscriber()
        transcriber.flowing.clear()
        async with in_process_service(tmp_path, transcriber, max_running=1) as service, asyncio.timeout(PATIENCE_S):
            if life == 1:
                bad = await service.submit.job(TENANT, NewJob(service.audio("bad.wav")))
                await transcriber.started.wait()
                good = await service.submit.job(TENANT, NewJob(service.audio("good.wav")))
            await transcriber.started.wait()
            async for _ in service.watch.job(TENANT, good.id, after=None, include_segments=False):
                if (await service.store.get_job(TENANT, good.id)).attempt == life:
                    break
            assert [request.file_name for request in transcriber.requests] == ["bad.wav"]
        # Here the server is killed: what it runs is left as it stands.
    async with in_process_service(tmp_path) as service:
        bad, good = await service.ended(bad), await service.ended(good)
        assert bad.error is not None
        assert (bad.state, bad.error.reason) == (State.FAILED, Reason.ATTEMPTS_EXHAUSTED)
        assert (good.state, good.attempt) == (State.SUCCEEDED, 6)


async def test_what_kills_the_server_at_each_start_takes_no_other_file_along(tmp_path: Path) -> None:
    """The first of ten files kills whichever server hears it."""
    jobs: list[Job] = []
    lives = 0
    while lives < 20:
        lives += 1
        killed = asyncio.Event()

        def script_for(request: TranscriptionRequest, killed: asyncio.Event = killed) -> Script:
            if request.file_name == "killer.wav":
                killed.set()
            return Script()

        transcriber = ScriptedTranscriber(script_for)
        async with in_process_service(tmp_path, transcriber) as service, asyncio.timeout(PATIENCE_S):
            if not jobs:
                transcriber.flowing.clear()  # all that begin before it was heard are cut off with it
                for name in ("a.wav", "b.wav", "killer.wav", *(f"{number}.wav" for number in range(7))):
                    jobs.append(await service.submit.job(TENANT, NewJob(service.audio(name))))
            ended = asyncio.gather(*map(service.ended, jobs))
            kill = asyncio.create_task(killed.wait())
            either: set[asyncio.Future[Any]] = {ended, kill}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            kill.cancel()
            if not killed.is_set():
                jobs = list(await ended)
                break
            ended.cancel()
    killer = jobs.pop(2)
    assert killer.error is not None
    assert (killer.state, killer.error.reason) == (State.FAILED, Reason.ATTEMPTS_EXHAUSTED)
    assert [job.state for job in jobs] == [State.SUCCEEDED] * 9
    assert max(job.attempt for job in jobs) <= 7
    assert lives == 6  # as often as the killer was tried, and once more


async def test_a_lone_file_runs_at_once_though_a_batch_has_as_many_running_as_it_may(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber, max_running=8) as service:
        files = tuple(ManifestEntry(service.audio(f"long-{number}.wav")) for number in range(20))
        batch = await service.submit.batch(TENANT, NewBatch(ManifestInput(files)))
        async with asyncio.timeout(PATIENCE_S):
            while len(transcriber.requests) < 7:
                await asyncio.sleep(0)
            job = await service.submit.job(TENANT, NewJob(service.audio("short.wav")))
            while len(transcriber.requests) < 8:
                await asyncio.sleep(0)
        assert (await service.store.get_job(TENANT, job.id)).state is State.RUNNING
        transcriber.flowing.set()
        await service.ended(job)
        assert (await service.batch_ended(batch)).counts.succeeded == 20
    by_batch = [request.batch_id for request in transcriber.requests]
    assert by_batch.index("") == 7
    assert {request.tenant for request in transcriber.requests} == {TENANT}


async def test_files_of_a_manifest_whose_outputs_have_one_name_are_refused(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        first = service.audio("a/x y.wav")
        uris = [first, first.replace("%20", " "), service.audio("a/z.wav")]
        files = ManifestInput(tuple(map(ManifestEntry, uris)))
        with pytest.raises(InvalidArgumentError) as refused:
            output = OutputConfig(uri=(tmp_path / "out").as_uri())
            await service.submit.batch(TENANT, NewBatch(files, output=output))
        fields = [violation.field for violation in refused.value.violations]
        assert fields == [f"batch.input.manifest.files[{index}].uri" for index in (0, 1)]
        kept = await service.submit.batch(TENANT, NewBatch(files))
        assert kept.input == files


async def test_outputs_below_the_input_are_never_taken_for_inputs(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        for name in ("in/a.wav", "in/out/a.wav.json", "in/out/deep/b.wav", "in/output.wav"):
            service.audio(name)
        new = NewBatch(
            input=PrefixInput((tmp_path / "in").as_uri(), include_globs=("**",)),
            output=OutputConfig(uri=(tmp_path / "in" / "out").as_uri()),
        )
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
    heard = {request.file_name for request in service.transcriber.requests}
    assert heard == {"a.wav", "output.wav"}
    assert (batch.counts.total, batch.counts.succeeded) == (2, 2)
