"""Whether the database answers, and how long who asks waits for it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import structlog

log = structlog.get_logger()

PATIENCE_S = 20.0
"""How long a restart of the database may take without anybody being told: less than the usual deadline of a call."""

SHORT_S = 5.0
"""How long the database may be away before the service is not to be sent any more work."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class Availability:
    """What all who use one database have seen of it last."""

    def __init__(self) -> None:
        self._away_since_s: float | None = None

    def lost(self, why: str) -> None:
        """It did not answer, as `why` tells."""
        if self._away_since_s is None:
            self._away_since_s = time.monotonic()
            log.warning("database_lost", why=why)

    def found(self) -> None:
        """It answered."""
        if self._away_since_s is not None:
            log.info("database_found", away_s=round(self.away_s, 3))
            self._away_since_s = None

    @property
    def away_s(self) -> float:
        """For how long it has not answered."""
        return 0.0 if self._away_since_s is None else time.monotonic() - self._away_since_s

    @property
    def serving(self) -> bool:
        """Whether it makes sense to send work here."""
        return self.away_s < SHORT_S


def pauses() -> Iterator[float]:
    """Growing pauses between attempts, in seconds; no two callers come back in the same moment."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
