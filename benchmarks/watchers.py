"""How long an event takes to each of many watchers of a job, through Envoy and two replicas, and what a watch costs.

    python -m benchmarks.watchers [--streams 1000] [--sentences 40]

The replicas share a PostgreSQL; the watchers are in processes of their own, a hundred streams to a connection. A job
waits for its file until all of them watch; then its segments come as they are heard. A delay is from the time that the
store gave the event to its arrival, by one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from batchscribe import AsyncClient
from batchscribe.v1.job_service_pb2 import WatchJobRequest
from batchscribe.v1.job_service_pb2_grpc import JobServiceStub
from benchmarks import machine
from tests.cluster import Cluster, running_cluster
from tests.many_files import UTTERANCES
from tests.scripted_web import Asked, Reply, scripted_web
from tests.speech import joined, spoken

if TYPE_CHECKING:
    from batchscribe.v1.job_service_pb2_grpc import JobServiceAsyncStub

REPLICAS = 2
STREAMS_OF_A_CONNECTION = 100
PAUSE_S = 2.5
"""Between two sentences: longer than speech is joined across, so that each is a segment."""

_ALLOWED: dict[str, Any] = {
    "BATCHSCRIBE_STORAGE__HTTPS__HTTP": "true",
    "BATCHSCRIBE_STORAGE__HTTPS__PRIVATE_ADDRESSES": "true",
}
_JOB = "jobs/watched"


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(", ".join(machine.described().values()))
    with tempfile.TemporaryDirectory() as name:
        recording = joined(
            [spoken(UTTERANCES[number % len(UTTERANCES)]) for number in range(options.sentences)],
            PAUSE_S,
            Path(name) / "watched.wav",
        )
        with running_cluster(Path(name) / "cluster", REPLICAS, "--model=tiny.en", **_ALLOWED) as cluster:
            delays_s, before, after = asyncio.run(_measured(cluster, recording.read_bytes(), options))
    by_size = sorted(delays_s)
    print(
        f"{options.streams} streams, {len(by_size)} events received: p50 {statistics.median(by_size) * 1000:.0f} ms, "
        f"p99 {by_size[int(len(by_size) * 0.99)] * 1000:.0f} ms, most {by_size[-1] * 1000:.0f} ms"
    )
    for process, was in before.items():
        each = (after[process] - was) / options.streams * (REPLICAS if process.startswith("replica") else 1)
        print(f"{process}: {was / 2**20:.0f} MiB before, {after[process] / 2**20:.0f} with all of them open, "
              f"{each / 1024:.0f} KiB a stream")  # fmt: skip


async def _measured(
    cluster: Cluster, recording: bytes, options: argparse.Namespace
) -> tuple[list[float], dict[str, int], dict[str, int]]:
    """The delays of all events at all watchers in seconds, and the memory of each process before and with them."""
    everybody_watches = asyncio.Event()

    async def wait() -> None:
        await everybody_watches.wait()

    def script(asked: Asked) -> Reply:
        return Reply(body=recording, before_each=wait)

    context = multiprocessing.get_context("spawn")
    watching, delays = context.Semaphore(0), context.Queue()
    async with scripted_web(script) as web, AsyncClient(cluster.gateway.address, retry_s=60) as client:
        await client.submit(web.url("/watched.wav"), job_id=_JOB.removeprefix("jobs/"))
        before = _memory(cluster)
        share = options.streams // options.processes
        watchers = [
            context.Process(target=_watch_all, args=(cluster.gateway.address, share, watching, delays))
            for _ in range(options.processes)
        ]
        for watcher in watchers:
            watcher.start()
        for _ in range(share * options.processes):
            await asyncio.to_thread(watching.acquire)
        after = _memory(cluster)
        everybody_watches.set()
        told = [await asyncio.to_thread(delays.get) for _ in watchers]
        for watcher in watchers:
            await asyncio.to_thread(watcher.join)
    return [delay for each in told for delay in each], before, after


def _memory(cluster: Cluster) -> dict[str, int]:
    """The resident bytes of each server process and of Envoy."""
    servers = {f"replica {number}": replica.process for number, replica in enumerate(cluster.replicas)}
    return {name: process.memory_info().rss for name, process in {**servers, "Envoy": cluster.gateway.envoy}.items()}


def _watch_all(address: str, streams: int, watching: Semaphore, delays: Queue[list[float]]) -> None:
    delays.put(asyncio.run(_delays(address, streams, watching)))


async def _delays(address: str, streams: int, watching: Semaphore) -> list[float]:
    connections = -(-streams // STREAMS_OF_A_CONNECTION)
    # Channels to one address share a connection unless they differ in an option.
    channels = [grpc.aio.insecure_channel(address, options=[("batchscribe.number", n)]) for n in range(connections)]
    stubs = [JobServiceStub(channel) for channel in channels]
    found = await asyncio.gather(*(_watch(stubs[number % connections], watching) for number in range(streams)))
    for channel in channels:
        await channel.close()
    return [delay for each in found for delay in each]


async def _watch(stub: JobServiceAsyncStub, watching: Semaphore) -> list[float]:
    delays = []
    async for event in stub.WatchJob(WatchJobRequest(name=_JOB)):
        arrived_s = time.time()
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            watching.release()
        elif kind == "segment":
            delays.append(arrived_s - event.event_time.ToNanoseconds() / 1e9)
    return delays


if __name__ == "__main__":
    main()
