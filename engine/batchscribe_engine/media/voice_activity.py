"""How likely it is, for each 32 ms of sound, that somebody speaks.

The model is Silero VAD, version 6 (github.com/snakers4/silero-vad), read from the file that faster-whisper ships. It
hears frames of 512 samples, each with the 64 samples before it, and carries a recurrent state from frame to frame.

The network is computed here, with numpy, and not by onnxruntime. Its convolutions over one frame are so small that
onnxruntime spends most of its time around them; over all frames of a portion at once each layer is one large product
of matrices. That takes about half of the processor time and saves each worker the 30 MB of a second library. The
probabilities agree to 1e-5.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.media.onnx_tensors import OnnxFormatError, float_tensors
from batchscribe_engine.media.segment import FRAME_SAMPLES

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

CONTEXT_SAMPLES = 64

_MODEL_FILE = "assets/silero_vad_v6.onnx"

_WINDOW, _HOP, _WINDOWS = 256, 128, 4  # of the spectrum: samples, samples, and how many of them in a frame
_BINS = 129
_UNITS = 128  # of the recurrent layer
_SHAPES = {
    "encoder.feature_extractor.forward_basis_buffer": (2 * _BINS, 1, _WINDOW),
    "encoder.conv_layers.0.weight": (128, _BINS, 3),
    "encoder.conv_layers.0.bias": (128,),
    "encoder.conv_layers.1.weight": (64, 128, 3),
    "encoder.conv_layers.1.bias": (64,),
    "encoder.conv_layers.2.weight": (64, 64, 3),
    "encoder.conv_layers.2.bias": (64,),
    "encoder.conv_layers.3.weight": (_UNITS, 64, 3),
    "encoder.conv_layers.3.bias": (_UNITS,),
    "onnx::LSTM_209": (1, 4 * _UNITS, _UNITS),  # of the input
    "onnx::LSTM_210": (1, 4 * _UNITS, _UNITS),  # of the state
    "onnx::LSTM_211": (1, 8 * _UNITS),  # the biases of both
    "decoder.conv1d.weight": (1, _UNITS, 1),
    "decoder.conv1d.bias": (1,),
}


class SileroModel:
    """The model's weights, loaded once for a worker's life, and without state of its own.

    Spectrum → four convolutions → LSTM → one neuron. What is constant in a frame's place is left out: taps of a
    convolution that only ever meet its zero padding.
    """

    def __init__(self) -> None:
        """Raises FileNotFoundError where faster-whisper has no such model, OnnxFormatError where it is another one."""
        path = _model_path()
        weights = float_tensors(path)
        for name, shape in _SHAPES.items():
            if name not in weights or weights[name].shape != shape:
                raise OnnxFormatError(f"{path.name} holds another network: {name} is missing or of another shape")
        self._basis = _columns(weights["encoder.feature_extractor.forward_basis_buffer"][:, 0])
        kernels = [weights[f"encoder.conv_layers.{layer}.weight"] for layer in range(4)]
        self._biases = [weights[f"encoder.conv_layers.{layer}.bias"] for layer in range(4)]
        self._kernels = [
            _columns(_taps_first(kernels[0])),
            _columns(_taps_first(kernels[1])),
            _columns(_taps_first(kernels[2][:, :, 1:])),
            _columns(kernels[3][:, :, 1]),
        ]
        # sigmoid(x) = (1 + tanh(x / 2)) / 2: with the halves in the weights, one tanh serves all four gates.
        halves = np.ones((4 * _UNITS, 1), dtype=np.float32)
        halves[: 3 * _UNITS] = 0.5
        self._from_input = _columns(weights["onnx::LSTM_209"][0] * halves)
        self._from_state = _columns(weights["onnx::LSTM_210"][0] * halves)
        self._gate_bias = weights["onnx::LSTM_211"].reshape(2, 4 * _UNITS).sum(axis=0) * halves[:, 0]
        self._neuron = weights["decoder.conv1d.weight"][0, :, 0]
        self._neuron_bias = weights["decoder.conv1d.bias"][0]
        # The library of numpy's matrices takes its work space the first time: before the worker's memory is limited.
        self.run(np.zeros((2, CONTEXT_SAMPLES + FRAME_SAMPLES), dtype=np.float32), *self.silence())

    @staticmethod
    def silence() -> tuple[Floats, Floats]:
        """The state before a recording: the hidden and the cell state, float32 of shape (128,)."""
        return np.zeros(_UNITS, dtype=np.float32), np.zeros(_UNITS, dtype=np.float32)

    def run(self, frames: Floats, hidden: Floats, cell: Floats) -> tuple[Floats, Floats, Floats]:
        """The probabilities (n,) of frames (n, 576) that follow each other, and the state after the last of them.

        `frames` are samples between -1 and 1.
        """
        states, cell = self._remembered(self._encoded(self._spectrum(frames)), hidden, cell)
        logits = np.maximum(states, 0) @ self._neuron + self._neuron_bias
        return 1 / (1 + np.exp(-logits)), states[-1].copy(), cell

    def _spectrum(self, frames: Floats) -> Floats:
        """The magnitudes of frames (n, 576), of shape (n, 4, 129); the last window reflects the frame's end."""
        n = len(frames)
        windows = np.empty((n, _WINDOWS, _WINDOW), dtype=np.float32)
        for window in range(_WINDOWS - 1):
            windows[:, window] = frames[:, window * _HOP : window * _HOP + _WINDOW]
        left = frames.shape[1] - (_WINDOWS - 1) * _HOP
        windows[:, -1, :left] = frames[:, -left:]
        windows[:, -1, left:] = frames[:, -2 : -2 - (_WINDOW - left) : -1]
        parts = windows.reshape(-1, _WINDOW) @ self._basis  # real, then imaginary
        parts *= parts
        magnitudes: Floats = np.sqrt(parts[:, :_BINS] + parts[:, _BINS:])
        return magnitudes.reshape(n, _WINDOWS, _BINS)

    def _encoded(self, spectrum: Floats) -> Floats:
        """What the gates get from each frame's spectrum, of shape (n, 512)."""
        n = len(spectrum)
        padded = np.zeros((n, _WINDOWS + 2, _BINS), dtype=np.float32)
        padded[:, 1:-1] = spectrum
        first = self._layer(0, _neighbours(padded, places=4, step=1))
        padded = np.zeros((n, _WINDOWS + 1, 128), dtype=np.float32)
        padded[:, 1:] = first.reshape(n, _WINDOWS, 128)
        second = self._layer(1, _neighbours(padded, places=2, step=2))
        third = self._layer(2, second.reshape(n, -1))
        fourth = self._layer(3, third)
        gates: Floats = fourth @ self._from_input
        gates += self._gate_bias
        return gates

    def _layer(self, layer: int, inputs: Floats) -> Floats:
        outputs: Floats = inputs @ self._kernels[layer]
        outputs += self._biases[layer]
        return np.maximum(outputs, 0, out=outputs)

    def _remembered(self, from_input: Floats, hidden: Floats, cell: Floats) -> tuple[Floats, Floats]:
        """The hidden states (n, 128) after each frame, and the cell state after the last one."""
        states = np.empty((len(from_input), _UNITS), dtype=np.float32)
        gates, cell = np.empty(4 * _UNITS, dtype=np.float32), cell.copy()
        sigmoids, change = gates[: 3 * _UNITS], gates[3 * _UNITS :]
        into, out_of, kept = np.split(sigmoids, 3)
        for given, state in zip(from_input, states, strict=True):
            # In place, since what this costs is calls, not sums.
            np.dot(hidden, self._from_state, out=gates)
            np.add(gates, given, out=gates)
            np.tanh(gates, out=gates)
            np.multiply(sigmoids, 0.5, out=sigmoids)
            np.add(sigmoids, 0.5, out=sigmoids)
            np.multiply(cell, kept, out=cell)
            np.multiply(into, change, out=into)
            np.add(cell, into, out=cell)
            np.tanh(cell, out=state)
            np.multiply(state, out_of, out=state)
            hidden = state
        return states, cell


