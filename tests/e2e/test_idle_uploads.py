"""Uploads that are idle cost little memory, and give it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from batchscribe.v1 import job_service_pb2 as pb
from batchscribe.v1 import job_service_pb2_grpc
from tests.running_server import running_server
from tests.scripted_children import until

UPLOADS = 200
CHUNK_BYTES = 1_000_000
MOST_GROWTH_BYTES = 500_000
"""Of the process for each upload: no chunk of a megabyte."""


@pytest.mark.timeout(120)
async def test_idle_uploads_cost_little_memory_and_give_it_back(tmp_path: Path) -> None:
    async def one_chunk() -> AsyncIterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(header=pb.UploadHeader(file_name="a.wav"))
        yield pb.UploadMediaRequest(chunk=bytes(CHUNK_BYTES))
        await asyncio.Event().wait()

    with running_server(tmp_path, "--model=tiny.en") as server:

        def received_bytes() -> int:
            size_bytes = 0
            for path in server.data_dir.rglob("*.part"):
                with suppress(FileNotFoundError):  # it has ended since
                    size_bytes += path.stat().st_size
            return size_bytes

        def growth_bytes() -> float:
            return (server.process.memory_info().rss - before_bytes) / UPLOADS

        before_bytes = server.process.memory_info().rss
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = job_service_pb2_grpc.JobServiceStub(channel)
            calls = [stub.UploadMedia(one_chunk()) for _ in range(UPLOADS)]
            await until(lambda: received_bytes() == UPLOADS * CHUNK_BYTES)
            await until(lambda: growth_bytes() < MOST_GROWTH_BYTES)
            for call in calls:
                call.cancel()
            await until(lambda: growth_bytes() < MOST_GROWTH_BYTES / 2)
