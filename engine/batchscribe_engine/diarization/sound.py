"""The sound of one file in portions: the part that is asked for, mixed down or by channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.media.excerpt import Excerpt, refuse_longer
from batchscribe_engine.media.tracks import open_media
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
        self._excerpt = Excerpt(task, self._on_decoded)

    @property
    def first_ms(self) -> int:
        """Where in the file the portions begin."""
        return 1000 * self._excerpt.first_sample // SAMPLE_RATE_HZ

    @property
    def decoded_ms(self) -> int:
        """The milliseconds decoded so far, those that are decoded twice counted twice."""
        return self._excerpt.work_ms

    def channels(self) -> tuple[int | None, ...]:
        """Those that differ, of channels that are heard apart; only None where they are mixed down.

        Raises MediaError, and what `checkpoint` raises.
        """
        if not self._task.separate_channels:
            return (None,)
        return tuple(sorted(set(self._excerpt.channels_alike())))

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
        with open_media(self._task.descriptor, self._task.file_name) as media:
            blocks = media.channel_blocks() if self._task.separate_channels else map(_one_channel, media.blocks())
            yield from self._excerpt.of(blocks)

    def _on_decoded(self) -> None:
        self._checkpoint(self.decoded_ms)
        refuse_longer("recording", self._excerpt.decoded_ms - self.first_ms, self._task.max_duration_ms)


def _one_channel(block: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return block.reshape(1, -1)
