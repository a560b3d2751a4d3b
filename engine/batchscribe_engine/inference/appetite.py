"""How much audio a batch may hold, learned from the device's memory running out: halved then, and grown back slowly.

What fits depends on the device, the model, the beam and on whatever else takes memory there, and no call of the
libraries tells it beforehand. So it is found as TCP finds the width of a line: additive increase, multiplicative
decrease (Chiu and Jain, 1989).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

SUCCESSES_TO_GROW = 32
"""A batch that doesn't fit costs about as much as one that does: at the edge that is one in thirty."""

STEPS = 16
"""How many times the limit grows on its way from nothing to the most."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The most segments and the most seconds of audio, padded to the longest segment, that go together."""

    max_segments: int
    max_padded_s: float


BATCH_SIZES = {"cpu": BatchSize(16, 160.0), "cuda": BatchSize(64, 16 * 30.0)}
"""By kind of device. The CPU gains nothing from more; on a GPU it is where learning starts: 16 windows of 30 s."""


class Appetite:
    """The limit for one model and beam on one device, in seconds of padded audio; safe for any number of threads.

    It never exceeds `most_s`. Only what comes near the limit counts as a success: small batches prove nothing.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._limit_s = most_s
        self._successes = 0
        self._lock = threading.Lock()

    @property
    def limit_s(self) -> float:
        """What may be tried now."""
        return self._limit_s

    def allows(self, padded_s: float) -> bool:
        """Whether so much may be tried."""
        return padded_s <= self._limit_s

    def refused(self, padded_s: float) -> None:
        """Memory ran out with so much. Batches that fail side by side at one size count once."""
        with self._lock:
            self._limit_s = min(self._limit_s, padded_s / 2)
            self._successes = 0

    def took(self, padded_s: float) -> None:
        """So much was decoded."""
        with self._lock:
            if self._limit_s == self._most_s or padded_s < self._limit_s / 2:
                return
            self._successes += 1
            if self._successes == SUCCESSES_TO_GROW:
                self._successes = 0
                self._limit_s = min(self._most_s, self._limit_s + self._most_s / STEPS)
