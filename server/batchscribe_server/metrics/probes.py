"""What is told to those who ask over HTTP whether the server lives, and whether it can serve."""

from __future__ import annotations

import time
from collections.abc import Callable

SILENT_S = 60.0
"""An event loop that has not beaten for so long hangs."""


class Probes:
    """Written on the event loop, read by the threads that answer: each value is replaced whole.

    A server that has not begun to beat yet is starting, which may take as long as a migration does: it lives.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beaten_s: float | None = None
        self._serving: Callable[[], bool] = lambda: False

    def follow(self, serving: Callable[[], bool]) -> None:
        """From now on readiness is what `serving` says, which any thread may ask."""
        self._serving = serving

    def beat(self) -> None:
        """The event loop runs."""
        self._beaten_s = self._clock()

    @property
    def live(self) -> bool:
        """False when the event loop hangs."""
        return self._beaten_s is None or self._clock() - self._beaten_s < SILENT_S

    @property
    def ready(self) -> bool:
        """True while the health service says SERVING."""
        return self.live and self._serving()
