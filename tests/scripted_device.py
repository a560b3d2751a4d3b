"""The inference process with a device that is scripted: real threads, channel and arena, and no model.

    python -m tests.scripted_device --channel-fd N --arena-fd M --gate-fd G --journal FILE [--room N] [--broken]
                                    [--concurrency N] [--preparers N]

The device takes one byte from the gate for each call of its encoder, so that a test holds it as long as it likes. It
has room for windows of so many frames together; a broken one does nothing. The journal gets a line for each segment
whose features were computed, which is its first sample, and a line such as "encoded 3" for each call, beside what the
process logs of itself, such as "stopping: shutdown".
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel
from batchscribe_engine.inference.errors import OutOfMemoryError
from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.inference.models import LoadedModels
from batchscribe_engine.inference.process import InferenceProcess, exit_now
from batchscribe_engine.inference.whisper import Whisper
from batchscribe_engine.inference.windows import WorkSpace, content_frames
from batchscribe_engine.messages import EngineReady, ModelSpec, ToEngine

SAID = "Good morning."
TOKENS = tuple(range(1, 11))
"""Enough for two seconds: where text is little for its sound, the decoder asks for an alignment."""


class ScriptedEncoded:
    """Windows of which nothing is remembered but their number."""

    def __init__(self, size: int) -> None:
        self.size = size

    def rows(self, rows: Sequence[int]) -> ScriptedEncoded:
        """Some of them."""
        return ScriptedEncoded(len(rows))


class ScriptedWhisper:
    """What the decoder asks of a `Whisper`; it hears `SAID` in every segment."""

    is_multilingual = False

    def __init__(self, gate_fd: int, journal: Path, room: int, *, broken: bool) -> None:
        self.second_decoding = threading.Lock()
        self.work_space = WorkSpace(encoder_frames=room, decoder_frames=1_000_000)
        self._gate_fd = gate_fd
        self._journal = journal
        self._room = room
        self._broken = broken

    def features(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """Silence of the right length."""
        self._note(str(samples[0]))
        return np.zeros((80, content_frames(samples.size)), np.float32)

    def encode(self, mels: Sequence[npt.NDArray[np.float32]], frames: Sequence[int]) -> ScriptedEncoded:
        """Wait at the gate, then fail where there isn't room."""
        os.read(self._gate_fd, 1)
        self._note(f"encoded {len(mels)}")
        if self._broken:
            raise RuntimeError("CUDA failed with error an illegal memory access was encountered")
        if len(mels) * max(frames) > self._room:
            raise OutOfMemoryError("the device's memory is full")
        return ScriptedEncoded(len(mels))

    def tokenizer(self, *_: str) -> None:
        """None is needed."""

    def prompt(self, *_: object) -> list[int]:
        """The same for every segment."""
        return [1]

    def generate(self, encoded: ScriptedEncoded, *_: object, **__: object) -> list[Hypothesis]:
        """A good hypothesis for each window."""
        return [Hypothesis(TOKENS, SAID, -0.1, 0.0, 0.0)] * encoded.size

    def close(self) -> None:
        """Nothing is held."""

    def _note(self, line: str) -> None:
        with self._journal.open("a") as file:
            file.write(line + "\n")


def main() -> None:
    """Serve as the inference process does."""
    parser = argparse.ArgumentParser()
    for name in ("channel-fd", "arena-fd", "gate-fd", "concurrency", "preparers"):
        parser.add_argument(f"--{name}", type=int, default=1)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--room", type=int, default=1_000_000)
    parser.add_argument("--broken", action="store_true")
    options = parser.parse_args()
    handlers = logging.StreamHandler(), logging.FileHandler(options.journal)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)

    def load(_: ModelSpec) -> Whisper:
        scripted: Any = ScriptedWhisper(options.gate_fd, options.journal, options.room, broken=options.broken)
        return cast(Whisper, scripted)

    channel: BlockingChannel[ToEngine] = BlockingChannel(options.channel_fd, ToEngine)
    process = InferenceProcess(
        channel,
        Arena.attach(options.arena_fd),
        LoadedModels(load),
        concurrency=options.concurrency,
        preparers=options.preparers,
        max_padded_s=480.0,
        idle_unload_s=0,
        pulse_s=1.0,
        keep_freed_s=3.0,
    )
    channel.send(EngineReady(os.getpid(), "scripted", "none", options.concurrency))
    process.serve()
    exit_now(0)


if __name__ == "__main__":
    main()
