"""The shared-memory queue held to its limit: blocks and bytes per second, and descriptor round trips.

    python -m benchmarks.shared_memory [--blocks 1500] [--cycles 5000] [--rounds 5] [--save]

Producer processes hand blocks of sound to a consumer process, which looks at every sample. Between them stands an owner
as in the service: its asyncio channels, slot allocator, arena and messages, five descriptors for each block. Beside it,
in turn:

- memcpy: numpy.copyto of as many blocks from the cache into as many slots, in one process. Nothing hands blocks over
  faster than it writes them.
- multiprocessing.Queue of numpy arrays, bounded to as many blocks, with the same processes at its ends.

A round trip of descriptors is the time from a task to BatchDone, one block of no sound at a time: TranscodeTask →
SlotWanted, SlotGranted → SegmentReady, InferBatch → BatchDone, so three times to a child and back. Beside it stand
three bare round trips of one byte over two os.pipes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import structlog

from batchscribe_engine.arena import Arena
from batchscribe_engine.messages import (
    SAMPLE_RATE_HZ,
    BatchDone,
    DecodeOptions,
    EngineReady,
    FromEngine,
    FromMediaWorker,
    InferBatch,
    MediaFinished,
    ModelSpec,
    SegmentReady,
    SegmentTask,
    SlotGranted,
    SlotWanted,
    TranscodeTask,
    VoiceActivityOptions,
    WorkerReady,
)
from batchscribe_server.domain.party import NOBODY
from batchscribe_server.transcriber.child import Child, ChildCommand
from batchscribe_server.transcriber.slots import Grant, SlotAllocator
from benchmarks.shared_memory_children import echo, noise, put_into_queue, take_from_queue

SLOTS = 32
LENGTHS_S = (2, 8, 30)
PRODUCERS = (1, 2)
RESULTS = Path(__file__).parent / "results"

MODEL, OPTIONS = ModelSpec("none", ""), DecodeOptions()


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=1500, help="handed over in each run")
    parser.add_argument("--cycles", type=int, default=5000, help="round trips in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help=f"keep the tables in {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    load = os.getloadavg()[0]
    rates: dict[tuple[str, int, int], list[float]] = {}
    trips: dict[str, list[float]] = {"descriptors": [], "pipes": []}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for length_s in LENGTHS_S:
            samples = length_s * SAMPLE_RATE_HZ
            rates.setdefault(("memcpy", length_s, 1), []).append(_memcpy_rate(options.blocks, samples))
            for producers in PRODUCERS:
                ours = asyncio.run(_arena_rate(options.blocks, samples, producers))
                rates.setdefault(("arena", length_s, producers), []).append(ours)
                theirs = _queue_rate(options.blocks, samples, producers)
                rates.setdefault(("queue", length_s, producers), []).append(theirs)
        trips["descriptors"] += asyncio.run(_descriptor_trips(options.cycles))
        trips["pipes"] += _pipe_trips(options.cycles)
    report = "\n".join([*_rate_table(rates), "", *_trip_table(trips)])
    print(report)
    if options.save:
        print(_saved(report, options, load), file=sys.stderr)


def _task(number: int, blocks: int, samples: int) -> TranscodeTask:
    """So many blocks of so many samples. Its file is of no interest: the name says it all."""
    return TranscodeTask(number, sys.stdin.fileno(), VoiceActivityOptions(), file_name=f"{blocks}x{samples}")


class Owner:
    """The server's part: grants slots, passes filled ones on, and takes them back."""

    backlogged, party = False, NOBODY  # as the holder of all slots

    def __init__(self, slots: SlotAllocator, consumer: Child[FromEngine]) -> None:
        self.slots = slots
        self.consumer = consumer
        self._batch_ids = itertools.count(1)
        self._in_flight: dict[int, Grant] = {}

    async def serve_producer(self, producer: Child[FromMediaWorker], task: TranscodeTask) -> None:
        """Give a producer its task, and what it asks for until that has ended."""
        producer.channel.send(task)
        while not isinstance(message := await producer.channel.receive(), MediaFinished):
            match message:
                case SlotWanted():
                    grant = await self.slots.request(self)
                    producer.channel.send(SlotGranted(task.task_id, grant.slot, grant.generation))
                case SegmentReady():
                    grant = Grant(message.slot, message.generation)
                    self.slots.filled(grant)
                    self.slots.reading(grant)
                    batch_id = next(self._batch_ids)
                    self._in_flight[batch_id] = grant
                    segment = SegmentTask(batch_id, grant.slot, grant.generation, message.samples)
                    self.consumer.channel.send(InferBatch(batch_id, MODEL, OPTIONS, (segment,)))

    async def take_answers(self, blocks: int) -> None:
        """Take that many blocks back from the consumer."""
        for _ in range(blocks):
            answer = await self.consumer.channel.receive()
            assert isinstance(answer, BatchDone)
            self.slots.release(self._in_flight.pop(answer.batch_id))


