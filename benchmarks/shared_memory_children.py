"""The children of `benchmarks.shared_memory`: they do nothing but hand over blocks of sound, as fast as they can.

    python -m benchmarks.shared_memory_children (producer | consumer) --channel-fd N --arena-fd M

They speak the service's messages over its channels. A producer's task has as its path `BLOCKSxSAMPLES`: it asks for a
slot, fills it and says so, so many times. A consumer looks at each sample of a segment, for the loudest, and answers.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.messages import (
    BatchDone,
    EngineReady,
    InferBatch,
    MediaFinished,
    SegmentReady,
    SegmentResult,
    Shutdown,
    SlotGranted,
    SlotWanted,
    ToEngine,
    ToMediaWorker,
    TranscodeTask,
    WorkerReady,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]


def main() -> None:
    """Run one child until it is told to stop or its parent is gone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("producer", "consumer"))
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--arena-fd", type=int, required=True)
    options = parser.parse_args()
    arena = Arena.attach(options.arena_fd)
    try:
        if options.role == "producer":
            _produce(BlockingChannel(options.channel_fd, ToMediaWorker), arena)
        else:
            _consume(BlockingChannel(options.channel_fd, ToEngine), arena)
    except ChannelClosedError:
        pass  # the parent is gone, and wants nothing more


def _produce(channel: BlockingChannel[ToMediaWorker], arena: Arena) -> None:
    channel.send(WorkerReady(os.getpid()))
    while isinstance(task := channel.receive(), TranscodeTask):
        blocks, samples = map(int, task.file_name.split("x"))
        sound = noise(samples)
        for index in range(blocks):
            channel.send(SlotWanted(task.task_id))
            grant = channel.receive()
            if not isinstance(grant, SlotGranted):
                return
            arena.write(grant.slot, grant.generation, sound)
            channel.send(SegmentReady(task.task_id, index, grant.slot, grant.generation, 0, samples))
        channel.send(MediaFinished(task.task_id, duration_ms=0, speech_ms=0, segments=blocks))


def _consume(channel: BlockingChannel[ToEngine], arena: Arena) -> None:
    channel.send(EngineReady(os.getpid(), "none", "none", concurrency=1))
    while not isinstance(batch := channel.receive(), Shutdown):
        assert isinstance(batch, InferBatch)
        results = []
        for task in batch.segments:
            loudest = look_at(arena.read(task.slot, task.generation))
            results.append(SegmentResult(task.segment_id, str(loudest)))
        channel.send(BatchDone(batch.batch_id, tuple(results), elapsed_s=0.0))


def noise(samples: int) -> Samples:
    """Sound to hand over, int16 of shape (samples,)."""
    return np.random.default_rng(1).integers(-3000, 3000, samples, dtype=np.int16)


def look_at(samples: Samples) -> int:
    """What a consumer does with a block: touch every sample once."""
    return int(samples.max()) if samples.size else 0


# the same by multiprocessing.Queue


def put_into_queue(queue: Queue[Samples], start: Event, blocks: int, samples: int) -> None:
    """A producer process: so many blocks into the queue once `start` is set."""
    sound = noise(samples)
    start.wait()
    for _ in range(blocks):
        queue.put(sound)


def take_from_queue(queue: Queue[Samples], done: Connection, blocks: int) -> None:
    """A consumer process: says that it is there, takes so many blocks, and says when it has them all."""
    done.send_bytes(b"ready")
    for _ in range(blocks):
        look_at(queue.get())
    done.send_bytes(b"done")


# and the bare round trip


def echo(incoming: Connection, outgoing: Connection) -> None:
    """Answer each byte with a byte, until the other end is closed."""
    while os.read(incoming.fileno(), 1):
        os.write(outgoing.fileno(), b".")


if __name__ == "__main__":
    main()
