"""What one job adds to its batch's counts."""

from __future__ import annotations

from dataclasses import fields

from batchscribe_server.domain.batch import Counts
from batchscribe_server.domain.job import Job, State

_NAMES = tuple(field.name for field in fields(Counts))
_NOTHING = Counts()


def tally(job: Job | None) -> Counts:
    """The counts of a batch of this job alone. Its audio counts once its duration is known.

    All of a finished job's audio is done, whether or not it failed, so that the progress of a batch reaches 1. Of a
    cancelled one it is what was transcribed.
    """
    if job is None:
        return _NOTHING
    state = job.state
    duration_ms = job.audio_duration_ms
    return Counts(
        total=1,
        queued=int(state is State.QUEUED),
        running=int(state is State.RUNNING),
        succeeded=int(state is State.SUCCEEDED),
        failed=int(state is State.FAILED),
        cancelled=int(state is State.CANCELLED),
        opened=int(duration_ms > 0),
        audio_total_ms=duration_ms,
        audio_done_ms=duration_ms if state in (State.SUCCEEDED, State.FAILED) else min(job.processed_ms, duration_ms),
    )


def shifted(counts: Counts, before: Job | None, after: Job | None) -> Counts:
    """The counts of a batch once one of its jobs became `after`; None stands for a job that is not there."""
    was, is_now = tally(before), tally(after)
    return Counts(**{name: getattr(counts, name) - getattr(was, name) + getattr(is_now, name) for name in _NAMES})
