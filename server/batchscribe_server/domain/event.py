"""What happens to a job or a batch, in the order in which it happened.

Each resource numbers its events from 1 without gaps. An event is written in the transaction that changes the state it
tells of, and is read from the store by every watcher, live, late or resumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.batch import Counts
from batchscribe_server.domain.job import Failure, State
from batchscribe_server.domain.transcript import Segment


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The resource entered `state`; `error` says why when it failed, `attempt` which run of a job this is."""

    state: State
    attempt: int = 0
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """So much of the job's audio is done. `audio_duration_ms` is 0 while it is not known."""

    processed_ms: int
    audio_duration_ms: int


@dataclass(frozen=True, slots=True)
class SegmentHeard:
    """A segment of the transcript is final."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class BatchProgressed:
    """The batch's counts changed."""

    counts: Counts


@dataclass(frozen=True, slots=True)
class BatchJobChanged:
    """A job of the batch entered `state`. `input_name` is the name of its file where that was uploaded."""

    job_id: str
    input_uri: str
    state: State
    error: Failure | None = None
    input_name: str = ""


EventDetail = StateChanged | JobProgressed | SegmentHeard | BatchProgressed | BatchJobChanged


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the resource named `resource` (`jobs/…` or `batches/…`)."""

    resource: str
    sequence: int
    time: datetime
    detail: EventDetail
