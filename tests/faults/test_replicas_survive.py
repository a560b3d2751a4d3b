"""Three replicas behind Envoy lose one by `kill -9`, another to SIGSTOP, their database and Envoy: no file is lost.

The order and the moments of the faults come from a seed. FAULT_SEEDS="7 8 9" replays others.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from batchscribe import AsyncClient, BatchscribeError, output_config
from batchscribe.v1 import state_pb2
from batchscribe.v1.event_pb2 import BatchEvent
from tests.cluster import Cluster, running_cluster
from tests.many_files import UTTERANCES, words
from tests.speech import joined, spoken

pytestmark = pytest.mark.slow

FILES = 200
REPLICAS = 3
LEASE_S = 5.0
SEEDS = [int(seed) for seed in os.environ.get("FAULT_SEEDS", "1").split()]

Fault = Callable[[], Coroutine[Any, Any, None]]


class Faults:
    """What goes wrong, each to a replica that no other fault hits."""

    def __init__(self, cluster: Cluster, choice: random.Random) -> None:
        self._cluster = cluster
        self._killed, self._suspended = choice.sample(cluster.replicas, 2)

    def all(self) -> list[Fault]:
        """Each of them once."""
        return [self.kill_a_replica, self.suspend_a_replica, self.restart_the_database, self.replace_envoy]

    async def kill_a_replica(self) -> None:
        """`kill -9`, and a new one in its place."""
        await asyncio.to_thread(self._killed.kill)
        await asyncio.to_thread(self._cluster.start, self._killed)

    async def suspend_a_replica(self) -> None:
        """SIGSTOP until others have its jobs, and SIGCONT then."""
        self._suspended.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE_S)  # not to wait for anything, but for its lease to run out
        self._suspended.process.send_signal(signal.SIGCONT)

    async def restart_the_database(self) -> None:
        """Without a word to those who are connected."""
        await asyncio.to_thread(self._cluster.postgres.restart)

    async def replace_envoy(self) -> None:
        """SIGTERM, its drain, and another one at the same address."""
        gateway = self._cluster.gateway
        gateway.terminate()
        assert await asyncio.to_thread(gateway.ended) == 0
        await asyncio.to_thread(gateway.start)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_file_is_finished_once_whatever_fails(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    said = await asyncio.to_thread(recordings, tmp_path / "calls")
    options = ("--model=tiny.en",)
    with running_cluster(
        tmp_path,
        REPLICAS,
        *options,
        gateway_options=("--drain-delay=1", "--drain-timeout=2"),
        BATCHSCRIBE_JOBS__LEASE_S=str(LEASE_S),
    ) as cluster:
        await cluster.put({f"in/{name}": path for name, (path, _) in said.items()})
        async with AsyncClient(cluster.gateway.address, retry_s=90) as client:
            output = output_config("s3://transcripts/out/", formats=["txt"], layout="prefix")
            batch = await client.submit_batch("s3://calls/in/", output=output, batch_id="calls")
            watched, began = await watch_with_faults(client, batch.name, Faults(cluster, choice), choice)
            batch = await client.get_batch(batch.name)
            jobs = [job async for job in client.list_jobs(batch=batch.name, page_size=1_000)]
            told = [event async for event in client.watch_batch(batch.name)]
        written = await cluster.written()
        for replica in cluster.replicas:
            assert await asyncio.to_thread(replica.stop) == 0
    assert max(began) < FILES, began  # all of them while there was work left
    assert batch.state == state_pb2.STATE_SUCCEEDED
    assert (batch.counts.total, batch.counts.succeeded) == (FILES, FILES)
    assert {key: words(text) for key, text in written.items()} == {
        f"out/{name}.txt": words(text) for name, (_, text) in said.items()
    }
    # Whoever watched through all of it was told what whoever asks afterwards is told, each thing once and in order.
    assert sequences(watched) == sequences(told) == sorted(set(sequences(told)))
    assert succeeded(watched) == succeeded(told) == Counter(job.name for job in jobs)
    assert len(jobs) == FILES


@pytest.mark.timeout(400)
async def test_a_rolling_restart_under_load_fails_no_call(tmp_path: Path) -> None:
    said = await asyncio.to_thread(recordings, tmp_path / "calls")
    with running_cluster(tmp_path, REPLICAS, "--model=tiny.en") as cluster:
        await cluster.put({f"in/{name}": path for name, (path, _) in said.items()})
        # One attempt each: what fails is seen here, whatever a client would do about it.
        async with (
            AsyncClient(cluster.gateway.address, retry_s=0) as once,
            AsyncClient(cluster.gateway.address) as client,
        ):
            await client.submit_batch("s3://calls/in/", batch_id="calls")
            watching = asyncio.create_task(watched_to_its_end(client, "batches/calls"))
            rolled = asyncio.Event()
            load = [asyncio.create_task(calls_until(rolled, once, number)) for number in range(4)]
            for replica in cluster.replicas:
                assert await asyncio.to_thread(replica.stop) == 0
                await asyncio.to_thread(cluster.start, replica)
            rolled.set()
            failures = [failure for each in load for failure in await each]
            events = await watching
            jobs = [job async for job in client.list_jobs(batch="batches/calls", page_size=1_000)]
    assert failures == []
    assert succeeded(events) == Counter(job.name for job in jobs)
    assert sequences(events) == sorted(set(sequences(events)))


def recordings(folder: Path) -> dict[str, tuple[Path, str]]:
    """The names of all files, where each is, and what is said in it: three sentences, so that they take a while."""
    folder.mkdir()
    made = []
    for number in range(len(UTTERANCES)):
        texts = [UTTERANCES[(number + k) % len(UTTERANCES)] for k in range(3)]
        made.append((joined(map(spoken, texts), 0.6, folder / f"{number}.wav"), " ".join(texts)))
    return {f"{number:03}.wav": made[number % len(made)] for number in range(FILES)}


async def watch_with_faults(
    client: AsyncClient, name: str, faults: Faults, choice: random.Random
) -> tuple[list[BatchEvent], list[int]]:
    """All that a watcher is told to the end, and how many files had succeeded when each fault began."""
    due = faults.all()
    choice.shuffle(due)
    moments = sorted(choice.sample(range(10, FILES - 60), len(due)))
    began: list[int] = []
    events: list[BatchEvent] = []
    async with asyncio.TaskGroup() as tasks:
        async for event in client.watch_batch(name):
            events.append(event)
            if due and event.progress.counts.succeeded >= moments[0]:
                began.append(event.progress.counts.succeeded)
                moments.pop(0)
                tasks.create_task(due.pop(0)())
    assert not due
    return events, began


async def watched_to_its_end(client: AsyncClient, name: str) -> list[BatchEvent]:
    return [event async for event in client.watch_batch(name)]


async def calls_until(over: asyncio.Event, client: AsyncClient, number: int) -> list[str]:
    """Create, read, cancel and delete jobs, one after the other; what failed."""
    failures = []
    made = 0
    while not over.is_set():
        made += 1
        try:
            await one_job(client, f"load-{number}-{made}")
        except BatchscribeError as error:
            failures.append(f"{number}-{made}: {error!r}")
    return failures


async def one_job(client: AsyncClient, job_id: str) -> None:
    job = await client.submit("s3://calls/in/000.wav", job_id=job_id)
    await client.get_job(job.name)
    await client.get_batch("batches/calls")
    await client.cancel_job(job.name)
    await client.delete_job(job.name)


def sequences(events: list[BatchEvent]) -> list[int]:
    """The numbers of the changes of jobs and of the batch; of the progress between them only the latest is told."""
    return [event.sequence for event in events if event.WhichOneof("event") in ("job_change", "state_change")]


def succeeded(events: list[BatchEvent]) -> Counter[str]:
    """How often each job was told to have succeeded."""
    return Counter(event.job_change.job for event in events if event.job_change.state == state_pb2.STATE_SUCCEEDED)
