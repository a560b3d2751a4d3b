"""The same speech under other conditions, so that little of it shows more: softer, in noise, over the telephone.

Deterministic: the same segment gives the same samples. int16 at 16 kHz in, and out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.messages import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

SOFTER_DB = 20.0
NOISE_BELOW_SPEECH_DB = 15.0
TELEPHONE_HZ = (300.0, 3400.0)

_SEED = 20_220_921
_FULL_SCALE = 32767


def as_it_is(samples: Samples) -> Samples:
    """Nothing done to it."""
    return samples


def soft(samples: Samples) -> Samples:
    """Softer by 20 dB."""
    return _rounded(samples.astype(np.float64) * 10 ** (-SOFTER_DB / 20))


def noisy(samples: Samples) -> Samples:
    """With white noise 15 dB below the segment's mean power."""
    level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) * 10 ** (-NOISE_BELOW_SPEECH_DB / 20)
    return _rounded(samples + np.random.default_rng(_SEED).normal(0.0, level, samples.size))


def telephone(samples: Samples) -> Samples:
    """Without what lies outside the telephone's band, 300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples)
    frequencies_hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE_HZ)
    lowest_hz, highest_hz = TELEPHONE_HZ
    spectrum[(frequencies_hz < lowest_hz) | (frequencies_hz > highest_hz)] = 0
    return _rounded(np.fft.irfft(spectrum, samples.size))


VARIANTS: Mapping[str, Callable[[Samples], Samples]] = {
    "as it is": as_it_is,
    "soft": soft,
    "noisy": noisy,
    "telephone": telephone,
}


def _rounded(samples: npt.NDArray[np.float64]) -> Samples:
    return np.clip(np.rint(samples), -_FULL_SCALE, _FULL_SCALE).astype(np.int16)
