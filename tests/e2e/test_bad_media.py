"""Files that are wrong in every way of the list: each ends as one clear error or an honest empty transcript."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from batchscribe import AsyncClient, InvalidArgumentError, UploadMismatchError, output_config
from batchscribe.v1 import job_service_pb2, job_service_pb2_grpc, state_pb2
from tests.many_files import UTTERANCES, words
from tests.media_files import ENCODINGS, declared_wav, encoded, renamed_text, truncated, video_without_sound
from tests.running_server import running_server
from tests.speech import silent, spoken

pytestmark = pytest.mark.slow

SAID = UTTERANCES[2]


def make_files(folder: Path) -> dict[str, str]:
    """The files, and the reason each fails with; empty for one that succeeds without a word, "words" with them."""
    speech = spoken(SAID)
    sources = folder.parent / "sources"
    sources.mkdir()
    makers = {
        "text.wav": (renamed_text(sources), "UNSUPPORTED_FORMAT"),
        "no-sound.mp4": (video_without_sound(sources), "NO_AUDIO"),
        "truncated.mp4": (truncated(encoded(speech, sources, ENCODINGS["mp4"]), sources, 0.5), "DECODE_FAILED"),
        "blink.wav": (silent(0.05, sources / "blink.wav"), ""),
        "declared-5-gb.wav": (declared_wav(sources, 5_000_000_000, np.zeros(512, dtype=np.int16)), ""),
        "good.m4a": (encoded(speech, sources, ENCODINGS["m4a"]), "words"),
    }
    folder.mkdir()
    for name, (path, _) in makers.items():
        (folder / name).write_bytes(path.read_bytes())
    (folder / "empty.wav").write_bytes(b"")
    return {name: reason for name, (_, reason) in makers.items()} | {"empty.wav": "MEDIA_TOO_SMALL"}


async def test_each_bad_file_is_one_clear_end_and_the_batch_goes_on(tmp_path: Path) -> None:
    expected = make_files(tmp_path / "in")
    with running_server(tmp_path, "--model=tiny.en") as server:
        async with AsyncClient(server.address) as client:
            batch = await client.submit_batch(
                (tmp_path / "in").as_uri() + "/",
                include_globs=["**"],
                output=output_config((tmp_path / "out").as_uri() + "/", formats=["json", "txt"], layout="prefix"),
            )
            batch = await client.wait_for_batch(batch.name, timeout_s=90)
            jobs = {Path(job.input_uri).name: job async for job in client.list_jobs(batch=batch.name)}
            texts = {
                name: await client.transcript(job.name)
                for name, job in jobs.items()
                if job.state == state_pb2.STATE_SUCCEEDED
            }
    assert batch.state == state_pb2.STATE_SUCCEEDED
    assert {name: job.error.reason or ("words" if words(texts[name]) else "") for name, job in jobs.items()} == expected
    assert words(texts["good.m4a"]) == words(SAID)
    for name, job in jobs.items():
        notice, transcript = tmp_path / "out" / f"{name}.notice", tmp_path / "out" / f"{name}.json"
        assert notice.exists() == bool(job.error.reason)
        assert transcript.exists() == (not job.error.reason)
        if job.error.reason:
            assert json.loads(notice.read_text())["error"]["reason"] == job.error.reason
            assert len(job.error.message.split()) > 5


async def test_an_hour_of_silence_is_an_empty_transcript(tmp_path: Path) -> None:
    hour = silent(3600, tmp_path / "silence.wav")
    with running_server(tmp_path, "--model=tiny.en") as server:
        async with AsyncClient(server.address) as client:
            job = await client.submit(hour.as_uri(), output=output_config(formats=["json"]))
            job = await client.wait_for_job(job.name, timeout_s=150)
            assert job.state == state_pb2.STATE_SUCCEEDED
            assert job.audio_duration.seconds == 3600
            assert await client.transcript(job.name) == ""


async def test_an_upload_that_is_not_what_it_declares_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path, "--model=tiny.en") as server:
        async with AsyncClient(server.address) as client:

            async def short() -> AsyncIterator[job_service_pb2.UploadMediaRequest]:
                header = job_service_pb2.UploadHeader(file_name="big.wav", size_bytes=4_000_000_000)
                yield job_service_pb2.UploadMediaRequest(header=header)
                yield job_service_pb2.UploadMediaRequest(chunk=b"x" * 1024)

            import grpc

            from batchscribe.failed_call import error_from_rpc

            async with grpc.aio.insecure_channel(server.address) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await job_service_pb2_grpc.JobServiceStub(channel).UploadMedia(short())
            assert isinstance(error_from_rpc(caught.value), UploadMismatchError)
            with pytest.raises(InvalidArgumentError):
                await client.submit("ftp://example.com/a.wav")
            media = await asyncio.to_thread(lambda: list((server.data_dir / "media").iterdir()))
            assert media == []
