"""Jobs whose voices are told apart, over a scripted transcriber and diarizer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput
from batchscribe_server.domain.errors import InvalidArgumentError, JobFailure, Reason
from batchscribe_server.domain.job import State
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.recognition import Diarization, DiarizationMode, RecognitionConfig, TranscriptFormat
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.operations.diarizer import DiarizationFailure
from batchscribe_server.operations.submit import NewBatch, NewJob
from tests.in_process_service import TENANT, InProcessService, in_process_service
from tests.scripted_diarizer import ScriptedDiarizer
from tests.scripted_engine import Script, ScriptedTranscriber

BY_VOICE = RecognitionConfig(
    diarization=Diarization(DiarizationMode.SPEAKER, max_speakers=2), start_offset_ms=10, end_offset_ms=9_000
)
TWO = (SpeakerTurn(0, 1_500, 0), SpeakerTurn(1_500, 4_000, 1))


async def text_of(service: InProcessService, job_id: str) -> str:
    return b"".join(await service.read_transcript(TENANT, job_id, TranscriptFormat.TEXT)).decode()


async def test_the_transcript_says_who_speaks(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(TWO)
    async with in_process_service(tmp_path, diarizer=diarizer) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=BY_VOICE)))
        assert (job.state, job.warning) == (State.SUCCEEDED, "")
        text = await text_of(service, job.id)
    assert [line.partition(": ")[0] for line in text.split("\n\n")] == ["Speaker 0", "Speaker 1"]
    (asked,) = diarizer.asked
    assert (asked.diarization, asked.party) == (BY_VOICE.diarization, Party(TENANT))
    assert (asked.start_offset_ms, asked.end_offset_ms, asked.separate_channels) == (10, 9_000, False)


async def test_it_runs_beside_recognition_and_the_job_waits_for_it(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(TWO)
    diarizer.may_answer.clear()
    async with in_process_service(tmp_path, diarizer=diarizer) as service:
        service.transcriber.flowing.clear()
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=BY_VOICE))
        while not (diarizer.asked and service.transcriber.requests):
            await asyncio.sleep(0)
        service.transcriber.flowing.set()
        while service.transcriber.open:
            await asyncio.sleep(0)
        assert (await service.store.get_job(TENANT, job.id)).state is State.RUNNING
        diarizer.may_answer.set()
        assert (await service.ended(job)).state is State.SUCCEEDED


async def test_a_failure_costs_the_speakers_and_not_the_transcript(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(failure=DiarizationFailure("DIARIZATION_FAILED", "It was given up."))
    async with in_process_service(tmp_path, diarizer=diarizer) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=BY_VOICE)))
        assert job.state is State.SUCCEEDED
        assert job.warning == "Speakers are not told apart (DIARIZATION_FAILED): It was given up."
        text = await text_of(service, job.id)
    assert text
    assert "Speaker" not in text


async def test_a_file_that_cannot_be_heard_gives_its_diarization_up(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(TWO)
    diarizer.may_answer.clear()
    unheard = ScriptedTranscriber(lambda _: Script(failure=JobFailure(Reason.NO_AUDIO, "There is no sound in it.")))
    async with in_process_service(tmp_path, unheard, diarizer=diarizer) as service:
        unheard.flowing.clear()
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=BY_VOICE))
        while not diarizer.asked:
            await asyncio.sleep(0)
        unheard.flowing.set()
        job = await service.ended(job)
        assert job.error is not None
        assert job.error.reason is Reason.NO_AUDIO
    assert diarizer.given_up == 1


async def test_a_run_that_goes_on_keeps_the_turns_it_has(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(TWO)
    async with in_process_service(tmp_path, diarizer=diarizer) as service:
        service.transcriber.flowing.clear()
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=BY_VOICE))
        while not await service.store.read_speaker_turns(job.id):
            await asyncio.sleep(0)
    async with in_process_service(tmp_path, diarizer=diarizer, first_id=2) as service:
        assert (await service.ended(job)).state is State.SUCCEEDED
        assert (await text_of(service, job.id)).startswith("Speaker 0")
    assert len(diarizer.asked) == 1


async def test_jobs_that_do_not_ask_for_it_do_without(tmp_path: Path) -> None:
    diarizer = ScriptedDiarizer(TWO)
    async with in_process_service(tmp_path, diarizer=diarizer) as service:
        by_channel = RecognitionConfig(diarization=Diarization(DiarizationMode.CHANNEL))
        for config in (RecognitionConfig(), by_channel):
            await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=config)))
    assert not diarizer.asked


async def test_where_it_is_not_installed_it_is_refused_by_its_field(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, diarizer=ScriptedDiarizer(available=False)) as service:
        uri = service.audio("a.wav")
        with pytest.raises(InvalidArgumentError, match=r"batchscribe\[diarization\]") as refused:
            await service.submit.job(TENANT, NewJob(uri, config=BY_VOICE))
        assert [violation.field for violation in refused.value.violations] == ["job.config.diarization.mode"]
        assert refused.value.reason == "DIARIZATION_UNAVAILABLE"
        listed = ManifestInput((ManifestEntry(uri), ManifestEntry(uri, config=BY_VOICE)))
        with pytest.raises(InvalidArgumentError) as refused:
            await service.submit.batch(TENANT, NewBatch(listed))
        fields = [violation.field for violation in refused.value.violations]
        assert fields == ["batch.input.manifest.files[1].config.diarization.mode"]
        by_channel = RecognitionConfig(diarization=Diarization(DiarizationMode.CHANNEL))
        await service.submit.job(TENANT, NewJob(uri, config=by_channel))
