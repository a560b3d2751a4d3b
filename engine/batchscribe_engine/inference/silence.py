"""Sound that no model needs to be asked about: it would invent some text for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SILENT_PEAK = 4
"""In steps of 16 bits: 78 dB below full scale, which is dither."""


def is_digital_silence(samples: npt.NDArray[np.int16]) -> bool:
    """Whether int16 samples hold nothing that could be speech."""
    return not samples.size or max(int(samples.max()), -int(samples.min())) <= SILENT_PEAK
