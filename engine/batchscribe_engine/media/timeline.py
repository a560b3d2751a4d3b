"""Where decoded sound belongs in the file: gaps between time stamps become silence, within bounds."""

from __future__ import annotations

JITTER_S = 0.1
"""Time stamps are rounded and jitter; a shorter gap is none."""

LATE_START_S = 0.02
"""Sound that starts later than this after the start of the file is preceded by silence."""

LONGEST_GAP_S = 3600.0
"""A longer jump is a broken clock, or a lie, and not somebody who was silent for so long."""

ALL_GAPS_S = 6 * 3600.0
"""How much silence one file may get by its time stamps, so that a few bytes can't make days of work."""

CLOCK_RESET_S = 10.0
"""A jump back by more than this is a new clock, as in recordings put together from several."""


class Timeline:
    """Follows the time stamps of one stream of sound and says how much silence is missing.

    Segment times stay right for a stream whose sound starts late (video first), or was lost or left out (network
    loss, discontinuous transmission, a muted participant). Sound is never dropped: where time stamps overlap, it runs
    ahead of them until a gap lets them catch up. After a jump that is not believed, time goes on where it was.
    """

    def __init__(self, origin_s: float | None) -> None:
        """`origin_s` is the time stamp of the file's start; None means that of the first sound."""
        self._origin_s = origin_s
        self._inserted_s = 0.0
        self._started = False

    def silence_before(self, timestamp_s: float | None, position_s: float) -> float:
        """The seconds of silence that belong before sound stamped `timestamp_s`.

        `position_s` is how much of the file there is so far, with the silence inserted before.
        """
        if timestamp_s is None:
            return 0.0
        if self._origin_s is None:
            self._origin_s = timestamp_s - position_s
        missing_s = timestamp_s - self._origin_s - position_s
        tolerance_s = JITTER_S if self._started else LATE_START_S
        self._started = True
        if -CLOCK_RESET_S <= missing_s <= tolerance_s:
            return 0.0
        if 0 < missing_s <= LONGEST_GAP_S and self._inserted_s + missing_s <= ALL_GAPS_S:
            self._inserted_s += missing_s
            return missing_s
        self._origin_s = timestamp_s - position_s
        return 0.0


def clock(seconds: float) -> str:
    """A time as people read it: 0:03:12."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"
