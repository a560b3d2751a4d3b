"""Names that are bytes which no UTF-8 text has, on a real server: whatever becomes of them, other files are done."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchscribe import AsyncClient, output_config
from batchscribe.v1 import state_pb2
from batchscribe.v1.job_pb2 import Job
from tests.many_files import make_files, words
from tests.running_server import RunningServer

GOOD = 30
BAD = (b"caf\351.wav", b"\377\376.wav", b"a\200b.wav", b"\303.wav", b"\355\240\200.wav")


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_name_that_is_not_utf8_costs_no_other_file(tmp_path: Path) -> None:
    said = make_files(tmp_path / "calls", GOOD)
    sound = next((tmp_path / "calls").iterdir()).read_bytes()
    for name in BAD:
        Path(os.fsdecode(os.fsencode(tmp_path / "calls") + b"/" + name)).write_bytes(sound)
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start)
        pid = server.process.pid
        jobs = await ended_jobs(server, tmp_path)
        assert server.process.pid == pid
        assert server.process.is_running()
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.close()

    good = [job for job in jobs if Path(job.input_uri).name in said]
    assert [job.state for job in good] == [state_pb2.STATE_SUCCEEDED] * GOOD
    written = {path.name.removesuffix(".txt"): path.read_text() for path in (tmp_path / "out").glob("*.txt")}
    assert {name: words(written[name]) for name in said} == {name: words(text) for name, text in said.items()}
    others = [job for job in jobs if job not in good]
    assert len(others) == len(BAD)
    assert all(job.state == state_pb2.STATE_SUCCEEDED or job.error.reason for job in others)
    assert all(job.error.reason != "ATTEMPTS_EXHAUSTED" for job in others)


async def ended_jobs(server: RunningServer, folder: Path) -> Sequence[Job]:
    """The jobs of the folder of calls, once all have ended."""
    async with AsyncClient(server.address) as client:
        batch = await client.submit_batch(
            (folder / "calls").as_uri() + "/",
            output=output_config((folder / "out").as_uri() + "/", formats=["txt"], layout="prefix"),
        )
        async for _ in client.watch_batch(batch.name):
            pass
        return [job async for job in client.list_jobs(batch=batch.name)]
