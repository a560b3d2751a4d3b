"""How loud sound is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FULL_SCALE = 2**15
_SILENT_BELOW_DB = -66.0
"""What codecs and converters leave of silence is softer."""


def peak(samples: npt.NDArray[np.int16]) -> int:
    """The largest sample, whatever its sign; 0 where there is none."""
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def decibels(peak: int) -> float:
    """A peak in relation to full scale."""
    return 20 * math.log10(max(1, peak) / _FULL_SCALE)


def sounds(samples: npt.NDArray[np.int16]) -> bool:
    """Whether there is more than silence."""
    return decibels(peak(samples)) >= _SILENT_BELOW_DB


def sound_without_speech(peak: int) -> str:
    """What to say of a recording in which no speech was found; nothing of a silent one."""
    level_db = decibels(peak)
    if level_db < _SILENT_BELOW_DB:
        return ""
    return (
        f"No speech was found, but there is sound (its peak is at {level_db:.0f} dB of full scale). If somebody speaks "
        "in it, make it louder, or turn voice activity detection off."
    )
