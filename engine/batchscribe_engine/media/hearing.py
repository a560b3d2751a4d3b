"""Listens to a recording, mixed down or channel by channel, and gives its segments in order of their starts.

Channels are cut apart from each other, so that a segment of one may be complete long before an earlier one of another:
it waits until no earlier one can come, which is a minute of the recording at most.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.segmenter import segmenter
from batchscribe_engine.media.voice_activity import VoiceActivity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from batchscribe_engine.media.segment import Segment
    from batchscribe_engine.media.voice_activity import SileroModel
    from batchscribe_engine.messages import VoiceActivityOptions


class OneChannel:
    """Finds speech in one channel and cuts it into segments; the same however it is portioned."""

    def __init__(self, model: SileroModel, options: VoiceActivityOptions) -> None:
        self._activity = VoiceActivity(model) if options.enabled else None
        self._segmenter = segmenter(options)

    def push(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        """The segments that are complete once `samples`, int16 of shape (n,), are heard; see `Segmenter.push`."""
        if self._activity is None:
            probabilities = np.ones(-(-samples.size // FRAME_SAMPLES), dtype=np.float32)
        else:
            probabilities = self._activity.hear(samples)
        return self._segmenter.push(samples, probabilities)

    def finish(self) -> list[Segment]:
        """The remaining segments, at the end of the recording."""
        return self._segmenter.finish()

    @property
    def earliest_sample(self) -> int:
        """No segment to come begins before it."""
        return self._segmenter.earliest_frame * FRAME_SAMPLES


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    start_sample: int
    channel: int
    segment: Segment = field(compare=False)


class Channels:
    """Several channels of one recording. Segments come with the channel they are of, in order of start and channel."""

    def __init__(self, model: SileroModel, options: VoiceActivityOptions, numbers: Sequence[int]) -> None:
        """`numbers` are the channels that are heard, of all that the recording has."""
        self._channels = {number: OneChannel(model, options) for number in numbers}
        self._waiting: list[_Waiting] = []

    def push(self, samples: npt.NDArray[np.int16]) -> list[tuple[int, Segment]]:
        """The segments that none can precede any more once `samples`, int16 of shape (channels, n), are heard."""
        for number, channel in self._channels.items():
            self._wait(number, channel.push(samples[number]))
        return self._ready(min(channel.earliest_sample for channel in self._channels.values()))

    def finish(self) -> list[tuple[int, Segment]]:
        """The remaining segments, at the end of the recording."""
        for number, channel in self._channels.items():
            self._wait(number, channel.finish())
        return self._ready(None)

    def _wait(self, number: int, segments: Iterable[Segment]) -> None:
        for segment in segments:
            heapq.heappush(self._waiting, _Waiting(segment.start_sample, number, segment))

    def _ready(self, before_sample: int | None) -> list[tuple[int, Segment]]:
        ready = []
        while self._waiting and (before_sample is None or self._waiting[0].start_sample < before_sample):
            first = heapq.heappop(self._waiting)
            ready.append((first.channel, first.segment))
        return ready
