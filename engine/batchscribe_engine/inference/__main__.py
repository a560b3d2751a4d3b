"""`python -m batchscribe_engine.inference`: started by the server, which passes a socket and the shared arena."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from batchscribe_engine.inference.memory import keep_few_kernels, keep_freed_memory

GPU_STREAMS = 2
"""Batches at once on a GPU: it has something to do while a worker prepares a call or reads its results."""

GPU_PREPARERS = 4
"""Threads that compute features for a GPU. One was measured to do that for 175 s of audio in a second."""


def main() -> int:
    """Attach to the server, say what device there is, and serve until told to stop."""
    arguments = parsed(sys.argv[1:])
    os.nice(arguments.nice)
    limit_threads(arguments.threads)
    keep_few_kernels()
    keep_freed_memory()

    # Only now: the libraries read the environment as they are loaded.
    from batchscribe_engine.arena import Arena
    from batchscribe_engine.channel import BlockingChannel
    from batchscribe_engine.inference.appetite import BATCH_SIZES
    from batchscribe_engine.inference.models import LoadedModels
    from batchscribe_engine.inference.process import InferenceProcess, exit_now
    from batchscribe_engine.inference.whisper import Device, DeviceUnavailableError, Whisper
    from batchscribe_engine.messages import EngineReady, ModelSpec, ToEngine

    try:
        device = Device.choose(arguments.device, arguments.compute_type)
    except DeviceUnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    on_cpu = device.kind == "cpu"
    concurrency = arguments.concurrency or (usable_cores() if on_cpu else GPU_STREAMS)
    preparers = arguments.preparers
    if preparers is None:
        preparers = 0 if on_cpu else min(GPU_PREPARERS, usable_cores())
    size = BATCH_SIZES[device.kind]

    def load(spec: ModelSpec) -> Whisper:
        return Whisper.load(spec.path, device, workers=concurrency, threads=arguments.threads)

    channel: BlockingChannel[ToEngine] = BlockingChannel(arguments.channel_fd, ToEngine)
    process = InferenceProcess(
        channel,
        Arena.attach(arguments.arena_fd),
        LoadedModels(load, memory_budget_bytes=arguments.memory_budget_bytes),
        concurrency=concurrency,
        preparers=preparers,
        max_padded_s=size.max_padded_s,
        idle_unload_s=arguments.idle_unload_s,
        pulse_s=arguments.pulse_s,
        keep_freed_s=arguments.keep_freed_s,
    )
    channel.send(
        EngineReady(
            os.getpid(),
            device.name,
            device.compute_type,
            concurrency,
            queue_depth=1 + (concurrency if preparers else 0),
            max_batch_segments=size.max_segments,
            max_batch_padded_s=size.max_padded_s,
        )
    )
    process.serve()
    return exit_now(0)


class ListDevices(argparse.Action):
    """`--list-devices`: one line of JSON on standard output, with the GPUs and the compute types that there are."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print and exit."""
        from batchscribe_engine.inference.gpus import compute_types, count_cuda_devices

        print(json.dumps({"cuda": count_cuda_devices(), "compute_types": compute_types()}))
        parser.exit()


def parsed(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m batchscribe_engine.inference", description=__doc__)
    parser.add_argument("--channel-fd", type=int, required=True, help="socket to the server")
    parser.add_argument("--arena-fd", type=int, required=True, help="the shared-memory arena")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--compute-type", default="auto", help="auto, or one of CTranslate2's: int8, float16, ...")
    parser.add_argument("--concurrency", type=int, default=0, help="batches at once; 0: the cores, or 2 on a GPU")
    parser.add_argument("--preparers", type=int, help="threads that compute features ahead; usually none on the CPU")
    parser.add_argument(
        "--list-devices", action=ListDevices, help="print a line of JSON that says what there is, and exit"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads for one batch on the CPU")
    parser.add_argument("--memory-budget-bytes", type=int, default=0, help="for all models together; 0: no limit")
    parser.add_argument("--idle-unload-s", type=float, default=0, help="unload a model unused for so long; 0: never")
    parser.add_argument("--pulse-s", type=float, default=1.0, help="how often to tell that it is alive")
    parser.add_argument("--keep-freed-s", type=float, default=3.0, help="how often to give freed memory back")
    parser.add_argument("--nice", type=int, default=5, help="how much lower the priority is than the server's")
    return parser.parse_args(argv)


def limit_threads(threads: int) -> None:
    """Keep the libraries from starting a thread for each core beside our workers, and from going online."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
