"""Jobs whose transcripts are analysed: when, what is kept and written of it, and what becomes of its failures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchscribe.v1 import state_pb2
from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.errors import TranscriptNotFoundError
from batchscribe_server.domain.job import Job, JobStage, State
from batchscribe_server.domain.recognition import (
    OnConflict,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    SummaryConfig,
    SummaryStyle,
    TranscriptFormat,
)
from batchscribe_server.domain.transcript import MediaDescription, Transcript
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.rpc.convert_job import job_message
from tests.in_process_service import TENANT, InProcessService, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

SAID = (
    "Hello, this is Northwind support, how can I help you?",
    "My parcel was due on Monday, and this is a terrible service.",
    "I am sorry, I will refund the fee of $12.50 for the parcel.",
    "Wonderful, thank you, that solves the problem with the parcel.",
)
ALL = RecognitionConfig(enable_entities=True, speech_analytics=True, summary=SummaryConfig(SummaryStyle.BULLETS))
FORMATS = (TranscriptFormat.JSON, TranscriptFormat.TEXT, TranscriptFormat.SUMMARY)
PATIENCE_S = 60.0


class HeldAnalyst:
    """Analyses once `flowing` is set; `texts` are what it was given. It may fail, as a language model or as a crash."""

    def __init__(self, failure: str = "", crash: Exception | None = None) -> None:
        self.flowing = asyncio.Event()
        self.began = asyncio.Event()
        self.texts: list[str] = []
        self._failure = failure
        self._crash = crash

    async def analyze(self, transcript: Transcript, config: RecognitionConfig) -> Analysis:
        """The service's own analysis, with that failure."""
        self.texts.append(transcript.text)
        self.began.set()
        await self.flowing.wait()
        if self._crash is not None:
            raise self._crash
        return replace(await Analyst().analyze(transcript, config), failure=self._failure)


def said(script: Script | None = None) -> ScriptedTranscriber:
    return ScriptedTranscriber(lambda _: script or Script(SAID))


def to_folder(tmp_path: Path, *formats: TranscriptFormat, **fields: Any) -> OutputConfig:
    return OutputConfig(OutputLayout.PREFIX, (tmp_path / "out").as_uri(), formats or FORMATS, **fields)


async def transcript(service: InProcessService, job: Job, format: TranscriptFormat, channel: int | None = None) -> str:
    return b"".join(await service.read_transcript(TENANT, job.id, format, channel)).decode()


async def test_what_was_found_is_written_and_can_be_read_later(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said()) as service:
        submitted = await service.submit.job(
            TENANT, NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path))
        )
        job = await service.ended(submitted)
        assert (job.state, job.warning) == (State.SUCCEEDED, "")
        names = {Path(output.uri).name for output in job.outputs}
        assert names == {"a.wav.json", "a.wav.txt", "a.wav.summary.txt"}
        assert not list(tmp_path.rglob("*.notice"))
        document = json.loads((tmp_path / "out" / "a.wav.json").read_text())
        assert [entity["text"] for entity in document["entities"]] == ["Monday", "$12.50"]
        assert document["analytics"]["keywords"][0]["text"] == "parcel"
        assert document["analytics"]["speech"] == 4.0
        assert document["analytics"]["silence"] == 4.0
        summary = (tmp_path / "out" / "a.wav.summary.txt").read_text()
        assert summary == "".join(f"- {point['text']}\n" for point in document["summary"]["points"])
        assert {line.removeprefix("- ") for line in summary.splitlines()} <= set(SAID)
        assert json.loads(await transcript(service, job, TranscriptFormat.JSON)) == document
        assert await transcript(service, job, TranscriptFormat.SUMMARY) == summary


async def test_nothing_is_analysed_that_does_not_ask_for_it(tmp_path: Path) -> None:
    analyst = HeldAnalyst()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"))))
        document = json.loads(await transcript(service, job, TranscriptFormat.JSON))
        assert not {"entities", "analytics", "summary"} & set(document)
        with pytest.raises(TranscriptNotFoundError, match="none was asked for"):
            await transcript(service, job, TranscriptFormat.SUMMARY)
    assert analyst.texts == []


async def test_a_job_is_analyzing_between_its_last_segment_and_its_outputs(tmp_path: Path) -> None:
    analyst = HeldAnalyst()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        new = NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path))
        job = await service.submit.job(TENANT, new)
        async with asyncio.timeout(PATIENCE_S):
            await analyst.began.wait()
        running = await service.store.get_job(TENANT, job.id)
        assert (running.state, running.stage, running.segments) == (State.RUNNING, JobStage.ANALYZING, len(SAID))
        assert job_message(running).stage == state_pb2.STAGE_ANALYZING
        assert analyst.texts == [" ".join(SAID)]
        assert not list(tmp_path.glob("out/*"))
        analyst.flowing.set()
        ended = await service.ended(job)
        assert job_message(ended).stage == state_pb2.STAGE_UNSPECIFIED
        assert ended.sequence > running.sequence


async def test_a_failed_language_model_leaves_a_warning_and_a_notice_beside_good_transcripts(tmp_path: Path) -> None:
    analyst = HeldAnalyst(failure="The language model could not be used: it answered 500.")
    analyst.flowing.set()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        output = to_folder(tmp_path, remove_stale=True)
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL, output=output))
        )
        assert (job.state, job.error) == (State.SUCCEEDED, None)
        assert job.warning.startswith("The language model could not be used: it answered 500.")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"a.wav.json", "a.wav.txt", "a.wav.summary.txt", "a.wav.notice"}
    notice = json.loads((tmp_path / "out" / "a.wav.notice").read_text())
    assert notice["error"]["reason"] == "ANALYSIS_FAILED"
    document = json.loads((tmp_path / "out" / "a.wav.json").read_text())
    assert document["summary"]["made_by"] == "embedded"
    assert "it answered 500" in document["warning"]


