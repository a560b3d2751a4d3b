"""Starts a diarizer on a channel inherited from the server: `python -m batchscribe_engine.diarization`."""

from __future__ import annotations

import argparse
import os
import signal

from batchscribe_engine.channel import BlockingChannel
from batchscribe_engine.media.limits import limit_memory, lower_priority
from batchscribe_engine.messages import ToDiarizer


def main() -> None:
    """Parse the arguments, load, set the limits, and work until told to stop."""
    arguments = _arguments()
    # Ctrl-C in a terminal reaches the whole group; when to stop is for the server to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_priority(arguments.nice)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)  # read when their libraries are loaded

    from batchscribe_engine.diarization.voices import Voices
    from batchscribe_engine.diarization.worker import DiarizationWorker

    channel: BlockingChannel[ToDiarizer] = BlockingChannel(arguments.channel_fd, ToDiarizer)
    worker = DiarizationWorker(channel, Voices(arguments.threads))
    limit_memory(arguments.memory_limit_bytes)
    worker.run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batchscribe_engine.diarization", description=__doc__)
    parser.add_argument("--channel-fd", type=int, required=True, help="the diarizer's end of the socket pair")
    parser.add_argument("--threads", type=int, default=1, help="threads of each library")
    parser.add_argument("--nice", type=int, default=10, help="how far to stand back behind other processes")
    parser.add_argument("--memory-limit-bytes", type=int, default=0, help="memory beside the models, 0 for no limit")
    return parser.parse_args()


if __name__ == "__main__":
    main()
