"""The loop of the diarizer: one file after the other, ended at once when the server is gone.

Two threads, as in a media worker: one receives, notes what is cancelled, and ends the process the moment the channel
closes, whatever native code the other is in.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, assert_never

import msgspec

from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.diarization.diarize import diarize
from batchscribe_engine.media.failure import TaskCancelledError, in_one_line
from batchscribe_engine.messages import (
    CancelTask,
    DiarizationFailed,
    DiarizationProgress,
    DiarizerReady,
    DiarizeTask,
    Shutdown,
    ToDiarizer,
)

if TYPE_CHECKING:
    from batchscribe_engine.diarization.voices import Voices

EXIT_SERVER_GONE = 3
PROGRESS_EACH_S = 1.0

log = logging.getLogger(__name__)


class DiarizationWorker:
    """A diarizer with its models loaded and its limits set, ready for tasks."""

    def __init__(self, channel: BlockingChannel[ToDiarizer], voices: Voices) -> None:
        self._channel = channel
        self._voices = voices
        self._tasks: queue.SimpleQueue[DiarizeTask | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._told_at_s = 0.0

    def run(self) -> None:
        """Say that it is ready, then work until the server asks to shut down. Never outlives the channel."""
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        try:
            self._channel.send(DiarizerReady(os.getpid()))
            while (task := self._tasks.get()) is not None:
                self._work(task)
        except ChannelClosedError:
            os._exit(EXIT_SERVER_GONE)

    def _work(self, task: DiarizeTask) -> None:
        def checkpoint(decoded_ms: int) -> None:
            if task.task_id in self._cancelled:
                raise TaskCancelledError
            if time.monotonic() - self._told_at_s >= PROGRESS_EACH_S:
                self._told_at_s = time.monotonic()
                self._channel.send(DiarizationProgress(task.task_id, decoded_ms))

        try:
            answer = diarize(task, self._voices, checkpoint)
        except ChannelClosedError:
            raise
        except Exception as error:  # the boundary: one file that defies it must not cost the next one its diarizer
            fault = in_one_line(error)
            log.exception("diarization_failed: %s", fault, exc_info=False)
            answer = DiarizationFailed(task.task_id, "FAILED", f"It met a fault: {type(error).__name__}.")
        finally:
            os.close(task.descriptor)
        self._cancelled.discard(task.task_id)
        self._channel.send(answer)

    def _receive(self) -> None:
        try:
            while True:
                match message := self._channel.receive():
                    case DiarizeTask():
                        self._tasks.put(message)
                    case CancelTask():
                        self._cancelled.add(message.task_id)
                    case Shutdown():
                        self._tasks.put(None)
                    case _:
                        assert_never(message)
        except (ChannelClosedError, msgspec.MsgspecError):
            os._exit(EXIT_SERVER_GONE)
