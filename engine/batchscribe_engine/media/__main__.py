"""Starts a media worker on a channel and an arena inherited from the server: `python -m batchscribe_engine.media`."""

from __future__ import annotations

import argparse
import os
import signal

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel
from batchscribe_engine.media.limits import CpuAllowance, limit_memory, lower_priority
from batchscribe_engine.messages import ToMediaWorker


def main() -> None:
    """Parse the arguments, load, set the limits, and work until told to stop."""
    arguments = _arguments()
    # Ctrl-C in a terminal reaches the whole group; when to stop is for the server to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_priority(arguments.nice)
    # Read by numpy as it is loaded, below. Two threads for products as small as those of voice activity, on cores that
    # are busy, are ten times as slow as one.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"

    from batchscribe_engine.media.voice_activity import SileroModel
    from batchscribe_engine.media.worker import MediaWorker

    channel: BlockingChannel[ToMediaWorker] = BlockingChannel(arguments.channel_fd, ToMediaWorker)
    worker = MediaWorker(
        channel,
        Arena.attach(arguments.arena_fd),
        SileroModel(),
        CpuAllowance(arguments.cpu_limit_s_per_minute),
    )
    limit_memory(arguments.memory_limit_bytes)
    worker.run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batchscribe_engine.media", description=__doc__)
    parser.add_argument("--channel-fd", type=int, required=True, help="the worker's end of the socket pair")
    parser.add_argument("--arena-fd", type=int, required=True, help="the shared memory that segments are put into")
    parser.add_argument("--nice", type=int, default=10, help="how far to stand back behind other processes")
    parser.add_argument("--memory-limit-bytes", type=int, default=0, help="memory allowed for decoding, 0 for no limit")
    parser.add_argument(
        "--cpu-limit-s-per-minute",
        type=float,
        default=0.0,
        help="processor time allowed for a minute of audio, 0 for no limit",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
