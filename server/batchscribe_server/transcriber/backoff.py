"""How long to wait before a child that died or would not start is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from `first_s` up to `longest_s`."""

    first_s: float = 0.2
    longest_s: float = 10.0

    def delay_s(self, failures: int) -> float:
        """The delay after so many failures in a row, none before the first."""
        if failures <= 0:
            return 0.0
        # The exponent is capped: 2.0 ** 2000 is no float.
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
