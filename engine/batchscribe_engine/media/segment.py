"""What a segmenter makes, and the recent sound that it cuts it from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FRAME_SAMPLES = 512
"""Speech is told from silence, and segments begin and end, in frames of 32 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A stretch of a recording: int16 samples of shape (n,), the first of which is the recording's `start_sample`."""

    start_sample: int
    samples: npt.NDArray[np.int16]


class RecentSound:
    """The last part of a recording, kept for as long as a segment may still need it."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, npt.NDArray[np.int16]]] = deque()
        self.end_sample = 0

    def append(self, samples: npt.NDArray[np.int16]) -> None:
        """Add what follows."""
        if samples.size:
            self._blocks.append((self.end_sample, samples))
            self.end_sample += samples.size

    def forget(self, before_frame: int) -> None:
        """Let go of blocks that end before a frame."""
        before = before_frame * FRAME_SAMPLES
        while self._blocks and self._blocks[0][0] + self._blocks[0][1].size <= before:
            self._blocks.popleft()

    def cut(self, start_frame: int, end_frame: int) -> Segment:
        """A copy of the sound between two frames, or up to the end of the recording if that comes first."""
        start = start_frame * FRAME_SAMPLES
        end = min(end_frame * FRAME_SAMPLES, self.end_sample)
        parts = [
            samples[max(0, start - begin) : end - begin]
            for begin, samples in self._blocks
            if begin < end and begin + samples.size > start
        ]
        return Segment(start, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16))

    @property
    def held_samples(self) -> int:
        """How many samples are kept."""
        return sum(samples.size for _, samples in self._blocks)
