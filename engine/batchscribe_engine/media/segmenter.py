"""Cuts a recording into segments as it is heard: speech alone, or everything.

Pure: sound and probabilities in, segments out, decided frame by frame, so that the result depends on nothing but the
recording and the options, however it is portioned. A minute of sound at most is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from batchscribe_engine.media.segment import FRAME_SAMPLES, RecentSound, Segment
from batchscribe_engine.messages import MAX_SEGMENT_S, SAMPLE_RATE_HZ, VoiceActivityOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Span = tuple[int, int]  # first frame, and the frame after the last

FRAME_MS = 1000 * FRAME_SAMPLES // SAMPLE_RATE_HZ
MAX_SEGMENT_FRAMES = MAX_SEGMENT_S * SAMPLE_RATE_HZ // FRAME_SAMPLES

HYSTERESIS = 0.15
"""How far below the threshold a probability must fall for speech to end."""

MAX_PAUSE_MS = 2000
"""Speech is joined across shorter pauses only: a longer one costs the engine more than context is worth."""

MAX_PAD_MS = 5000

_SURE = 0.05
"""What loudness counts where no speech is likely, against 1 + this where it is certain."""


class Segmenter(Protocol):
    """Takes a recording in portions and gives its segments in order, without overlap."""

    def push(self, samples: npt.NDArray[np.int16], probabilities: npt.NDArray[np.float32]) -> list[Segment]:
        """The segments that are complete once this is heard.

        `samples` is int16 at 16 kHz of shape (n,), `probabilities` of shape (ceil(n / 512),) that of speech in each
        frame. Only the last portion of a recording may end within a frame.
        """

    def finish(self) -> list[Segment]:
        """The remaining segments, at the end of the recording."""

    @property
    def held_samples(self) -> int:
        """How much sound is kept for segments to come: a minute at most."""

    @property
    def earliest_frame(self) -> int:
        """No segment to come begins before it."""


def segmenter(options: VoiceActivityOptions) -> Segmenter:
    """The segmenter that `options` ask for."""
    if options.enabled:
        return SpeechSegmenter(options)
    return BlockSegmenter() if options.blocks else EvenSegmenter(options)


class SpeechSegmenter:
    """Segments of speech: found with hysteresis, padded, and joined across short pauses.

    A segment grows by joining up to `join_s`. Speech without any pause stays one segment up to `MAX_SEGMENT_S`, and is
    cut where it is quietest in the second half of that. Every frame above the threshold is in a segment, unless
    `min_speech_ms` drops it.
    """

    def __init__(self, options: VoiceActivityOptions) -> None:
        self._threshold = options.threshold
        self._silence_threshold = max(options.threshold - HYSTERESIS, 0.01)
        self._min_silence = max(1, _frames(options.min_silence_ms))
        self._min_speech = _frames(options.min_speech_ms)
        self._pad = _frames(min(options.speech_pad_ms, MAX_PAD_MS))
        self._limit = MAX_SEGMENT_FRAMES - 2 * self._pad
        self._joiner = _Joiner(self._pad, _frames(MAX_PAUSE_MS), _join_frames(options))
        self._sound = RecentSound()
        self._frame = 0
        self._start: int | None = None  # of the speech that goes on
        self._quiet_since: int | None = None  # the pause in it that may become its end
        self._after_cut = False
        self._weights: list[float] = []  # of each frame since `_start`: how much a cut there would hurt

    def push(self, samples: npt.NDArray[np.int16], probabilities: npt.NDArray[np.float32]) -> list[Segment]:
        """See `Segmenter.push`."""
        loudness = _loudness(self._sound, samples, probabilities)
        spans: list[Span] = []
        for probability, level in zip(probabilities.tolist(), loudness.tolist(), strict=True):
            spans += self._step(probability, level)
        segments = [self._sound.cut(*span) for span in spans]
        self._sound.forget(self.earliest_frame)
        return segments

    def finish(self) -> list[Segment]:
        """See `Segmenter.finish`."""
        spans: list[Span] = []
        if self._start is not None:
            spans += self._close(self._frame if self._quiet_since is None else self._quiet_since)
        spans += self._joiner.flush(self._frame)
        return [self._sound.cut(*span) for span in spans]

    @property
    def held_samples(self) -> int:
        """How much sound is kept."""
        return self._sound.held_samples

    @property
    def earliest_frame(self) -> int:
        """See `Segmenter.earliest_frame`."""
        start = self._frame if self._start is None else self._start
        pending = self._joiner.pending_start
        return start - self._pad if pending is None else min(pending, start - self._pad)

    def _step(self, probability: float, level: float) -> list[Span]:
        frame = self._frame
        self._frame += 1
        if self._start is None:
            if probability < self._threshold:
                return self._joiner.idle(self._frame)
            self._start = frame
        self._weights.append((probability + _SURE) * level)
        if probability >= self._threshold:
            self._quiet_since = None
        elif probability < self._silence_threshold and self._quiet_since is None:
            self._quiet_since = frame
        too_long = self._frame - self._start >= self._limit
        if self._quiet_since is not None:
            if too_long or self._frame - self._quiet_since >= self._min_silence:
                return self._close(self._quiet_since)
        elif too_long:
            cut = self._start + _gentlest_cut(self._weights)
            weights = self._weights[cut - self._start :]
            spans = self._close(cut)
            self._start, self._weights, self._after_cut = cut, weights, True
            return spans
        return []

    def _close(self, end: int) -> list[Span]:
        assert self._start is not None
        start, self._start = self._start, None
        self._quiet_since, self._weights = None, []
        # What a cut left over is no short noise but the end of long speech.
        kept = self._after_cut or end - start >= self._min_speech
        self._after_cut = False
        return self._joiner.add(start, end) if kept else []


class EvenSegmenter:
    """Segments of everything: each sample is in one, cut where it is quietest, `join_s` long at most."""

    def __init__(self, options: VoiceActivityOptions) -> None:
        self._limit = _join_frames(options)
        self._sound = RecentSound()
        self._start = 0
        self._frame = 0
        self._weights: list[float] = []

    def push(self, samples: npt.NDArray[np.int16], probabilities: npt.NDArray[np.float32]) -> list[Segment]:
        """See `Segmenter.push`; the probabilities only count here."""
        segments = []
        for level in _loudness(self._sound, samples, probabilities).tolist():
            self._weights.append(level)
            self._frame += 1
            if self._frame - self._start >= self._limit:
                cut = _gentlest_cut(self._weights)
                segments.append(self._sound.cut(self._start, self._start + cut))
                self._start += cut
                self._weights = self._weights[cut:]
        self._sound.forget(self._start)
        return segments

    def finish(self) -> list[Segment]:
        """See `Segmenter.finish`."""
        return [self._sound.cut(self._start, self._frame)] if self._weights else []

    @property
    def held_samples(self) -> int:
        """How much sound is kept."""
        return self._sound.held_samples

    @property
    def earliest_frame(self) -> int:
        """See `Segmenter.earliest_frame`."""
        return self._start


class BlockSegmenter:
    """Blocks of `MAX_SEGMENT_FRAMES` that follow each other, the last one shorter."""

    def __init__(self) -> None:
        self._sound = RecentSound()
        self._start = 0
        self._frame = 0

    def push(self, samples: npt.NDArray[np.int16], probabilities: npt.NDArray[np.float32]) -> list[Segment]:
        """See `Segmenter.push`; the probabilities only count here."""
        self._sound.append(samples)
        self._frame += len(probabilities)
        blocks = []
        while self._frame - self._start >= MAX_SEGMENT_FRAMES:
            blocks.append(self._sound.cut(self._start, self._start + MAX_SEGMENT_FRAMES))
            self._start += MAX_SEGMENT_FRAMES
        self._sound.forget(self._start)
        return blocks

    def finish(self) -> list[Segment]:
        """See `Segmenter.finish`."""
        return [self._sound.cut(self._start, self._frame)] if self._frame > self._start else []

    @property
    def held_samples(self) -> int:
        """How much sound is kept."""
        return self._sound.held_samples

    @property
    def earliest_frame(self) -> int:
        """See `Segmenter.earliest_frame`."""
        return self._start


class _Joiner:
    """Pads speech and joins it across pauses; holds one span back, which may still grow."""

    def __init__(self, pad: int, max_pause: int, limit: int) -> None:
        self._pad = pad
        self._max_pause = max(max_pause, 2 * pad)
        self._limit = limit
        self.pending_start: int | None = None  # with its padding
        self._end: int | None = None  # of the last speech, without

    def add(self, start: int, end: int) -> list[Span]:
        """Speech in frames `start` to `end`. Neighbours share a pause that is too short for the padding of both."""
        ready: list[Span] = []
        pause = None if self._end is None else start - self._end
        if self.pending_start is not None:
            assert pause is not None
            if pause <= self._max_pause and end + self._pad - self.pending_start <= self._limit:
                self._end = end
                return []
            ready = self._take(min(self._pad, pause // 2))
        before = start if pause is None else pause - pause // 2
        self.pending_start = start - min(self._pad, before)
        self._end = end
        return ready

    def idle(self, now: int) -> list[Span]:
        """Nobody speaks in the frame before `now`."""
        if self.pending_start is None or self._end is None or now - self._end <= self._max_pause:
            return []
        return self._take(self._pad)

    def flush(self, now: int) -> list[Span]:
        """The recording ends at `now`."""
        if self.pending_start is None or self._end is None:
            return []
        return self._take(min(self._pad, now - self._end))

    def _take(self, pad: int) -> list[Span]:
        assert self.pending_start is not None
        assert self._end is not None
        span = (self.pending_start, self._end + pad)
        self.pending_start = None
        return [span]


def _gentlest_cut(weights: Iterable[float]) -> int:
    """The frame in the second half before which to cut: where it and the one before weigh least, the last of these."""
    around = np.convolve(np.asarray(weights, dtype=np.float64), [1.0, 1.0], mode="valid")
    first = len(around) // 2
    later = around[first:]
    return first + len(later) - int(np.argmin(later[::-1]))


def _loudness(
    sound: RecentSound, samples: npt.NDArray[np.int16], probabilities: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Take `samples` into `sound`, and give the root mean square of each frame of them."""
    if sound.end_sample % FRAME_SAMPLES:
        raise ValueError("nothing can follow a portion that ended within a frame")
    frames = -(-samples.size // FRAME_SAMPLES)
    if probabilities.shape != (frames,):
        raise ValueError(f"{samples.size} samples are {frames} frames, not {probabilities.shape}")
    sound.append(samples)
    whole = np.zeros(frames * FRAME_SAMPLES, dtype=np.float64)
    whole[: samples.size] = samples
    rms: npt.NDArray[np.float64] = np.sqrt(np.mean(whole.reshape(frames, FRAME_SAMPLES) ** 2, axis=1))
    return rms


def _frames(duration_ms: int) -> int:
    return -(-duration_ms // FRAME_MS)


def _join_frames(options: VoiceActivityOptions) -> int:
    frames = int(options.join_s * SAMPLE_RATE_HZ) // FRAME_SAMPLES
    return min(max(frames, 2), MAX_SEGMENT_FRAMES)
