"""The media workers: child processes that cut files into segments, one file at a time each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from functools import partial

import structlog

from batchscribe_engine.channel import ChannelClosedError
from batchscribe_engine.messages import (
    MAX_SEGMENT_S,
    SAMPLE_RATE_HZ,
    CancelTask,
    FromMediaWorker,
    MediaFailed,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    SlotGranted,
    SlotWanted,
    TranscodeTask,
    WorkerReady,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.supervision import CRASHED, keep_running
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.child import Child, ChildCommand, ChildStartError
from batchscribe_server.transcriber.media_task import MediaQueue, MediaTask
from batchscribe_server.transcriber.reasons import known_reason
from batchscribe_server.transcriber.slots import Grant, SlotAllocator

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Beside the `workers` there are `spare_workers` for files of batches that have no worker; see MediaQueue.

    `stall_s` is how long a worker may be silent unless it waits for a slot, `max_crashes` how many workers one file
    may kill, `tasks_per_worker` after how many files a worker is replaced by a fresh one. `tick_s` is how often its
    silence is looked at.
    """

    workers: int = 2
    spare_workers: int = 1
    stall_s: float = 60.0
    tick_s: float = 0.5
    max_crashes: int = 3
    tasks_per_worker: int = 200

    @property
    def all_workers(self) -> int:
        """How many there are."""
        return self.workers + self.spare_workers


