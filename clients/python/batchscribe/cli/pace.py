"""How fast the audio is done and how long the rest will take."""

from __future__ import annotations


class Pace:
    """Measures from the moment the work began, in the server's time: a late watcher, who is told the whole past at
    once, sees the same figures as one who was there.
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._done_before_s = 0.0
        self._progress_before = 0.0

    def begin(self, time_s: float, done_s: float = 0.0, progress: float = 0.0) -> None:
        """The work began, or began anew, at this Unix time. What was done before is no part of its speed."""
        self._began_s = time_s
        self._done_before_s = done_s
        self._progress_before = progress

    def speed(self, time_s: float, done_s: float) -> float | None:
        """Seconds of audio done in a second; None while that can't be told."""
        elapsed_s, done_s = self._elapsed_s(time_s), done_s - self._done_before_s
        return done_s / elapsed_s if elapsed_s > 0 and done_s > 0 else None

    def left_s(self, time_s: float, progress: float) -> float | None:
        """Seconds until all is done if it goes on like this, where `progress` (0 to 1) is done; None when unknown."""
        elapsed_s, done = self._elapsed_s(time_s), progress - self._progress_before
        if elapsed_s <= 0 or done <= 0:
            return None
        return elapsed_s * (1 - min(progress, 1.0)) / done

    def _elapsed_s(self, time_s: float) -> float:
        return 0.0 if self._began_s is None else time_s - self._began_s
