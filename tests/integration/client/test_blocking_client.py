"""The blocking client does what the other does, in plain code."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from batchscribe import Client, JobNotFoundError
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.job_service_pb2 import ListJobsResponse
from batchscribe.v1.storage_pb2 import TRANSCRIPT_FORMAT_SRT
from tests.integration.client.scripted_service import TEXT, Break, Script, fail


def test_a_file_is_transcribed(address: str, script: Script) -> None:
    with Client(address) as client:
        assert client.transcribe("file:///a.wav", language="en").text == TEXT
    assert script.heard["CreateJob"][0].job.config.language == "en"


def test_a_watch_is_a_plain_loop_that_resumes(address: str, script: Script) -> None:
    script.breaks = [Break(2)]
    with Client(address) as client:
        seen = [event.sequence for event in client.watch("jobs/1") if not event.HasField("snapshot")]
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_watch_can_be_left(address: str) -> None:
    with Client(address) as client:
        for event in client.watch_job("jobs/1"):
            if event.HasField("segment"):
                break
        assert client.get_job("jobs/1").name == "jobs/1"


def test_lists_are_iterators(address: str, script: Script) -> None:
    script.pages = [ListJobsResponse(jobs=[Job(name="jobs/2")], next_page_token="1"), ListJobsResponse()]
    with Client(address) as client:
        assert [job.name for job in client.list_jobs()] == ["jobs/2"]
        assert [model.name for model in client.list_models()] == ["models/base"]


def test_an_iterator_left_in_the_middle_ends_with_its_client(address: str, script: Script) -> None:
    script.pages = [ListJobsResponse(jobs=[Job(name="jobs/2"), Job(name="jobs/1")])]
    with Client(address) as client:
        left = client.list_jobs()
        assert next(left).name == "jobs/2"
        assert next(client.list_jobs()).name == "jobs/2"
    left.close()  # what the collector does


def test_an_iterator_that_the_collector_ends_on_the_loop_holds_nothing_up(address: str, script: Script) -> None:
    script.pages = [ListJobsResponse(jobs=[Job(name="jobs/2"), Job(name="jobs/1")])]
    with Client(address) as client:
        left = client.list_jobs()
        next(left)
        client._loop.call_soon_threadsafe(left.close)
        assert client.get_job("jobs/1").name == "jobs/1"


def test_a_transcript_or_a_job_stands_for_its_name(address: str, script: Script) -> None:
    script.batch.name = "batches/1"
    with Client(address) as client:
        transcript = client.transcribe("file:///a.wav", formats=["srt"])
        assert client.transcript(transcript, "srt") == client.transcript(transcript.job, "srt") == TEXT
        assert client.wait_for_completion(transcript.job).name == client.get_job(transcript.job).name == "jobs/1"
        client.delete_job(transcript)
        assert client.get_batch(script.batch).name == "batches/1"
        with pytest.raises(TypeError, match="Media"):
            client.get_job(Media(name="media/1"))  # type: ignore[arg-type]
    assert list(script.heard["CreateJob"][0].job.output.formats) == [TRANSCRIPT_FORMAT_SRT]
    assert [request.name for request in script.heard["DeleteJob"]] == ["jobs/1"]


def test_audio_in_memory_is_uploaded(address: str, script: Script) -> None:
    with Client(address) as client:
        assert client.transcribe(b"sound").text == TEXT
        assert client.transcribe(io.BytesIO(b"more sound")).text == TEXT
        with pytest.raises(TypeError, match="'rb'"):
            client.upload(io.StringIO("text"))  # type: ignore[arg-type]
    assert script.heard["bytes"] == [b"sound", b"more sound"]


def test_a_server_that_is_away_is_an_error_and_nothing_is_printed() -> None:
    code = """
from batchscribe import Client, UnavailableError
with Client("127.0.0.1:1", retry_s=0.5) as client:
    try:
        client.get_job("jobs/1")
    except UnavailableError:
        pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_errors_are_the_same(address: str, script: Script) -> None:
    script.refuse("GetJob", lambda context: fail(context, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))
    with Client(address) as client, pytest.raises(JobNotFoundError):
        client.get_job("jobs/none")


def test_several_threads_share_one_client(address: str) -> None:
    with Client(address) as client, ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda _: client.transcript("jobs/1"), range(8)))
    assert texts == [TEXT] * 8


def test_closing_ends_the_thread(address: str) -> None:
    client = Client(address)
    client.get_job("jobs/1")
    client.close()
    client.close()
    assert "batchscribe-client" not in [thread.name for thread in threading.enumerate()]
