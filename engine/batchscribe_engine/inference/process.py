"""The process around the engine's step: its threads, its signals and its ends.

    reader ----> queue of batches ----> workers, `concurrency` of them ----> channel
                                        pulse, every `pulse_s`         ----> channel
    main: waits for the word to stop

When the server is gone, the reader or whoever sends next ends the process on the spot, whatever the others do.
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
from typing import TYPE_CHECKING, NoReturn

import msgspec
import psutil

from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.errors import InferenceError
from batchscribe_engine.inference.sequential import transcribe_window
from batchscribe_engine.messages import (
    BatchDone,
    BatchFailed,
    BatchStarted,
    EngineStatus,
    InferBatch,
    InferWindow,
    Message,
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

log = logging.getLogger(__name__)


class InferenceProcess:
    """Serves one channel until it closes or the process is asked to stop. Owns its threads."""

    def __init__(
        self,
        channel: BlockingChannel[ToEngine],
        arena: Arena,
        models: LoadedModels[Whisper],
        *,
        concurrency: int,
        idle_unload_s: float,
        pulse_s: float,
    ) -> None:
        self._channel = channel
        self._arena = arena
        self._models = models
        self._concurrency = concurrency
        self._idle_unload_s = idle_unload_s
        self._pulse_s = pulse_s
        self._batches: queue.Queue[InferBatch | InferWindow | None] = queue.Queue(
            concurrency * QUEUED_BATCHES_PER_WORKER
        )
        # A signal handler may put into a SimpleQueue whatever the main thread is just doing, unlike setting an Event.
        self._stop_wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def serve(self) -> None:
        """Work until SIGTERM or `Shutdown`, then finish what runs. Does not return when the server is gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the server
        signal.signal(signal.SIGTERM, self._on_terminate)
        workers = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(self._concurrency)
        ]
        for worker in workers:
            worker.start()
        threading.Thread(target=self._pulse, name="pulse", daemon=True).start()
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        self._stop_wanted.get()
        self._stopping.set()
        self._wake_idle_workers()
        for worker in workers:
            worker.join()

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_wanted.put("SIGTERM")

    def _wake_idle_workers(self) -> None:
        for _ in range(self._concurrency):
            try:
                self._batches.put_nowait(None)
            except queue.Full:
                return  # then there is a batch for each worker to wake up on, which it will leave alone

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

    def _work(self) -> None:
        while True:
            batch = self._batches.get()
            if batch is None or self._stopping.is_set():
                return
            self._send(self._answer(batch))

    def _answer(self, batch: InferBatch | InferWindow) -> BatchDone | WindowDone | BatchFailed:
        try:
            with self._models.lent(batch.model) as whisper:
                self._send(BatchStarted(batch.batch_id))
                start_s = time.perf_counter()
                if isinstance(batch, InferWindow):
                    result = transcribe_window(batch, self._arena, whisper)
                    return WindowDone(batch.batch_id, result, time.perf_counter() - start_s)
                results = transcribe(batch, self._arena, whisper)
                return BatchDone(batch.batch_id, results, time.perf_counter() - start_s)
        except InferenceError as error:
            return BatchFailed(batch.batch_id, error.reason, str(error))
        except Exception as error:  # the engine's boundary: one bad batch must not end the others
            log.exception("batch_failed")
            return BatchFailed(batch.batch_id, InferenceError.reason, f"{type(error).__name__}: {error}")

    def _pulse(self) -> None:
        process = psutil.Process()
        while True:
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
