"""One guess at what was said in a segment, with the figures that tell how good a guess it is."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchscribe_engine.messages import Word


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


@dataclass(frozen=True, slots=True)
class TimedHypothesis:
    """A guess at what was said in a window of a recording; `tokens` hold its timestamps as well."""

    tokens: tuple[int, ...]
    avg_log_prob: float
    no_speech_prob: float
    temperature: float
    compression_ratio: float


@dataclass(frozen=True, slots=True)
class TimedTokens:
    """What lies between two of a window's timestamps, in seconds from the beginning of the recording."""

    tokens: tuple[int, ...]
    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]
