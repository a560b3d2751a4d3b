"""Web servers that keep those waiting who fetch from them hold up nobody else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from batchscribe import AsyncClient
from batchscribe.v1.state_pb2 import STATE_SUCCEEDED
from tests.running_server import RunningServer
from tests.speech import spoken
from tests.tcp_server import tcp_server

TEXT = "The first is that the ships came late."
SLOW = 30
PLACES = 8
OPEN = {
    "BATCHSCRIBE_STORAGE__HTTPS__HTTP": "true",
    "BATCHSCRIBE_STORAGE__HTTPS__PRIVATE_ADDRESSES": "true",
    "BATCHSCRIBE_STORAGE__HTTPS__MIN_BYTES_PER_S": "0",  # they are never given up: only their share bounds them
    "BATCHSCRIBE_JOBS__MAX_TRANSFERRING": str(PLACES),
}


@pytest.mark.timeout(180)
async def test_thirty_urls_at_a_byte_a_second_leave_places_to_other_files(tmp_path: Path) -> None:
    connections = 0
    share_taken = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections >= PLACES // 2:
            share_taken.set()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)

    (tmp_path / "local.wav").write_bytes(spoken(TEXT).read_bytes())
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start, **OPEN)
        async with tcp_server(trickle) as port, AsyncClient(server.address) as client:
            slow = [await client.submit_batch([f"http://127.0.0.1:{port}/{number}.wav"]) for number in range(SLOW)]
            await share_taken.wait()
            batch = await client.submit_batch([(tmp_path / "local.wav").as_uri()])
            job = await client.submit((tmp_path / "local.wav").as_uri())
            ended = await client.wait_for_job(job.name)
            assert ended.state == STATE_SUCCEEDED
            assert (await client.wait_for_batch(batch.name)).counts.succeeded == 1
            assert connections == PLACES // 2
            running = [(await client.get_batch(each.name)).counts.running for each in slow]
            assert sum(running) == PLACES // 2
            for each in slow:
                await client.cancel_batch(each.name)
    finally:
        server.close()