@dataclass(frozen=True, slots=True)
class Stage:
    """An arena with its owner and children."""

    owner: Owner
    producers: Sequence[Child[FromMediaWorker]]

    async def hand_over(self, blocks: int, samples: int) -> None:
        """Let the producers hand that many blocks over between them."""
        shares = [blocks // len(self.producers)] * len(self.producers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.owner.take_answers(sum(shares)))
            for number, (producer, share) in enumerate(zip(self.producers, shares, strict=True)):
                task = _task(number, share, samples)
                group.create_task(self.owner.serve_producer(producer, task))


@asynccontextmanager
async def _stage(producers: int) -> AsyncIterator[Stage]:
    arena = Arena.create(SLOTS)
    children: list[Child[FromMediaWorker]] = []
    consumer: Child[FromEngine]
    argv = (sys.executable, str(Path(__file__).with_name("shared_memory_children.py")))
    try:
        consumer, _ = await Child.spawn(
            ChildCommand("consumer", (*argv, "consumer"), FromEngine, EngineReady), arena.descriptor
        )
        try:
            for _ in range(producers):
                producer: Child[FromMediaWorker]
                producer, _ = await Child.spawn(
                    ChildCommand("producer", (*argv, "producer"), FromMediaWorker, WorkerReady), arena.descriptor
                )
                children.append(producer)
            yield Stage(Owner(SlotAllocator(SLOTS), consumer), children)
        finally:
            for child in children:
                await child.end()
            await consumer.end()
    finally:
        arena.close()


async def _arena_rate(blocks: int, samples: int, producers: int) -> float:
    """Blocks per second through the arena."""
    async with _stage(producers) as stage:
        await stage.hand_over(2 * SLOTS, samples)  # every slot was written once
        began_s = time.perf_counter()
        await stage.hand_over(blocks, samples)
        return blocks / (time.perf_counter() - began_s)


async def _descriptor_trips(cycles: int) -> list[float]:
    """Seconds from a task of one empty block to its BatchDone, each time."""
    async with _stage(1) as stage:
        producer, consumer, slots = stage.producers[0].channel, stage.owner.consumer.channel, stage.owner.slots
        times = []
        for cycle in range(cycles + 100):
            began_s = time.perf_counter()
            producer.send(_task(cycle, 1, 0))
            assert isinstance(await producer.receive(), SlotWanted)
            grant = await slots.request(stage.owner)
            producer.send(SlotGranted(cycle, grant.slot, grant.generation))
            assert isinstance(await producer.receive(), SegmentReady)
            segment = SegmentTask(cycle, grant.slot, grant.generation, 0)
            consumer.send(InferBatch(cycle, MODEL, OPTIONS, (segment,)))
            assert isinstance(await consumer.receive(), BatchDone)
            if cycle >= 100:
                times.append(time.perf_counter() - began_s)
            slots.release(grant)
            assert isinstance(await producer.receive(), MediaFinished)
        return times


def _memcpy_rate(blocks: int, samples: int) -> float:
    """Blocks per second copied from one place into one slot after the other."""
    source, slots = noise(samples), np.zeros((SLOTS, samples), dtype=np.int16)
    for slot in slots:
        np.copyto(slot, source)
    began_s = time.perf_counter()
    for block in range(blocks):
        np.copyto(slots[block % SLOTS], source)
    return blocks / (time.perf_counter() - began_s)


def _queue_rate(blocks: int, samples: int, producers: int) -> float:
    """Blocks per second through a multiprocessing.Queue."""
    context = multiprocessing.get_context("spawn")
    queue, start = context.Queue(SLOTS), context.Event()
    ours, theirs = context.Pipe(duplex=False)
    share = blocks // producers
    processes = [
        *(context.Process(target=put_into_queue, args=(queue, start, share, samples)) for _ in range(producers)),
        context.Process(target=take_from_queue, args=(queue, theirs, share * producers)),
    ]
    for process in processes:
        process.start()
    theirs.close()
    assert ours.recv_bytes() == b"ready"
    began_s = time.perf_counter()
    start.set()
    assert ours.recv_bytes() == b"done"
    took_s = time.perf_counter() - began_s
    for process in processes:
        process.join()
    return share * producers / took_s


def _pipe_trips(cycles: int) -> list[float]:
    """Seconds for three bare round trips of one byte to a process and back, each time."""
    context = multiprocessing.get_context("spawn")
    their_in, our_out = context.Pipe(duplex=False)
    our_in, their_out = context.Pipe(duplex=False)
    process = context.Process(target=echo, args=(their_in, their_out))
    process.start()
    their_in.close()
    their_out.close()
    into, out_of = our_out.fileno(), our_in.fileno()
    times = []
    for cycle in range(cycles + 100):
        began_s = time.perf_counter()
        for _ in range(3):
            os.write(into, b".")
            os.read(out_of, 1)
        if cycle >= 100:
            times.append(time.perf_counter() - began_s)
    our_out.close()
    process.join()
    return times


def _rate_table(rates: dict[tuple[str, int, int], list[float]]) -> list[str]:
    rows = [
        "| block | producers | arena, blocks/s | arena, GB/s | memcpy, GB/s | Queue, GB/s | arena : Queue |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for length_s, producers in itertools.product(LENGTHS_S, PRODUCERS):
        gigabytes = 2 * length_s * SAMPLE_RATE_HZ / 1e9
        ours, theirs = rates["arena", length_s, producers], rates["queue", length_s, producers]
        ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
        rows.append(
            f"| {length_s} s | {producers} | {_median_and_spread(ours, '{:,.0f}'.format)} "
            f"| {statistics.median(ours) * gigabytes:.2f} "
            f"| {statistics.median(rates['memcpy', length_s, 1]) * gigabytes:.1f} "
            f"| {statistics.median(theirs) * gigabytes:.2f} | {ratio:.1f} |"
        )
    return rows


def _median_and_spread(values: Sequence[float], words: Callable[[float], str]) -> str:
    return f"{words(statistics.median(values))} ({words(min(values))} to {words(max(values))})"


def _trip_table(trips: dict[str, list[float]]) -> list[str]:
    names = {"descriptors": "three descriptor round trips, through the owner", "pipes": "three bare pipe round trips"}
    rows = ["| | p50 | p99 |", "| --- | --- | --- |"]
    for name, words in names.items():
        quantiles = statistics.quantiles(trips[name], n=100)
        rows.append(f"| {words} | {quantiles[49] * 1e6:.0f} µs | {quantiles[98] * 1e6:.0f} µs |")
    return rows


def _saved(report: str, options: argparse.Namespace, load: float) -> Path:
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    path = RESULTS / f"{today}-shared-memory.md"
    path.write_text(
        f"# {today}: the shared-memory queue\n\n"
        f"`python -m benchmarks.shared_memory --blocks {options.blocks} --cycles {options.cycles} "
        f"--rounds {options.rounds}` on {_processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, numpy {np.__version__}; load {load:.2f} before. "
        "Medians, with the slowest and the fastest round; a block is 16-bit sound at 16 kHz.\n\n"
        f"{report}\n",
        encoding="utf-8",
    )
    return path


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
    return next(names, platform.machine())


if __name__ == "__main__":
    main()
