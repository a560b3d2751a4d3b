"""How likely it is, for each 32 ms of sound, that somebody speaks. The only module that imports onnxruntime.

The model is Silero VAD, version 6, as faster-whisper ships it (github.com/snakers4/silero-vad). It hears frames of 512
samples, each with the 64 samples before it, and carries a recurrent state from frame to frame.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read as it is loaded: otherwise it calls its makers

import onnxruntime

from batchscribe_engine.media.segment import FRAME_SAMPLES

if TYPE_CHECKING:
    import numpy.typing as npt

CONTEXT_SAMPLES = 64

_MODEL_FILE = "assets/silero_vad_v6.onnx"
_STATE_SHAPE = (1, 1, 128)
_ERRORS_ONLY = 3


class SileroModel:
    """The model's weights, loaded once for a worker's life; single-threaded, and without state of its own."""

    def __init__(self) -> None:
        """Raises FileNotFoundError where faster-whisper is not installed or has no such model."""
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        # An arena keeps the memory of the largest batch for good.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(
            str(_model_path()), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def run(
        self,
        frames: npt.NDArray[np.float32],
        h: npt.NDArray[np.float32],
        c: npt.NDArray[np.float32],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The probabilities (n,) of frames (n, 576) that follow each other, and the state after the last of them."""
        probabilities, h, c = self._session.run(None, {"input": frames, "h": h, "c": c})
        return probabilities, h, c


class VoiceActivity:
    """Hears one recording from its start, in portions; the result is that of hearing it at once."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._h = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._c = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)

    def hear(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """The probability of speech in each frame of `samples` (int16 at 16 kHz), float32 of shape (frames,).

        `samples` holds whole frames, except for the last portion of a recording, whose end is taken for silence.
        """
        if not samples.size:
            return np.zeros(0, dtype=np.float32)
        frames = -(-samples.size // FRAME_SAMPLES)
        sound = np.zeros(CONTEXT_SAMPLES + frames * FRAME_SAMPLES, dtype=np.float32)
        sound[:CONTEXT_SAMPLES] = self._context
        sound[CONTEXT_SAMPLES : CONTEXT_SAMPLES + samples.size] = samples
        sound[CONTEXT_SAMPLES:] /= 32768.0
        windows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT_SAMPLES + FRAME_SAMPLES)[::FRAME_SAMPLES]
        probabilities, self._h, self._c = self._model.run(np.ascontiguousarray(windows), self._h, self._c)
        self._context = sound[-CONTEXT_SAMPLES:].copy()
        return probabilities.reshape(-1)


def _model_path() -> Path:
    # Found without importing faster_whisper, which would load CTranslate2 into every worker.
    spec = importlib.util.find_spec("faster_whisper")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / _MODEL_FILE
        if path.is_file():
            return path
    raise FileNotFoundError(f"{_MODEL_FILE} of faster-whisper 1.2 is missing; install 'batchscribe[server]'")
