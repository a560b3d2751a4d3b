"""Media workers for the tests: the real process, and the same work in this one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import LENGTH, FrameCodec, send_with_file
from batchscribe_engine.media.transcode import transcode
from batchscribe_engine.media.voice_activity import SileroModel
from batchscribe_engine.messages import (
    FileTask,
    FromMediaWorker,
    Message,
    SegmentReady,
    SlotGranted,
    TranscodeTask,
    VoiceActivityOptions,
    WorkerReady,
)
from tests.open_files import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

ARENA_SLOTS = 4
TIMEOUT_S = 60.0

Kind = TypeVar("Kind", bound=Message)


class WorkerProcess:
    """A worker process, seen from the server's side of its channel."""

    def __init__(self, arena: Arena, *arguments: str) -> None:
        self.arena = arena
        ours, theirs = socket.socketpair()
        ours.settimeout(TIMEOUT_S)
        self._socket = ours
        self._codec: FrameCodec[FromMediaWorker] = FrameCodec(FromMediaWorker)
        fds = (theirs.fileno(), arena.descriptor)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "batchscribe_engine.media"),
                *("--channel-fd", str(fds[0]), "--arena-fd", str(fds[1]), *arguments),
            ],
            pass_fds=fds,
        )
        theirs.close()

    def send(self, message: Message) -> None:
        frame = self._codec.encode(message)
        sent = send_with_file(self._socket, frame, message.descriptor) if isinstance(message, FileTask) else 0
        self._socket.sendall(frame[sent:])

    def receive(self) -> FromMediaWorker:
        """The next message. Raises TimeoutError, and EOFError when the worker is gone."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return self._codec.decode(self._exactly(length))

    def receive_until(self, kind: type[Kind]) -> Kind:
        """The next message of a kind; those before it are passed over."""
        while True:
            message = self.receive()
            if isinstance(message, kind):
                return message

    def hang_up(self) -> None:
        """Close the channel, as a server does that dies."""
        self._socket.close()

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        return self.process.wait(TIMEOUT_S)

    def status(self, field: str) -> int:
        """A number from the kernel's account of the process, such as VmHWM (kB)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def _exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(ARENA_SLOTS)
    yield arena
    arena.close()


@pytest.fixture
def start_worker(arena: Arena) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers with the given arguments, ready for tasks."""
    workers: list[WorkerProcess] = []

    def start(*arguments: str) -> WorkerProcess:
        worker = WorkerProcess(arena, *arguments)
        workers.append(worker)
        assert worker.receive() == WorkerReady(worker.process.pid)
        return worker

    yield start
    for worker in workers:
        worker.hang_up()
        worker.process.kill()
        worker.process.wait()


@pytest.fixture(scope="session")
def model() -> SileroModel:
    return SileroModel()


class TranscodeRun:
    """What a task sent, in this process, the sound of its segments, and the processor time that it took."""

    def __init__(self, task: TranscodeTask, arena: Arena, model: SileroModel) -> None:
        self.messages: list[Any] = []
        self.sounds: dict[int, npt.NDArray[np.int16]] = {}
        self._arena = arena
        self._grants = 0
        self._task = task
        began_s = time.process_time()
        transcode(task, arena=arena, model=model, grant_slot=self._grant, send=self._take)
        self.cpu_s = time.process_time() - began_s

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def last(self) -> Any:
        return self.messages[-1]

    def _grant(self) -> SlotGranted:
        self._grants += 1
        return SlotGranted(self._task.task_id, self._grants % ARENA_SLOTS, generation=self._grants)

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        if isinstance(message, SegmentReady):
            self.sounds[message.index] = self._arena.read(message.slot, message.generation).copy()


@pytest.fixture
def run_task(arena: Arena, model: SileroModel) -> Callable[..., TranscodeRun]:
    """Runs a task in this process to its end."""

    def run(path: Path, *, voice_activity: VoiceActivityOptions | None = None, **fields: Any) -> TranscodeRun:
        task = TranscodeTask(
            7, opened(path), voice_activity or VoiceActivityOptions(), **{"file_name": path.name, **fields}
        )
        return TranscodeRun(task, arena, model)

    return run
