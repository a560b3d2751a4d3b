"""`kill -9` of the engine, of a decoder and of the server in the middle of a batch: nothing is lost, nothing twice."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from batchscribe import AsyncClient, output_config
from batchscribe.v1 import state_pb2
from batchscribe.v1.event_pb2 import BatchEvent
from tests.many_files import make_files, words
from tests.running_server import RunningServer

FILES = 40
KILL_AFTER = 6


def kill_engine(server: RunningServer) -> None:
    for child in server.children("batchscribe_engine.inference"):
        child.send_signal(signal.SIGKILL)


def kill_decoder(server: RunningServer) -> None:
    server.children("batchscribe_engine.media")[0].send_signal(signal.SIGKILL)


def kill_server_and_start_again(server: RunningServer) -> None:
    server.kill()
    server.start()


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("kill", [kill_engine, kill_decoder, kill_server_and_start_again])
async def test_every_file_is_finished_exactly_once(tmp_path: Path, kill: Callable[[RunningServer], None]) -> None:
    said = make_files(tmp_path / "calls", FILES)
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start)
        async with AsyncClient(server.address) as client:
            batch = await client.submit_batch(
                (tmp_path / "calls").as_uri() + "/",
                output=output_config((tmp_path / "out").as_uri() + "/", formats=["txt"], layout="prefix"),
            )
            events = await watch_and_kill_once(client, batch.name, lambda: kill(server))
            batch = await client.get_batch(batch.name)
            jobs = [job async for job in client.list_jobs(batch=batch.name)]
            heard = {job.name: [event async for event in client.watch_job(job.name)] for job in jobs}
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.close()

    assert batch.state == state_pb2.STATE_SUCCEEDED
    assert (batch.counts.total, batch.counts.succeeded) == (FILES, FILES)
    written = {path.name.removesuffix(".txt"): path.read_text() for path in (tmp_path / "out").iterdir()}
    assert {name: words(text) for name, text in written.items()} == {name: words(text) for name, text in said.items()}

    # The watcher that lived through it saw each event once, in order, and each file succeed once.
    sequences = [event.sequence for event in events if event.WhichOneof("event") in ("job_change", "state_change")]
    assert sequences == sorted(set(sequences))
    succeeded = Counter(event.job_change.job for event in events if event.job_change.state == state_pb2.STATE_SUCCEEDED)
    assert succeeded == Counter(job.name for job in jobs)

    # Whoever reads a job's history finds its segments once, without gaps.
    for messages in heard.values():
        segments = [m.segment.index for m in messages if m.WhichOneof("event") == "segment"]
        assert segments == list(range(len(segments)))
        assert segments


async def watch_and_kill_once(client: AsyncClient, name: str, kill: Callable[[], None]) -> list[BatchEvent]:
    """Watch to the end; after some files have succeeded, kill. The client resumes its watch by itself."""
    events: list[BatchEvent] = []
    killed = False
    async for event in client.watch_batch(name):
        if event.WhichOneof("event") not in ("snapshot", "heartbeat"):
            events.append(event)
        if not killed and event.progress.counts.succeeded >= KILL_AFTER:
            assert event.progress.counts.succeeded < FILES
            killed = True
            await asyncio.to_thread(kill)
    assert killed
    return events