class VoiceActivity:
    """Hears one recording from its start, in portions; the result is that of hearing it at once."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._hidden, self._cell = model.silence()
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)

    def hear(self, samples: npt.NDArray[np.int16]) -> Floats:
        """The probability of speech in each frame of `samples` (int16 at 16 kHz), float32 of shape (frames,).

        `samples` holds whole frames, except for the last portion of a recording, whose end is taken for silence.
        """
        if not samples.size:
            return np.zeros(0, dtype=np.float32)
        frames = -(-samples.size // FRAME_SAMPLES)
        sound = np.zeros(CONTEXT_SAMPLES + frames * FRAME_SAMPLES, dtype=np.float32)
        sound[:CONTEXT_SAMPLES] = self._context
        np.multiply(samples, np.float32(1 / 32768), out=sound[CONTEXT_SAMPLES : CONTEXT_SAMPLES + samples.size])
        windows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT_SAMPLES + FRAME_SAMPLES)[::FRAME_SAMPLES]
        probabilities, self._hidden, self._cell = self._model.run(windows, self._hidden, self._cell)
        self._context = sound[-CONTEXT_SAMPLES:].copy()
        return probabilities


def _taps_first(kernel: Floats) -> Floats:
    """A kernel (outputs, inputs, taps) as (outputs, taps * inputs), in the order in which `_neighbours` lie."""
    return kernel.transpose(0, 2, 1).reshape(len(kernel), -1)


def _columns(rows: Floats) -> Floats:
    return np.ascontiguousarray(rows.T)


def _neighbours(padded: Floats, *, places: int, step: int) -> Floats:
    """Of (n, m, channels): three neighbours side by side at each place, of shape (n * places, 3 * channels)."""
    n, _, channels = padded.shape
    by_frame, by_place, by_channel = padded.strides
    side_by_side = np.lib.stride_tricks.as_strided(
        padded, (n, places, 3 * channels), (by_frame, step * by_place, by_channel), writeable=False
    )
    return np.ascontiguousarray(side_by_side).reshape(n * places, 3 * channels)


def _model_path() -> Path:
    # Found without importing faster_whisper, which would load CTranslate2 into every worker.
    spec = importlib.util.find_spec("faster_whisper")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / _MODEL_FILE
        if path.is_file():
            return path
    raise FileNotFoundError(f"{_MODEL_FILE} of faster-whisper 1.2 is missing; install 'batchscribe[server]'")
