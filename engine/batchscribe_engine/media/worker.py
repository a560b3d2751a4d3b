"""The loop of a media worker: one task after the other, ended at once when the server is gone.

Two threads. One receives: it queues tasks and grants, notes what is cancelled, and ends the process the moment the
channel closes, even while native code runs in the other. The other works.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, assert_never

import msgspec

from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.media.failure import TaskCancelledError, in_one_line
from batchscribe_engine.media.transcode import transcode
from batchscribe_engine.messages import (
    CancelTask,
    MediaFailed,
    Shutdown,
    SlotGranted,
    ToMediaWorker,
    TranscodeTask,
    WorkerReady,
)

if TYPE_CHECKING:
    from batchscribe_engine.arena import Arena
    from batchscribe_engine.media.limits import CpuAllowance
    from batchscribe_engine.media.voice_activity import SileroModel

EXIT_SERVER_GONE = 3

log = logging.getLogger(__name__)


class Inbox:
    """What the server asked for and the worker has not come to yet; shared by the two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: deque[TranscodeTask] = deque()
        self._running: int | None = None
        self._cancelled: set[int] = set()
        self._grant: SlotGranted | None = None
        self._shut_down = False

    def put(self, message: ToMediaWorker) -> None:
        """Take in a message from the server."""
        with self._changed:
            match message:
                case TranscodeTask():
                    self._tasks.append(message)
                case SlotGranted():
                    # A grant for a task that has ended falls back to the server by itself.
                    if message.task_id == self._running:
                        self._grant = message
                case CancelTask():
                    if message.task_id == self._running or any(task.task_id == message.task_id for task in self._tasks):
                        self._cancelled.add(message.task_id)
                case Shutdown():
                    self._shut_down = True
                case _:
                    assert_never(message)
            self._changed.notify_all()

    def next_task(self) -> TranscodeTask | None:
        """Wait for the next task; None once the server asked to shut down and all it asked for before is done."""
        with self._changed:
            if self._running is not None:
                self._cancelled.discard(self._running)
            self._running, self._grant = None, None
            self._changed.wait_for(lambda: self._tasks or self._shut_down)
            if not self._tasks:
                return None
            task = self._tasks.popleft()
            self._running = task.task_id
            return task

    def wait_for_grant(self) -> SlotGranted:
        """Wait for the slot that the running task asked for. Raises TaskCancelledError."""
        with self._changed:
            self._changed.wait_for(lambda: self._grant is not None or self._running in self._cancelled)
            if self._running in self._cancelled or self._grant is None:
                raise TaskCancelledError
            grant, self._grant = self._grant, None
            return grant

    def raise_if_cancelled(self) -> None:
        """Raise TaskCancelledError if the running task is to stop."""
        with self._changed:
            if self._running in self._cancelled:
                raise TaskCancelledError


class MediaWorker:
    """A worker with its libraries loaded and its limits set, ready for tasks."""

    def __init__(
        self, channel: BlockingChannel[ToMediaWorker], arena: Arena, model: SileroModel, cpu: CpuAllowance
    ) -> None:
        self._channel = channel
        self._arena = arena
        self._model = model
        self._cpu = cpu
        self._inbox = Inbox()

    def run(self) -> None:
        """Say that the worker is ready, then work until the server asks to shut down. Never outlives the channel."""
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        try:
            self._channel.send(WorkerReady(os.getpid()))
            while (task := self._inbox.next_task()) is not None:
                self._work(task)
        except ChannelClosedError:
            os._exit(EXIT_SERVER_GONE)

    def _work(self, task: TranscodeTask) -> None:
        self._cpu.begin_task()
        try:
            transcode(
                task,
                arena=self._arena,
                model=self._model,
                grant_slot=self._inbox.wait_for_grant,
                send=self._channel.send,
                checkpoint=self._checkpoint,
            )
        except ChannelClosedError:
            raise
        except Exception as error:  # the worker's boundary: one file that defies it must not cost the next its worker
            fault = in_one_line(error)
            log.exception("media_task_failed: %s", fault, exc_info=False)
            self._channel.send(
                MediaFailed(
                    task.task_id,
                    "DECODE_FAILED",
                    "The file could not be decoded because of a fault in the media worker; its log says which. "
                    "Converting the file may help.",
                )
            )
        finally:
            os.close(task.descriptor)
            self._cpu.end_task()

    def _checkpoint(self, decoded_ms: int) -> None:
        self._inbox.raise_if_cancelled()
        self._cpu.audio_decoded(decoded_ms)

    def _receive(self) -> None:
        try:
            while True:
                self._inbox.put(self._channel.receive())
        except (ChannelClosedError, msgspec.MsgspecError):
            # At once, whatever the other thread is in the middle of: nobody waits for its result any more.
            os._exit(EXIT_SERVER_GONE)
