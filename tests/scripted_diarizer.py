"""A diarizer without models, in two shapes: one in this process, and a child of its own.

`ScriptedDiarizer` stands for the whole diarizer where operations and rpc are tested. Run as a program, this module
speaks the protocol of `batchscribe_engine.diarization` over its socket, so that supervision is tested on real processes
and real signals:

    python -m tests.scripted_diarizer --channel-fd N

The file of a task is a JSON script of its own answer, written by `write_script`:

    "turns": [[start_ms, end_ms, voice, channel], ...]
    "failure": ["REASON", "words"]          answer so instead
    "decoded_ms": 0                         say before that so much was decoded
    "accidents": ["SIGKILL", "babble", ...] what happens instead of an answer the first time, the second, and so on

An accident is the name of a signal to die of, "babble" for what is no message, "stray" for the answer of another task,
"wait" for saying nothing until the task is cancelled, or "hang" for ever. A file of the script's name with ".seen"
behind it gets a line for each task: the child's pid, and what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.messages import (
    CancelTask,
    DiarizationDone,
    DiarizationFailed,
    DiarizationProgress,
    DiarizerReady,
    DiarizeTask,
    Shutdown,
    ToDiarizer,
    VoiceTurn,
)
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.operations.diarizer import DiarizationFailure, DiarizationRequest


@dataclass
class ScriptedDiarizer:
    """A `Diarizer` that answers every file alike, once it may; with a failure where one is given."""

    turns: Sequence[SpeakerTurn] = ()
    failure: DiarizationFailure | None = None
    available: bool = True
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[DiarizationRequest] = field(default_factory=list)
    prioritized: list[tuple[str, int]] = field(default_factory=list)
    given_up: int = 0

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def speakers(self, request: DiarizationRequest) -> Sequence[SpeakerTurn]:
        """The turns of the script."""
        self.asked.append(request)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.failure is not None:
            raise self.failure
        return self.turns

    def prioritize(self, job_id: str, priority: int) -> None:
        """Keep it."""
        self.prioritized.append((job_id, priority))


def write_script(path: Path, turns: Sequence[tuple[int, int, int, int | None]] = (), **script: Any) -> Path:
    """Write the script of one file; returns its path."""
    path.write_text(json.dumps({"turns": turns, **script}))
    return path


def seen(path: Path) -> list[dict[str, Any]]:
    """The tasks that children were given with that file."""
    journal = path.with_name(path.name + ".seen")
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def main() -> None:
    """Answer tasks until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--exit-at-start", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.exit_at_start:
        raise SystemExit(arguments.exit_at_start)
    channel: BlockingChannel[ToDiarizer] = BlockingChannel(arguments.channel_fd, ToDiarizer)
    channel.send(DiarizerReady(os.getpid()))
    try:
        while not isinstance(message := channel.receive(), Shutdown):
            if isinstance(message, DiarizeTask):
                _answer(channel, message, arguments.channel_fd)
    except ChannelClosedError:
        raise SystemExit(3) from None


def _answer(channel: BlockingChannel[ToDiarizer], task: DiarizeTask, descriptor: int) -> None:
    path = Path(f"/proc/self/fd/{task.descriptor}").readlink()
    script = json.loads(path.read_text())
    with path.with_name(path.name + ".seen").open("a") as journal:
        journal.write(json.dumps({"pid": os.getpid(), **msgspec.to_builtins(task)}) + "\n")
    accidents = script.get("accidents", [])
    times = len(seen(path))
    channel.send(DiarizationProgress(task.task_id, script.get("decoded_ms", 0)))
    if times <= len(accidents):
        _suffer(accidents[times - 1], channel, task, descriptor)
    elif failure := script.get("failure"):
        channel.send(DiarizationFailed(task.task_id, *failure))
    else:
        channel.send(DiarizationDone(task.task_id, tuple(VoiceTurn(*turn) for turn in script["turns"])))


def _suffer(accident: str, channel: BlockingChannel[ToDiarizer], task: DiarizeTask, descriptor: int) -> None:
    match accident:
        case "babble":
            socket.socket(fileno=os.dup(descriptor)).sendall(b"\x05\x00\x00\x00howdy")
        case "stray":
            channel.send(DiarizationDone(task.task_id + 1, ()))
        case "wait":
            while not isinstance(channel.receive(), CancelTask):
                pass
            channel.send(DiarizationFailed(task.task_id, "CANCELLED", "The job was cancelled."))
        case "hang":
            while True:
                signal.pause()
        case _:
            os.kill(os.getpid(), signal.Signals[accident])


if __name__ == "__main__":
    main()
