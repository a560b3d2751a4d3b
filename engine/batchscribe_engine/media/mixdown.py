"""Decoded frames of any sample format and number of channels, as mono or with their channels apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_FULL_SCALE: dict[str, tuple[str, float]] = {
    "u8": ("u1", 2.0**7),
    "s16": ("i2", 2.0**15),
    "s32": ("i4", 2.0**31),
    "s64": ("i8", 2.0**63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}
"""FFmpeg's sample formats: the type of a sample, and the value that stands for full scale."""


MOST_PLANES = 7
"""PyAV 18 looks for the planes of a frame past their end from eight on: such frames must come packed."""


CANCELLED = 0.01
"""Channels cancel out where less is left than this part of what channels with nothing in common would leave."""


def mono(frame: Any) -> npt.NDArray[np.float32]:
    """The mean of all channels of an `av.AudioFrame`, float32 of shape (n,), full scale at 1.

    Equal weights, because which channel somebody speaks in is not known: a call with one party in each channel and
    eight microphones on a table are as common as films. The price: a voice in one channel of six is 16 dB softer. Where
    channels cancel out, as one does that holds another with its sign turned around, the loudest is taken instead of
    what is left. A file of floats may hold anything, infinities and not-a-number included, and so may the result.
    """
    with np.errstate(all="ignore"):
        channels = [_scaled(plane.astype(np.float32), frame) for plane in _planes(frame)]
        if len(channels) == 1:
            return channels[0]
        mixed = sum(channels[1:], channels[0]) * np.float32(1 / len(channels))
        powers = [channel @ channel for channel in channels]
        if mixed @ mixed < CANCELLED * sum(powers) / len(channels) ** 2:
            mixed = channels[int(np.argmax(powers))]
        return mixed


def apart(frame: Any) -> npt.NDArray[np.float32]:
    """The channels of an `av.AudioFrame`, float32 of shape (channels, n), full scale at 1; see `mono`."""
    with np.errstate(all="ignore"):
        return _scaled(np.stack([plane.astype(np.float32) for plane in _planes(frame)]), frame)


def first_alike(frame: Any) -> tuple[int, ...]:
    """For each channel of an `av.AudioFrame` the first one with the very same samples."""
    sounds = [plane.tobytes() for plane in _planes(frame)]
    return tuple(map(sounds.index, sounds))


def _planes(frame: Any) -> list[npt.NDArray[Any]]:
    """The samples of each channel as they are."""
    dtype, _ = _FULL_SCALE[frame.format.name.removesuffix("p")]
    channels, samples = frame.layout.nb_channels, frame.samples
    if channels > 1 and frame.format.is_planar:
        if channels > MOST_PLANES:
            raise ValueError(f"{channels} planes can't be read safely")
        return [np.frombuffer(plane, dtype=dtype, count=samples) for plane in frame.planes]
    packed = np.frombuffer(frame.planes[0], dtype=dtype, count=samples * channels)
    return [packed[channel::channels] for channel in range(channels)]


def _scaled(samples: npt.NDArray[np.float32], frame: Any) -> npt.NDArray[np.float32]:
    dtype, full_scale = _FULL_SCALE[frame.format.name.removesuffix("p")]
    samples *= np.float32(1 / full_scale)
    if dtype == "u1":
        samples -= 1
    return samples