class MediaPool:
    """The workers and their queue. A worker that dies is replaced; the file it had goes on where it was."""

    def __init__(
        self,
        command: ChildCommand,
        arena_descriptor: int,
        slots: SlotAllocator,
        queue: MediaQueue,
        *,
        limits: WorkerLimits,
        backoff: Backoff,
        observer: EngineObserver,
        tracing: Tracing,
    ) -> None:
        self._command = command
        self._arena_descriptor = arena_descriptor
        self._slots = slots
        self._queue = queue
        self._limits = limits
        self._backoff = backoff
        self._observer = observer
        self._tracing = tracing
        self._task_ids = itertools.count(1)
        self._alive = 0
        self.ready = asyncio.Event()
        self.reason = "the media workers are starting"

    async def run(self) -> None:
        """Keep the workers running until cancelled, then end them."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._limits.all_workers):
                spare = number >= self._limits.workers
                name = f"media-worker-{number}"
                group.create_task(keep_running(name, partial(self._keep_worker, spare=spare)), name=name)

    async def _keep_worker(self, *, spare: bool) -> None:
        fruitless = 0  # workers in a row that never came to a file
        while True:
            try:
                child: Child[FromMediaWorker]
                child, _ = await Child.spawn(self._command, self._arena_descriptor)
            except ChildStartError as error:
                fruitless += 1
                if not self._alive:
                    self.reason = f"the media workers do not start: {error}"
                log.error("media_worker_start_failed", reason=str(error), failures=fruitless)  # noqa: TRY400 - its words say all
            else:
                self._enter()
                try:
                    employed = await self._employ(child, spare=spare)
                finally:
                    self._leave()
                    await child.end()
                fruitless = 0 if employed else fruitless + 1
            await asyncio.sleep(self._backoff.delay_s(fruitless))

    def _enter(self) -> None:
        self._alive += 1
        self.ready.set()
        self.reason = ""

    def _leave(self) -> None:
        self._alive -= 1
        if not self._alive:
            self.ready.clear()
            self.reason = "the media workers are being restarted"

    async def _employ(self, child: Child[FromMediaWorker], *, spare: bool) -> bool:
        """Give one worker files until it dies, or has had its share; returns whether there was any."""
        for number in range(self._limits.tasks_per_worker):
            task = await self._queue.take(child.exited, spare=spare)
            if task is None:
                self._observer.media_worker_died()
                log.warning("media_worker_died", pid=child.pid, cause=await child.describe_death())
                return number > 0
            run = MediaRun(next(self._task_ids), task, child, self._slots, self._limits)
            started_s = time.monotonic()
            try:
                await run.to_the_end()
                self._tracing.media_read(task.job_id, time.monotonic() - started_s)
            except WorkerLostError as lost:
                self._on_lost(task, child.pid, str(lost))
                return True
            except Exception:  # the boundary: what no worker is to blame for fails its file alone
                log.exception("media_run_crashed", job_id=task.job_id)
                task.sink.media_failed(Reason(CRASHED.reason), CRASHED.message)
                child.strike()  # nothing is known of it any more
                return True
            finally:
                self._queue.done(task)
        return True

    def _on_lost(self, task: MediaTask, pid: int, cause: str) -> None:
        task.crashes += 1
        self._observer.media_worker_died()
        log.warning("media_worker_died", pid=pid, cause=cause, job_id=task.job_id, crashes=task.crashes)
        if task.cancelled.done():
            return
        if task.crashes < self._limits.max_crashes:
            self._queue.put(task)
            return
        task.sink.media_failed(
            Reason.DECODE_FAILED,
            f"The decoder crashed on this file {task.crashes} times ({cause}). "
            "Convert it to WAV or FLAC and try again.",
        )


class WorkerLostError(Exception):
    """The worker died, fell silent or sent nonsense, and is gone now; the message says how."""


class MediaRun:
    """One file on one worker. Whatever way it ends, the slots that were granted and not filled are free again.

    A worker is silent for as long as ticks say so, not a clock: a server that was itself stopped for a while blames
    nobody.
    """

    def __init__(
        self, task_id: int, task: MediaTask, child: Child[FromMediaWorker], slots: SlotAllocator, limits: WorkerLimits
    ) -> None:
        self._task_id = task_id
        self._task = task
        self._child = child
        self._slots = slots
        self._limits = limits
        self._filling: set[Grant] = set()
        self._waits_for_slot = False
        self._silent_s = 0.0
        self._stall = ""
        self._ended = False

    async def to_the_end(self) -> None:
        """Run the file until the worker has ended it. Raises WorkerLostError when the worker is lost."""
        if self._task.cancelled.done():
            return  # and its descriptor may be another file's by now
        self._task.cancelled.add_done_callback(self._pass_cancellation_on)
        watch = asyncio.create_task(self._watch(), name=f"media-watch-{self._child.pid}")
        try:
            self._child.channel.send(
                TranscodeTask(
                    task_id=self._task_id,
                    descriptor=self._task.descriptor,
                    voice_activity=self._task.voice_activity,
                    first_segment=self._task.sink.next_index,
                    max_duration_ms=self._task.max_duration_ms,
                    file_name=self._task.file_name,
                    start_ms=self._task.start_ms,
                    end_ms=self._task.end_ms,
                    separate_channels=self._task.separate_channels,
                )
            )
            while not await self._step():
                pass
        except ChannelClosedError as error:
            cause = self._stall or str(error) or await self._child.describe_death()
            await self._child.kill()
            raise WorkerLostError(cause) from error
        finally:
            self._ended = True
            watch.cancel()
            self._task.cancelled.remove_done_callback(self._pass_cancellation_on)
            if self._filling:
                # Only a worker that is gone leaves a slot alone for certain.
                await self._child.kill()
                self._give_back()

    def _pass_cancellation_on(self, _: asyncio.Future[None]) -> None:
        # A file that has just ended closes its session, whose callbacks may still be on their way here.
        if not self._ended:
            with contextlib.suppress(ChannelClosedError):  # the run notices by itself
                self._child.channel.send(CancelTask(self._task_id))

    async def _watch(self) -> None:
        """Kill a worker that has fallen silent; its end is then noticed by the run."""
        while self._silent_s <= self._limits.stall_s:
            await asyncio.sleep(self._limits.tick_s)
            if not self._waits_for_slot:
                self._silent_s += self._limits.tick_s
        self._stall = f"no sign of life for {self._limits.stall_s:g} s"
        self._child.strike()

    async def _step(self) -> bool:
        """Take one message; True when it was the last one."""
        message = await self._child.channel.receive()
        self._silent_s = 0.0
        if isinstance(message, WorkerReady) or message.task_id != self._task_id:
            raise ChannelClosedError("it spoke out of turn")
        sink = self._task.sink
        match message:
            case MediaOpened():
                sink.opened(message)
            case SlotWanted():
                await self._grant()
            case SegmentReady():
                self._on_segment(message)
            case MediaProgress():
                sink.progressed(message)
            case MediaFinished():
                self._give_back()
                sink.finished(message)
                return True
            case MediaFailed():
                self._give_back()
                self._on_failed(message)
                return True
        return False

    async def _grant(self) -> None:
        """Answer the worker with a slot, unless the file is cancelled first: then it was told already."""
        if self._task.cancelled.done():
            return
        request = self._slots.request(self._task.sink)
        watched = (request, self._task.cancelled, self._child.exited)
        self._waits_for_slot = True
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waits_for_slot = False
            if request.done():
                self._filling.add(request.result())
            request.cancel()
        if request.cancelled() or self._task.cancelled.done():
            return
        grant = request.result()
        self._child.channel.send(SlotGranted(self._task_id, grant.slot, grant.generation))

    def _on_segment(self, message: SegmentReady) -> None:
        grant = Grant(message.slot, message.generation)
        if grant not in self._filling:
            raise ChannelClosedError("it filled a slot that it wasn't granted")
        if message.index != self._task.sink.next_index:
            raise ChannelClosedError("it left a segment out")
        if not 0 < message.samples <= MAX_SEGMENT_S * SAMPLE_RATE_HZ:
            raise ChannelClosedError("a segment of an impossible length")
        self._filling.remove(grant)
        self._slots.filled(grant)
        self._task.sink.segment_ready(message, grant)

    def _on_failed(self, message: MediaFailed) -> None:
        if self._task.cancelled.done():
            return
        if message.reason == "CANCELLED":
            raise ChannelClosedError("it gave the file up unasked")
        self._task.sink.media_failed(known_reason(message.reason, Reason.DECODE_FAILED), message.message)

    def _give_back(self) -> None:
        """Release the slots that the worker doesn't fill any more."""
        for grant in self._filling:
            self._slots.release(grant)
        self._filling.clear()
