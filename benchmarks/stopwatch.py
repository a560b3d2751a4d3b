"""The part of a run that counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType


class Stopwatch:
    """A context manager around what is measured; `on_start` is called just before, `on_stop` just after. Used once."""

    def __init__(self, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        self._on_start = on_start
        self._on_stop = on_stop
        self._started_s = 0.0
        self.took_s = 0.0

    def __enter__(self) -> None:
        self._on_start()
        self._started_s = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.took_s = time.perf_counter() - self._started_s
        self._on_stop()
