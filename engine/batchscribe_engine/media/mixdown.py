"""Decoded frames of any sample format and number of channels, as mono."""

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


def mono(frame: Any) -> npt.NDArray[np.float32]:
    """The mean of all channels of an `av.AudioFrame`, float32 of shape (n,), full scale at 1.

    Equal weights, because which channel somebody speaks in is not known: a call with one party in each channel and
    eight microphones on a table are as common as films. The price: what one channel holds with its sign turned around
    in another cancels out, and a voice in one channel of six is 16 dB softer. A file of floats may hold anything,
    infinities and not-a-number included, and so may the result.
    """
    name = frame.format.name
    dtype, full_scale = _FULL_SCALE[name.removesuffix("p")]
    channels, samples = frame.layout.nb_channels, frame.samples
    if channels > 1 and frame.format.is_planar:
        if channels > MOST_PLANES:
            raise ValueError(f"{channels} planes can't be read safely")
        parts = [np.frombuffer(plane, dtype=dtype, count=samples) for plane in frame.planes]
    else:
        packed = np.frombuffer(frame.planes[0], dtype=dtype, count=samples * channels)
        parts = [packed[channel::channels] for channel in range(channels)]
    with np.errstate(all="ignore"):
        mixed = parts[0].astype(np.float32)
        for part in parts[1:]:
            mixed += part
        mixed *= np.float32(1 / (channels * full_scale))
        if dtype == "u1":
            mixed -= 1
    return mixed
