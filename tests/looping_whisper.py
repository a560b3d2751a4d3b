"""A real model that says its last words again wherever the encoder's window is short.

Real models do it in windows too short for them, but which texts they do it to depends on the processor's arithmetic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.inference.whisper import Encoded, Whisper
from batchscribe_engine.inference.windows import FRAMES_PER_POSITION, FRAMES_PER_S

TAIL_TOKENS = 5
TIMES = 3


class LoopingWhisper(Whisper):
    """Repeats itself in windows shorter than `loops_below_s`, in texts that hold `loops_in`."""

    loops_below_s = 0.0
    loops_in = ""

    def generate(self, encoded: Encoded, *arguments: Any, **options: Any) -> list[Hypothesis]:
        guesses = super().generate(encoded, *arguments, **options)
        window_s = encoded.view.shape[1] * FRAMES_PER_POSITION / FRAMES_PER_S
        return [
            self._looped(guess) if window_s < self.loops_below_s and self.loops_in in guess.text else guess
            for guess in guesses
        ]

    def _looped(self, guess: Hypothesis) -> Hypothesis:
        tokens = guess.tokens + guess.tokens[-TAIL_TOKENS:] * TIMES
        return replace(guess, tokens=tokens, text=self.tokenizer("en", "transcribe").decode(list(tokens)).strip())
