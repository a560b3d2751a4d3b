"""The blocking client does what the other does, in plain code."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from batchscribe import Client, JobNotFoundError
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.job_service_pb2 import ListJobsResponse
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
