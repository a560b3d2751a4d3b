"""The sound of one file in portions: the part that is asked for, mixed down or by channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.media.decoder import MediaFile
from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.media.timeline import clock
from batchscribe_engine.messages import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from batchscribe_engine.messages import DiarizeTask

PORTION_S = 300
"""Each costs a look at all before it; this one takes 10 MB, and its features some 100 MB for a while."""


class Sound:
    """The sound of a task's file, which is decoded once as it is read. `checkpoint` takes the milliseconds decoded."""

    def __init__(self, task: DiarizeTask, checkpoint: Callable[[int], None]) -> None:
        self._task = task
        self._checkpoint = checkpoint
        self._looked_ms = 0
        self._decoded_samples = 0
        # Rounded down to 10 ms as for recognition: turns and words count from the same sample.
        self.first_sample = task.start_ms // 10 * (SAMPLE_RATE_HZ // 100)
        self._end_sample = task.end_ms * (SAMPLE_RATE_HZ // 1000)

    @property
    def decoded_ms(self) -> int:
        """The milliseconds decoded so far, those that are decoded twice counted twice."""
        return self._looked_ms + 1000 * self._decoded_samples // SAMPLE_RATE_HZ

    def channels(self) -> tuple[int | None, ...]:
        """Those that differ, of channels that are heard apart; only None where they are mixed down.

        Raises MediaError, and what `checkpoint` raises.
        """
        if not self._task.separate_channels:
            return (None,)
        alike: tuple[int, ...] = ()
        with MediaFile(self._task.path, self._task.file_name) as media:
            for alike in media.channels_alike():
                self._looked_ms = media.position_ms
                self._checkpoint(self.decoded_ms)
                if alike == tuple(range(len(alike))):
                    break
        return tuple(sorted(set(alike)))

    def portions(self) -> Iterator[npt.NDArray[np.int16]]:
        """Int16 (channels of the file, n) at 16 kHz, or (1, n) mixed down, `PORTION_S` long but for the last.

        Raises MediaError, MEDIA_TOO_LONG among them, and what `checkpoint` raises.
        """
        gathered: list[npt.NDArray[np.int16]] = []
        samples = 0
        for block in self._asked_for():
            gathered.append(block)
            samples += block.shape[1]
            if samples >= PORTION_S * SAMPLE_RATE_HZ:
                yield np.concatenate(gathered, axis=1)
                gathered, samples = [], 0
        if samples:
            yield np.concatenate(gathered, axis=1)

    def _asked_for(self) -> Iterator[npt.NDArray[np.int16]]:
        with MediaFile(self._task.path, self._task.file_name) as media:
            blocks = media.channel_blocks() if self._task.separate_channels else map(_one_channel, media.blocks())
            for block in blocks:
                begin = self._decoded_samples
                self._decoded_samples += block.shape[1]
                end = min(self._decoded_samples, self._end_sample or self._decoded_samples)
                self._checkpoint(self.decoded_ms)
                self._refuse_if_too_long(end - self.first_sample)
                if end > max(begin, self.first_sample):
                    yield block[:, max(0, self.first_sample - begin) : end - begin]
                if end < self._decoded_samples:
                    return

    def _refuse_if_too_long(self, samples: int) -> None:
        limit_ms = self._task.max_duration_ms
        if limit_ms and 1000 * samples > limit_ms * SAMPLE_RATE_HZ:
            raise MediaError("MEDIA_TOO_LONG", f"The recording is longer than {clock(limit_ms / 1000)}.")


def _one_channel(block: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return block.reshape(1, -1)
