"""One segment decoded with one margin: what the first decoding says, what is left after the checks, and the cost.

Segments are tried one by one. In a batch each is padded to the longest, which is margin for the others and would hide
what a small one does to a lone short file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchscribe_engine.inference.decoder import Decoder
from batchscribe_engine.inference.encoded_window import EncodedWindow, Utterance
from batchscribe_engine.inference.windows import FULL_WINDOW_FRAMES, MAX_NEW_TOKENS, token_limit, window_frames
from batchscribe_engine.messages import DecodeOptions

if TYPE_CHECKING:
    from batchscribe_engine.inference.whisper import Device, Whisper


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one segment. `cost_s` is the time of one core, or of a GPU, that the checked decoding took."""

    raw_text: str
    checked_text: str
    doubted: bool
    cost_s: float


class Trials:
    """Tries segments with one model. Higher temperatures are left out: they draw at random, in whatever window."""

    def __init__(self, whisper: Whisper, device: Device, *, beam_size: int) -> None:
        self._whisper = whisper
        self._options = DecodeOptions(beam_size=beam_size, temperatures=(0.0,))
        # Threads of a GPU's driver spin while they wait.
        self._clock = time.process_time if device.kind == "cpu" else time.perf_counter

    def run(self, utterance: Utterance, margin_s: float | None) -> Trial:
        """Decode a segment with a margin, or in a full window for None. Raises OutOfMemoryError, InferenceError."""
        decoder = Decoder(self._whisper, self._options, margin_s)
        started_s = self._clock()
        (result,) = decoder.transcribe([utterance])
        cost_s = self._clock() - started_s
        frames = window_frames(utterance.task.samples, margin_s)
        doubted = frames < FULL_WINDOW_FRAMES and result.decoding != "short"
        # What no check has doubted is the first decoding's text, except that silence was taken for silence.
        raw_text = result.text if result.text and not result.doubts else self._raw_text(utterance, frames)
        return Trial(raw_text, result.text, doubted, cost_s)

    def _raw_text(self, utterance: Utterance, frames: int) -> str:
        window = EncodedWindow(self._whisper, self._options, [utterance], [frames])
        limit = (
            MAX_NEW_TOKENS
            if frames == FULL_WINDOW_FRAMES
            else token_limit(utterance.task.samples, window.languages[0].code)
        )
        (hypothesis,) = window.decode([0], temperature=0.0, max_new_tokens=limit)
        return hypothesis.text
