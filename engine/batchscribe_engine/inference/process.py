"""The process around the engine's step: its threads, its signals and its ends.

On the CPU a worker does all of a batch, for nothing is gained by giving its parts to different threads:

    reader ----> batches ----> workers, `concurrency` of them: features, then decoding ----> channel

A GPU would wait while features are computed, so other threads do that for the batches next in line:

    reader ----> batches ----> preparers: features ----> prepared ----> workers: decoding ----> channel

Beside them a pulse beats, every `pulse_s`, and the main thread waits for the word to stop. When the server is gone, the
reader or whoever sends next ends the process on the spot, whatever the others do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

import msgspec
import psutil

from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.inference.appetite import Appetite
from batchscribe_engine.inference.core import Prepared, decode, prepare
from batchscribe_engine.inference.errors import InferenceError, device_is_broken
from batchscribe_engine.inference.memory import return_freed_memory
from batchscribe_engine.inference.sequential import transcribe_window
from batchscribe_engine.messages import (
    BatchDone,
    BatchFailed,
    BatchSizeLearned,
    BatchStarted,
    EngineStatus,
    InferBatch,
    InferWindow,
    Message,
    SegmentResult,
    Shutdown,
    ToEngine,
    WindowDone,
)

if TYPE_CHECKING:
    from types import FrameType

    from batchscribe_engine.arena import Arena
    from batchscribe_engine.inference.models import LoadedModels
    from batchscribe_engine.inference.whisper import Whisper

QUEUED_BATCHES_PER_WORKER = 4
"""More than that, and the channel fills up: the server decides what waits."""

DEVICE_BROKEN_EXIT_CODE = 3

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

log = logging.getLogger(__name__)


Work = InferBatch | InferWindow


@dataclass(frozen=True, slots=True)
class _Ready:
    """Work that the device may begin. Its model stays lent until `lease` is closed."""

    work: Prepared | InferWindow
    whisper: Whisper
    lease: contextlib.ExitStack

    @property
    def batch(self) -> Work:
        """What was asked for."""
        return self.work if isinstance(self.work, InferWindow) else self.work.batch


class InferenceProcess:
    """Serves one channel until it closes or the process is asked to stop. Owns its threads."""

    def __init__(
        self,
        channel: BlockingChannel[ToEngine],
        arena: Arena,
        models: LoadedModels[Whisper],
        *,
        concurrency: int,
        preparers: int,
        max_padded_s: float,
        idle_unload_s: float,
        pulse_s: float,
        keep_freed_s: float,
    ) -> None:
        self._channel = channel
        self._arena = arena
        self._models = models
        self._concurrency = concurrency
        self._preparers = preparers
        self._max_padded_s = max_padded_s
        self._appetites: dict[tuple[str, int], Appetite] = {}  # by path of the model and beam size
        self._idle_unload_s = idle_unload_s
        self._pulse_s = pulse_s
        self._keep_freed_s = keep_freed_s
        self._batches: queue.Queue[Work | None] = queue.Queue(concurrency * QUEUED_BATCHES_PER_WORKER)
        self._prepared: queue.Queue[_Ready | None] = queue.Queue(concurrency)
        # A signal handler may put into a SimpleQueue whatever the main thread is just doing, unlike setting an Event.
        self._stop_wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def serve(self) -> None:
        """Work until SIGTERM or `Shutdown`, then finish what runs. Does not return when the server is gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the server
        signal.signal(signal.SIGTERM, self._on_terminate)
        work = self._decode_prepared if self._preparers else self._do_all
        workers = [
            threading.Thread(target=work, name=f"worker-{number}", daemon=True) for number in range(self._concurrency)
        ]
        for worker in workers:
            worker.start()
        for number in range(self._preparers):
            threading.Thread(target=self._prepare_ahead, name=f"preparer-{number}", daemon=True).start()
        threading.Thread(target=self._pulse, name="pulse", daemon=True).start()
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        reason = self._stop_wanted.get()
        self._stopping.set()
        log.info("stopping: %s", reason)
        self._wake_idle_workers()
        for worker in workers:
            worker.join()

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_wanted.put("SIGTERM")

    def _wake_idle_workers(self) -> None:
        for _ in range(self._concurrency):
            # A queue that is full has a batch for each worker to wake up on, which it will leave alone.
            with contextlib.suppress(queue.Full):
                self._batches.put_nowait(None)
            with contextlib.suppress(queue.Full):
                self._prepared.put_nowait(None)

    def _read(self) -> None:
        while True:
            try:
                message = self._channel.receive()
            except ChannelClosedError:
                exit_now(0)
            except msgspec.DecodeError:
                log.exception("message_not_understood")
                exit_now(1)
            match message:
                case InferBatch() | InferWindow():
                    if not self._stopping.is_set():
                        self._batches.put(message)
                case Shutdown():
                    self._stop_wanted.put("shutdown")

    def _do_all(self) -> None:
        self._prepare_each(self._answer)

    def _prepare_ahead(self) -> None:
        self._prepare_each(self._prepared.put)

    def _decode_prepared(self) -> None:
        while (ready := self._prepared.get()) is not None and not self._stopping.is_set():
            self._answer(ready)

    def _prepare_each(self, hand_on: Callable[[_Ready], None]) -> None:
        while (batch := self._batches.get()) is not None and not self._stopping.is_set():
            self._prepare_one(batch, hand_on)  # whose features are gone while the next one is waited for

    def _prepare_one(self, batch: Work, hand_on: Callable[[_Ready], None]) -> None:
        outcome = self._attempt(self._prepare, batch, batch)
        if isinstance(outcome, BatchFailed):
            self._send(outcome)
        else:
            hand_on(outcome)

    def _answer(self, ready: _Ready) -> None:
        self._send(self._attempt(self._decode, ready, ready.batch))

    def _attempt(self, step: Callable[[Item], Outcome], item: Item, batch: Work) -> Outcome | BatchFailed:
        try:
            return step(item)
        except Exception as error:  # the engine's boundary: one bad batch must not end the others
            if device_is_broken(error):
                log.exception("device_broken")
                exit_now(DEVICE_BROKEN_EXIT_CODE)
            if isinstance(error, InferenceError):
                return BatchFailed(batch.batch_id, error.reason, str(error))
            log.exception("batch_failed")
            return BatchFailed(batch.batch_id, InferenceError.reason, f"{type(error).__name__}: {error}")

    def _prepare(self, batch: Work) -> _Ready:
        with contextlib.ExitStack() as lease:
            whisper = lease.enter_context(self._models.lent(batch.model))
            # A window's features are computed with its decoding: they depend on the windows before.
            work = batch if isinstance(batch, InferWindow) else prepare(batch, self._arena, whisper)
            return _Ready(work, whisper, lease.pop_all())

    def _decode(self, ready: _Ready) -> BatchDone | WindowDone:
        batch_id = ready.batch.batch_id
        with ready.lease:
            self._send(BatchStarted(batch_id))
            start_s = time.perf_counter()
            if isinstance(ready.work, InferWindow):
                result = transcribe_window(ready.work, self._arena, ready.whisper)
                return WindowDone(batch_id, result, time.perf_counter() - start_s)
            results = self._decode_within_limit(ready.work, ready.whisper)
            return BatchDone(batch_id, results, time.perf_counter() - start_s)

    def _decode_within_limit(self, prepared: Prepared, whisper: Whisper) -> tuple[SegmentResult, ...]:
        batch = prepared.batch
        kind = batch.model.path, batch.options.beam_size
        appetite = self._appetites.setdefault(kind, Appetite(self._max_padded_s))
        limit_s = appetite.limit_s
        try:
            return decode(prepared, whisper, appetite)
        finally:
            if appetite.limit_s != limit_s:
                self._send(BatchSizeLearned(*kind, appetite.limit_s))

    def _pulse(self) -> None:
        process = psutil.Process()
        returned_at_s = time.monotonic()
        while True:
            if time.monotonic() - returned_at_s >= self._keep_freed_s:
                return_freed_memory()
                returned_at_s = time.monotonic()
            self._send(EngineStatus(process.memory_info().rss, self._models.loading, self._models.loaded()))
            if self._idle_unload_s > 0:
                self._models.close_idle(self._idle_unload_s)
            time.sleep(self._pulse_s)

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(message)
        except ChannelClosedError:
            exit_now(0)


def exit_now(code: int) -> NoReturn:
    """End the process at once: other threads may be inside native code that nothing else interrupts."""
    with contextlib.suppress(OSError):  # the server that read it may be what is gone
        sys.stderr.flush()
    os._exit(code)
