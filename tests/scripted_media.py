"""A media worker without codecs, on a real process: a file is a JSON script of its own segments.

    python -m tests.scripted_media --channel-fd N --arena-fd M

speaks the protocol of `batchscribe_engine.media`. A task's file is written by `write_script`; each segment
is a value, which all its samples hold, and its place. A segment or the end of a file may name an accident:

    "SIGKILL" (any signal's name)   die of it, instead of giving this segment
    "half"                          die of SIGKILL with a slot that is filled in part
    "stray"                         fill its slot and write over it, as one does whose slot was taken away
    "stall"                         say nothing more
    "babble"                        send what is no message
    "lie"                           announce more sound than a slot can hold
    "pause"                         give it once there is a file of the script's name with ".go" behind it

An accident happens `accident_times` times, counted across processes in a file beside the script.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.messages import (
    CancelTask,
    MediaFailed,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    Shutdown,
    SlotGranted,
    SlotWanted,
    ToMediaWorker,
    TranscodeTask,
    WorkerReady,
)

RATE_HZ = 16_000


class ScriptedSegment(TypedDict, total=False):
    """One speech segment: the value of its samples, its place, and an accident instead of it."""

    value: int
    start_ms: int
    length_ms: int
    accident: str


def write_script(
    path: Path,
    values: Sequence[int],
    *,
    length_ms: int = 1000,
    gap_ms: int = 500,
    accidents: dict[int, str] | None = None,
    accident_times: int = 1,
    failure: tuple[str, str] | None = None,
    warning: str = "",
) -> Path:
    """Write a file whose segments hold `values`, `gap_ms` apart; returns its path.

    `accidents` maps a segment's number to what happens instead of it.
    """
    segments = [
        {
            "value": value,
            "start_ms": index * (length_ms + gap_ms),
            "length_ms": length_ms,
            "accident": (accidents or {}).get(index, ""),
        }
        for index, value in enumerate(values)
    ]
    script = {
        "segments": segments,
        "accident_times": accident_times,
        "failure": failure,
        "warning": warning,
        "duration_ms": len(values) * (length_ms + gap_ms),
    }
    path.write_text(json.dumps(script))
    return path


class TaskCancelledError(Exception):
    """The server does not want the rest of the file."""


class ScriptedMediaWorker:
    """One task at a time, as the real worker."""

    def __init__(self, channel: BlockingChannel[Any], arena: Arena) -> None:
        self._channel = channel
        self._arena = arena
        self._early: deque[Any] = deque()

    def run(self) -> None:
        """Serve until told to stop or the server is gone."""
        self._channel.send(WorkerReady(os.getpid()))
        while True:
            message = self._early.popleft() if self._early else self._channel.receive()
            match message:
                case TranscodeTask():
                    self._serve(message)
                case Shutdown():
                    return

    def _serve(self, task: TranscodeTask) -> None:
        try:
            self._transcode(task)
        except TaskCancelledError:
            self._channel.send(MediaFailed(task.task_id, "CANCELLED", "as asked"))
        except OSError as error:
            self._channel.send(MediaFailed(task.task_id, "DECODE_FAILED", str(error.strerror)))

    def _transcode(self, task: TranscodeTask) -> None:
        path = _path_of(task)
        script = json.loads(path.read_text())
        if script["failure"]:
            self._channel.send(MediaFailed(task.task_id, *script["failure"]))
            return
        container = Path(task.file_name or path).suffix.removeprefix(".")
        self._channel.send(MediaOpened(task.task_id, container, "scripted", RATE_HZ, 1, script["duration_ms"]))
        for index, segment in enumerate(script["segments"]):
            if segment["accident"]:
                self._accident(task, index, segment["accident"], script["accident_times"])
            if index < task.first_segment:
                continue
            self._give(task, index, segment)
            self._channel.send(MediaProgress(task.task_id, segment["start_ms"] + segment["length_ms"]))
        speech_ms = sum(segment["length_ms"] for segment in script["segments"])
        count = len(script["segments"])
        self._channel.send(
            MediaFinished(task.task_id, script["duration_ms"], speech_ms, count, script["warning"]),
        )

    def _give(self, task: TranscodeTask, index: int, segment: ScriptedSegment) -> None:
        self._channel.send(SlotWanted(task.task_id))
        grant = self._await_slot(task.task_id)
        samples = np.full(segment["length_ms"] * RATE_HZ // 1000, segment["value"], dtype=np.int16)
        self._arena.write(grant.slot, grant.generation, samples)
        if segment["accident"] == "stray":
            self._arena.write(grant.slot, grant.generation - 1, samples[:1])
        start_sample = segment["start_ms"] * RATE_HZ // 1000
        self._channel.send(
            SegmentReady(task.task_id, index, grant.slot, grant.generation, start_sample, samples.size),
        )

    def _await_slot(self, task_id: int) -> SlotGranted:
        while True:
            message = self._channel.receive()
            match message:
                case SlotGranted():
                    return message
                case CancelTask() if message.task_id == task_id:
                    raise TaskCancelledError
                case Shutdown():
                    self._early.append(message)
                    raise TaskCancelledError

    def _accident(self, task: TranscodeTask, index: int, accident: str, times: int) -> None:
        tally = Path(f"{_path_of(task)}.accidents")
        happened = tally.stat().st_size if tally.exists() else 0
        if happened >= times:
            return
        with tally.open("ab") as file:
            file.write(b".")
        if accident == "stall":
            threading.Event().wait()
        if accident == "pause":
            while not Path(f"{_path_of(task)}.go").exists():
                time.sleep(0.005)
            return
        if accident == "lie":
            self._channel.send(SlotWanted(task.task_id))
            grant = self._await_slot(task.task_id)
            self._channel.send(SegmentReady(task.task_id, index, grant.slot, grant.generation, 0, 10**9))
            threading.Event().wait()
        if accident == "half":
            self._channel.send(SlotWanted(task.task_id))
            grant = self._await_slot(task.task_id)
            self._arena.write(grant.slot, grant.generation, np.zeros(RATE_HZ, dtype=np.int16))
            os.kill(os.getpid(), signal.SIGKILL)
        if accident == "stray":
            return  # it happens while its slot is filled
        if accident == "babble":
            self._channel.send(CancelTask(0))
            threading.Event().wait()
        os.kill(os.getpid(), signal.Signals[accident])


def _path_of(task: TranscodeTask) -> Path:
    return Path(f"/proc/self/fd/{task.descriptor}").readlink()


def main() -> int:
    """Run as a media worker. Unknown options of the real one are taken and ignored."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--arena-fd", type=int, required=True)
    options, _ = parser.parse_known_args()
    channel: BlockingChannel[Any] = BlockingChannel(options.channel_fd, ToMediaWorker)
    try:
        ScriptedMediaWorker(channel, Arena.attach(options.arena_fd)).run()
    except ChannelClosedError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
