"""The part of a file's sound that a task asks for: the same samples for recognition and for telling voices apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.media.timeline import clock
from batchscribe_engine.media.tracks import open_media
from batchscribe_engine.messages import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import numpy.typing as npt

    from batchscribe_engine.messages import DiarizeTask, TranscodeTask


class Excerpt:
    """From the task's `start_ms`, rounded down to 10 ms, to its `end_ms`, or to the end of the file where that is 0.

    `on_decoded` is called after each piece that was decoded, also of what lies before the excerpt, and may raise.
    """

    def __init__(self, task: TranscodeTask | DiarizeTask, on_decoded: Callable[[], None]) -> None:
        self._task = task
        self._on_decoded = on_decoded
        self.first_sample = task.start_ms // 10 * (SAMPLE_RATE_HZ // 100)
        self._end_sample = task.end_ms * (SAMPLE_RATE_HZ // 1000)
        self.decoded_samples = 0
        self._looked_ms = 0

    @property
    def decoded_ms(self) -> int:
        """How far the file was decoded, at most to the excerpt's end."""
        return 1000 * self.decoded_samples // SAMPLE_RATE_HZ

    @property
    def work_ms(self) -> int:
        """The milliseconds decoded so far, those that are decoded twice counted twice."""
        return self._looked_ms + self.decoded_ms

    @property
    def at_end(self) -> bool:
        """Whether all is decoded that is asked for, though the file may go on."""
        return 0 < self._end_sample <= self.decoded_samples

    def channels_alike(self) -> tuple[int, ...]:
        """For each channel of the file the first that has the very same sound; empty for a file without any.

        A look through the file first, until all channels have differed: in most files with its first sound. Raises
        MediaError.
        """
        alike: tuple[int, ...] = ()
        with open_media(self._task.descriptor, self._task.file_name) as media:
            for alike in media.channels_alike():
                self._looked_ms = media.position_ms
                self._on_decoded()
                if alike == tuple(range(len(alike))):
                    break
        return alike

    def of(self, blocks: Iterable[npt.NDArray[np.int16]]) -> Iterator[npt.NDArray[np.int16]]:
        """What belongs to the excerpt of the file's sound, int16 (n,) or (channels, n) from its beginning on."""
        for block in blocks:
            begin = self.decoded_samples
            self.decoded_samples += block.shape[-1]
            if self.at_end:
                self.decoded_samples = self._end_sample
            self._on_decoded()
            if self.decoded_samples > self.first_sample:
                yield block[..., max(0, self.first_sample - begin) : self.decoded_samples - begin]
            if self.at_end:
                return


def refuse_longer(sound: str, duration_ms: int, limit_ms: int) -> None:
    """Raise MediaError MEDIA_TOO_LONG where a sound, called so to the client, is longer than a limit that isn't 0."""
    if limit_ms and duration_ms > limit_ms:
        raise MediaError(
            "MEDIA_TOO_LONG",
            f"The {sound} is longer than {clock(limit_ms / 1000)}, the longest allowed. "
            "Split it, or ask for the limit to be raised.",
        )