async def test_a_notice_that_is_not_wanted_is_not_written(tmp_path: Path) -> None:
    analyst = HeldAnalyst(failure="The language model could not be used: it answered 500.")
    analyst.flowing.set()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        output = to_folder(tmp_path, write_notice=False)
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL, output=output))
        )
        kept = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("b.wav"), config=ALL)))
        assert (job.state, kept.state) == (State.SUCCEEDED, State.SUCCEEDED)
        assert kept.warning
    assert not list(tmp_path.rglob("*.notice"))


async def test_an_analysis_that_crashes_costs_nobody_the_transcript(tmp_path: Path) -> None:
    analyst = HeldAnalyst(crash=RuntimeError("a bug, and what was said: parcel"))
    analyst.flowing.set()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path)))
        )
        assert job.state is State.SUCCEEDED
        assert "for a reason of the service's own" in job.warning
        with pytest.raises(TranscriptNotFoundError, match="its warning says why"):
            await transcript(service, job, TranscriptFormat.SUMMARY)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"a.wav.json", "a.wav.txt", "a.wav.notice"}
    assert "parcel" not in (tmp_path / "out" / "a.wav.notice").read_text()


async def test_a_server_that_stops_while_it_analyses_does_so_again(tmp_path: Path) -> None:
    held, transcriber = HeldAnalyst(), said()
    async with in_process_service(tmp_path, transcriber, analyst=held) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path)))
        async with asyncio.timeout(PATIENCE_S):
            await held.began.wait()
    again = HeldAnalyst()
    async with in_process_service(tmp_path, transcriber, analyst=again, first_id=100) as service:
        async with asyncio.timeout(PATIENCE_S):
            await again.began.wait()
        running = await service.store.get_job(TENANT, job.id)
        assert (running.stage, running.segments) == (JobStage.ANALYZING, len(SAID))
        again.flowing.set()
        ended = await service.ended(job)
        assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
        assert json.loads(await transcript(service, ended, TranscriptFormat.JSON))["summary"]["points"]
    assert again.texts == held.texts


async def test_what_was_found_goes_with_its_job(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said()) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL)))
        assert await service.store.get_analysis(job.id) is not None
        await service.delete.job(TENANT, job.id)
        assert await service.store.get_analysis(job.id) is None


async def test_the_summary_is_of_all_channels_together(tmp_path: Path) -> None:
    media = MediaDescription("wav", "pcm_s16le", 16_000, 2, 6_000, same_sound_as=(0, 1))
    config = replace(ALL, channel_separation=True)
    async with in_process_service(tmp_path, said(Script(SAID, media=media))) as service:
        output = to_folder(tmp_path, TranscriptFormat.JSON, TranscriptFormat.SUMMARY, file_per_channel=True)
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=config, output=output))
        )
        assert job.state is State.SUCCEEDED
        with pytest.raises(TranscriptNotFoundError, match="all channels together"):
            await transcript(service, job, TranscriptFormat.SUMMARY, channel=1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a.wav.json", "a.wav.channel_0.json", "a.wav.channel_1.json", "a.wav.summary.txt"}
    assert "summary" not in json.loads((tmp_path / "out" / "a.wav.channel_0.json").read_text())


async def test_what_can_not_be_told_of_a_language_is_a_warning_and_no_notice(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said(Script(SAID, language="de"))) as service:
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path)))
        )
        assert job.warning == "Sentiment is told of English alone, not of what was said in de."
    assert not list(tmp_path.rglob("*.notice"))


async def test_a_file_that_asks_for_no_summary_is_told_that_none_was_written(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said()) as service:
        config = RecognitionConfig(enable_entities=True)
        for asked in (config, RecognitionConfig()):
            new = NewJob(service.audio("a.wav"), config=asked, output=to_folder(tmp_path))
            job = await service.ended(await service.submit.job(TENANT, new))
            assert job.warning == "No summary was written: the config of this file asks for none."
            assert len(job.outputs) == 2


async def test_a_notice_that_cannot_be_written_beside_good_transcripts_fails_no_job(tmp_path: Path) -> None:
    analyst = HeldAnalyst(failure="The language model did not answer.")
    analyst.flowing.set()
    async with in_process_service(tmp_path, said(), analyst=analyst) as service:
        (tmp_path / "out" / "a.wav.notice").mkdir(parents=True)
        new = NewJob(service.audio("a.wav"), config=ALL, output=to_folder(tmp_path))
        job = await service.ended(await service.submit.job(TENANT, new))
        assert job.state is State.SUCCEEDED
        assert "The notice could not be written" in job.warning
        assert (tmp_path / "out" / "a.wav.json").exists()


async def test_a_file_without_a_summary_of_its_own_is_skipped_once_its_other_outputs_are_there(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said()) as service:
        output = replace(to_folder(tmp_path), on_conflict=OnConflict.SKIP)
        new = NewJob(service.audio("a.wav"), output=output)
        await service.ended(await service.submit.job(TENANT, new))
        again = await service.ended(await service.submit.job(TENANT, new))
        assert "Skipped" in again.warning
        assert len(service.transcriber.requests) == 1


async def test_a_file_of_which_only_a_summary_is_written_needs_none(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, said()) as service:
        output = to_folder(tmp_path, TranscriptFormat.SUMMARY)
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=output)))
        assert (job.state, job.outputs) == (State.SUCCEEDED, ())
        assert "asks for none" in job.warning
