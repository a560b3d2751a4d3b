"""One guess at what was said in a segment, with the figures that tell how good a guess it is."""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """`tokens` are those of the text alone, without timestamps and markers."""

    tokens: tuple[int, ...]
    text: str
    avg_log_prob: float
    no_speech_prob: float
    temperature: float

    @property
    def compression_ratio(self) -> float:
        """How many times smaller zlib makes the text: above 2.4 it says the same over and over; 0 without text."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw)) if raw else 0.0
