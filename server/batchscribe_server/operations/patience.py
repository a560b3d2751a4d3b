"""How long files wait for a store that does not answer, and what is said of it once that is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.errors import StoreAwayFailure
from batchscribe_server.domain.job import Failure, Job, Transcribed, Waiting

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Patience:
    """A store may be away for `max_away_s`, 0 for not at all: then its files fail."""

    max_away_s: float = 0.0
    first_pause_s: float = FIRST_PAUSE_S

    def pause(
        self,
        away: StoreAwayFailure,
        before: Waiting | None,
        now: datetime,
        transcribed: Transcribed | None = None,
        failure: Failure | None = None,
    ) -> tuple[Waiting, float] | None:
        """The wait that goes on from `before`, with the seconds until the next try; None once it is over.

        A file that waits for its output's store has not waited for it before it was transcribed.
        """
        if before is not None and (before.transcribed is None, before.failure is None) != (
            transcribed is None,
            failure is None,
        ):
            before = None
        since = before.since if before else now
        tries = before.tries + 1 if before else 1
        left_s = self.max_away_s - (now - since).total_seconds()
        if left_s <= 0:
            return None
        pause_s = min(self.first_pause_s * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_S)
        why = Failure(away.reason, away.message)
        return Waiting(why, since, tries, transcribed, failure), min(max(pause_s, away.after_s), left_s)

    def given_up(self, away: StoreAwayFailure) -> Failure:
        """How a file fails whose store was away for too long."""
        if not self.max_away_s:
            return Failure(away.reason, away.message)
        limit = f"the longest that this server waits for a store (storage.max_away_s: {self.max_away_s:g} s)"
        return Failure(away.reason, f"{away.message}. It stayed away for {limit}; retry the job once it is back.")


class PutOff(Exception):  # noqa: N818 - not an error but the end of one run
    """The run can't go on while a store is away."""

    def __init__(self, waiting: Waiting, pause_s: float) -> None:
        super().__init__(waiting.why.message)
        self.waiting = waiting
        self.pause_s = pause_s


class SoFar:
    """What a run, with those before it, came to: its failure, or the length of its audio once that is transcribed, and
    what is to be told of the file however it ends.
    """

    def __init__(self, job: Job, patience: Patience, now: Callable[[], datetime]) -> None:
        before = job.waiting
        done = before.transcribed if before is not None else None
        self.was_transcribed = done is not None
        self.duration_ms = None if done is None else done.duration_ms
        self.failure = before.failure if before is not None else None
        self.warnings = [] if done is None else list(done.warnings)
        self._before = before
        self._patience = patience
        self._now = now
        self._has_waited = False

    @property
    def warning(self) -> str:
        """All that is to be told; each thing once, also where an earlier run has said it."""
        return " ".join(dict.fromkeys(self.warnings))

    def wait_for(self, away: StoreAwayFailure) -> None:
        """Raises PutOff, unless the file has waited for long enough: then it does not wait for anything else."""
        done = None if self.duration_ms is None else Transcribed(self.duration_ms, tuple(self.warnings))
        pause = self._patience.pause(away, self._before, self._now(), done, self.failure)
        if pause is not None and not self._has_waited:
            raise PutOff(*pause) from None
        self._has_waited = True

    def given_up(self, away: StoreAwayFailure) -> Failure:
        """How the file fails then."""
        return self._patience.given_up(away)
