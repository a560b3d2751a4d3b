"""How the children are started: their command lines, to be completed with descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from batchscribe_engine.messages import (
    DiarizerReady,
    EngineReady,
    FromDiarizer,
    FromEngine,
    FromMediaWorker,
    WorkerReady,
)
from batchscribe_server.transcriber.child import ChildCommand
from batchscribe_server.transcriber.surroundings import python_argv


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the inference process is told. `concurrency` 0 leaves the choice to it, `threads` are for one batch."""

    device: str = "auto"
    compute_type: str = "auto"
    concurrency: int = 0
    threads: int = 1
    memory_budget_bytes: int = 4 * 1024**3
    idle_unload_s: float = 600.0
    nice: int = 5


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """What a media worker is told. `cpu_limit_s_per_minute` limits CPU seconds for each minute of audio."""

    memory_limit_bytes: int = 2 * 1024**3
    cpu_limit_s_per_minute: float = 60.0
    nice: int = 10


@dataclass(frozen=True, slots=True)
class DiarizerOptions:
    """What the diarizer is told. `memory_limit_bytes` is what it may take beside its models."""

    threads: int = 1
    memory_limit_bytes: int = 4 * 1024**3
    nice: int = 10


def engine_argv(options: EngineOptions) -> tuple[str, ...]:
    """The command line of the inference process."""
    return (
        *python_argv("batchscribe_engine.inference"),
        *("--device", options.device),
        *("--compute-type", options.compute_type),
        *("--concurrency", str(options.concurrency)),
        *("--threads", str(options.threads)),
        *("--memory-budget-bytes", str(options.memory_budget_bytes)),
        *("--idle-unload-s", f"{options.idle_unload_s:g}"),
        *("--nice", str(options.nice)),
    )


def engine_argvs(options: EngineOptions, devices: Sequence[str], cores: int) -> tuple[tuple[str, ...], ...]:
    """The command lines of an inference process for each device. Several on the CPU divide its cores among them."""
    sharing = devices.count("cpu")
    shares = iter(max(1, (cores + place) // sharing) for place in range(sharing))
    argvs = []
    for device in devices:
        share = next(shares) if device == "cpu" and sharing > 1 else 0
        argvs.append(engine_argv(replace(options, device=device, concurrency=options.concurrency or share)))
    return tuple(argvs)


def media_argv(options: MediaOptions) -> tuple[str, ...]:
    """The command line of a media worker."""
    return (
        *python_argv("batchscribe_engine.media"),
        *("--memory-limit-bytes", str(options.memory_limit_bytes)),
        *("--cpu-limit-s-per-minute", f"{options.cpu_limit_s_per_minute:g}"),
        *("--nice", str(options.nice)),
    )


def diarizer_argv(options: DiarizerOptions) -> tuple[str, ...]:
    """The command line of the diarizer."""
    return (
        *python_argv("batchscribe_engine.diarization"),
        *("--threads", str(options.threads)),
        *("--memory-limit-bytes", str(options.memory_limit_bytes)),
        *("--nice", str(options.nice)),
    )


def engine_command(argv: tuple[str, ...], handshake_timeout_s: float, grace_s: float) -> ChildCommand:
    """The inference process as a child."""
    return ChildCommand("engine", argv, FromEngine, EngineReady, handshake_timeout_s, grace_s)


def media_command(argv: tuple[str, ...], handshake_timeout_s: float, grace_s: float) -> ChildCommand:
    """A media worker as a child."""
    return ChildCommand("media_worker", argv, FromMediaWorker, WorkerReady, handshake_timeout_s, grace_s)


def diarizer_command(argv: tuple[str, ...], handshake_timeout_s: float, grace_s: float) -> ChildCommand:
    """The diarizer as a child."""
    return ChildCommand("diarizer", argv, FromDiarizer, DiarizerReady, handshake_timeout_s, grace_s)
