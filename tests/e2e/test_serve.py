"""The server as its operator and its users meet it: real processes, a real model, real signals."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from batchscribe import AsyncClient, ServerDrainingError, UnavailableError, output_config
from batchscribe.v1 import state_pb2
from tests.many_files import UTTERANCES, words
from tests.media_files import ENCODINGS, encoded
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import joined, spoken

SERVICES = {"batchscribe.v1.BatchService", "batchscribe.v1.JobService", "batchscribe.v1.ModelService"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("serve"), "--model=tiny.en") as started:
        yield started


def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address, "COLUMNS": "200"}
    return subprocess.run(
        [str(BATCHSCRIBE), *arguments], env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_the_server_process_maps_none_of_the_heavy_libraries(server: RunningServer) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    engine_maps = Path(f"/proc/{server.children('batchscribe_engine.inference')[0].pid}/maps").read_text()
    assert "ctranslate2" in engine_maps
    for library in ("ctranslate2", "onnxruntime", "libavcodec", "numpy", "torch", "kaldi_native_fbank"):
        assert library not in maps


def test_the_children_yield_to_the_server(server: RunningServer) -> None:
    for module in ("batchscribe_engine.inference", "batchscribe_engine.media"):
        for child in server.children(module):
            assert child.nice() > server.process.nice()


def test_health_and_reflection_name_every_service(server: RunningServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        assert set(ProtoReflectionDescriptorDatabase(channel).get_services()) >= SERVICES
        for service in ("", *SERVICES):
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_transcribe_prints_the_transcript_and_nothing_else_on_standard_output(server: RunningServer) -> None:
    result = batchscribe(server, "transcribe", str(spoken(UTTERANCES[2])))
    assert result.returncode == 0, result.stderr
    assert words(result.stdout) == words(UTTERANCES[2])
    assert "100%" in result.stderr


def test_a_batch_is_submitted_watched_and_listed(server: RunningServer, tmp_path: Path) -> None:
    calls = server.folder / "calls" / "deep"
    calls.mkdir(parents=True)
    for name in ("mp3", "m4a", "ogg-opus", "webm", "wav-mulaw", "wav-5.1", "mp4"):
        encoded(spoken(UTTERANCES[2]), calls, ENCODINGS[name])
    (calls / "readme.md").write_text("not audio")
    uri, out = (server.folder / "calls").as_uri(), (server.folder / "out").as_uri()
    submitted = batchscribe(
        server,
        "batch",
        "submit",
        uri,
        "--exclude",
        "**/*.webm",
        "--output",
        out,
        "--format",
        "vtt",
        "--watch",
        "--json",
    )
    assert submitted.returncode == 0, submitted.stderr
    messages = [json.loads(line) for line in submitted.stdout.splitlines()]
    assert messages[-1].get("state_change", messages[-1])["state"] == "STATE_SUCCEEDED"
    written = sorted((server.folder / "out" / "deep").iterdir())
    assert len(written) == 6
    for path in written:
        assert path.read_text().startswith("WEBVTT")
        assert {"walked", "river", "sun"} <= set(words(path.read_text())), path
    listed = json.loads(batchscribe(server, "--json", "batch", "list").stdout.splitlines()[0])
    assert listed["counts"]["succeeded"] == "6"


def test_failures_have_exit_codes_and_one_line(server: RunningServer, tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound at all, " * 50)
    failed = batchscribe(server, "transcribe", str(text))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "UNSUPPORTED_FORMAT" in failed.stderr
    assert batchscribe(server, "job", "get", "jobs/nobody").returncode == 4
    outside = batchscribe(server, "batch", "submit", "file:///etc/")
    assert outside.returncode != 0
    assert "PATH_NOT_ALLOWED" in outside.stderr
    nobody = batchscribe(server, "--address", "127.0.0.1:9", "job", "list")
    assert nobody.returncode == 3


@pytest.mark.slow
async def test_sigterm_gives_running_files_back_and_the_next_server_ends_them(tmp_path: Path) -> None:
    long = joined([spoken(text) for text in UTTERANCES * 16], 0.6, tmp_path / "long.wav")
    server = RunningServer(tmp_path, "--model=tiny.en", "--drain-timeout=0.2")
    try:
        await asyncio.to_thread(server.start)
        sequence, seen = 0, -1
        async with AsyncClient(server.address, reconnect_s=0.5) as client:
            job = await client.submit(
                long.as_uri(), output=output_config((tmp_path / "out.json").as_uri(), layout="single")
            )
            with pytest.raises((ServerDrainingError, UnavailableError)):
                async for event in client.watch_job(job.name):
                    sequence = event.sequence
                    if event.WhichOneof("event") == "segment":
                        seen = event.segment.index
                        if seen == 1:
                            assert await asyncio.to_thread(server.stop) == 0
        assert not (tmp_path / "out.json").exists()
        await asyncio.to_thread(server.start)
        async with AsyncClient(server.address) as client:
            rest = [event async for event in client.watch_job(job.name, after_sequence=sequence)]
            segments = [event.segment.index for event in rest if event.WhichOneof("event") == "segment"]
            assert segments == list(range(seen + 1, segments[-1] + 1))
            assert (await client.get_job(job.name)).state == state_pb2.STATE_SUCCEEDED
            assert (tmp_path / "out.json").exists()
    finally:
        server.close()


def test_a_second_server_on_the_same_data_is_refused_in_words(server: RunningServer) -> None:
    second = subprocess.run(
        [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", f"--data-dir={server.data_dir}", "--model=tiny.en"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "Another server" in second.stderr
