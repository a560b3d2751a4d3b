"""The transcriber of this machine: the arena, the media workers and the engines, behind the port."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from batchscribe_engine.arena import Arena
from batchscribe_server.domain.recognition import OperatingPoint
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.operations.transcriber import (
    TranscriberClosedError,
    TranscriberStatus,
    Transcription,
    TranscriptionRequest,
)
from batchscribe_server.transcriber.backlog import Backlog
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.commands import (
    EngineOptions,
    MediaOptions,
    engine_argv,
    engine_command,
    media_argv,
    media_command,
)
from batchscribe_server.transcriber.deadlines import WatchdogLimits
from batchscribe_server.transcriber.engines import Engines
from batchscribe_server.transcriber.media_pool import MediaPool, WorkerLimits
from batchscribe_server.transcriber.media_task import MediaQueue, MediaTask
from batchscribe_server.transcriber.options import decode_options, model_spec, voice_activity_options
from batchscribe_server.transcriber.pool import SegmentPool
from batchscribe_server.transcriber.sequential import SequentialSession
from batchscribe_server.transcriber.session import Session
from batchscribe_server.transcriber.slots import SlotAllocator, fewest_slots


@dataclass(frozen=True, slots=True)
class TranscriberConfig:
    """The measures of a transcriber, with an engine for each of `engine_argvs`.

    Its audio takes at most `slots` MB of memory; more slots are made where the media workers could block each other.
    `batches` is the most that any engine gets at once: each says itself what suits its device. `max_deaths` is how many
    engines one segment may kill before its file is failed.
    """

    engine_argvs: tuple[tuple[str, ...], ...] = field(default_factory=lambda: (engine_argv(EngineOptions()),))
    media_argv: tuple[str, ...] = field(default_factory=lambda: media_argv(MediaOptions()))
    slots: int = 32
    batches: BatchLimits = field(default_factory=lambda: BatchLimits(max_segments=64, max_padded_s=480.0))
    media: WorkerLimits = field(default_factory=WorkerLimits)
    watchdog: WatchdogLimits = field(default_factory=WatchdogLimits)
    backoff: Backoff = field(default_factory=Backoff)
    max_deaths: int = 3
    handshake_timeout_s: float = 120.0
    grace_s: float = 10.0


class LocalTranscriber:
    """A `Transcriber` over child processes; an async context manager, entered and left by one task.

    Leaving it ends the children in good order; files that are still open end with TranscriberClosedError, and so does
    any that comes later.
    """

    def __init__(
        self,
        config: TranscriberConfig,
        clock: Callable[[], float] = time.monotonic,
        observer: EngineObserver | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._clock = clock
        observer, tracing = observer or EngineObserver(), tracing or Tracing()
        slots = max(config.slots, fewest_slots(config.media.all_workers))
        self._arena = Arena.create(slots)
        self._slots = SlotAllocator(slots)
        self._backlog = Backlog(SegmentPool(config.batches, clock, observer))
        self._engines = Engines(
            [engine_command(argv, config.handshake_timeout_s, config.grace_s) for argv in config.engine_argvs],
            self._arena.descriptor,
            self._slots,
            self._backlog,
            batches=config.batches,
            watchdog=config.watchdog,
            backoff=config.backoff,
            max_deaths=config.max_deaths,
            observer=observer,
            tracing=tracing,
        )
        self._files = MediaQueue(clock)
        self._media = MediaPool(
            media_command(config.media_argv, config.handshake_timeout_s, config.grace_s),
            self._arena.descriptor,
            self._slots,
            self._files,
            limits=config.media,
            backoff=config.backoff,
            observer=observer,
            tracing=tracing,
        )
        self._segment_ids = itertools.count(1)
        self._open: dict[Session | SequentialSession, MediaTask] = {}
        self._group = asyncio.TaskGroup()
        self._supervisors: list[asyncio.Task[None]] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._supervisors = [
            self._group.create_task(self._engines.run(), name="engines-supervisor"),
            self._group.create_task(self._media.run(), name="media-supervisor"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        for session in list(self._open):
            session.fail(TranscriberClosedError())
        for supervisor in self._supervisors:
            supervisor.cancel()
        # The group gets to see a cancellation, which may be its own; any other error would come out of it wrapped.
        cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        try:
            await self._group.__aexit__(*((kind, error, traceback) if cancelled else (None, None, None)))
        finally:
            self._arena.close()

    @property
    def ready(self) -> bool:
        """True while an engine and a media worker can take work."""
        return self._engines.ready and self._media.ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until an engine and a media worker can take work."""
        while not self.ready:
            await self._backlog.staffed.wait()
            await self._media.ready.wait()

    def status(self) -> TranscriberStatus:
        """What the engines are doing now. `reason` tells of one that is missing, even where others do its work."""
        return TranscriberStatus(
            ready=self.ready,
            reason="; ".join(reason for reason in (self._engines.reason, self._media.reason) if reason),
            device=self._engines.device,
            compute_type=self._engines.compute_type,
            loaded_models=self._engines.loaded_models,
            loading_model=self._engines.loading_model,
            model_bytes=self._engines.model_bytes,
            resident_bytes=self._engines.resident_bytes,
            slots=self._slots.slots,
            free_slots=self._slots.free,
            waiting_segments=self._backlog.waiting_segments,
            waiting_files=len(self._files),
        )

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Transcription]:
        """Transcribe one file; see the port. The generator must be closed, as `contextlib.aclosing` does."""
        if self._closed:
            raise TranscriberClosedError
        in_sequence = request.config.operating_point is OperatingPoint.SEQUENTIAL
        session = (SequentialSession if in_sequence else Session)(
            request,
            model_spec(request.model),
            decode_options(request),
            self._slots,
            self._backlog,
            self._segment_ids,
        )
        task = MediaTask(
            descriptor=request.descriptor,
            file_name=request.file_name,
            voice_activity=voice_activity_options(request.config),
            max_duration_ms=request.max_duration_ms,
            priority=request.priority,
            sink=session,
            job_id=request.job_id,
            submitted_s=self._clock(),
            cancelled=session.closed,
            party=session.party,
            start_ms=request.config.start_offset_ms,
            end_ms=request.config.end_offset_ms,
            separate_channels=request.config.separates_channels,
        )
        self._open[session] = task
        self._files.put(task)
        try:
            async with aclosing(session.events()) as events:
                async for event in events:
                    yield event
        finally:
            session.close()
            del self._open[session]

    def prioritize(self, job_id: str, priority: int) -> None:
        """Give a job's file another priority; see the port."""
        for session, task in self._open.items():
            if task.job_id == job_id:
                task.priority = priority
                session.prioritize(priority)
