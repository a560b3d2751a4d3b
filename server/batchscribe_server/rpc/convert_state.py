"""States, failures and counts as messages."""

from __future__ import annotations

from batchscribe.v1 import state_pb2 as pb
from batchscribe_server.domain.batch import Counts
from batchscribe_server.domain.job import Failure, State, Waiting
from batchscribe_server.rpc.convert_time import duration

_STATE_MESSAGES = {
    State.INITIALIZING: pb.STATE_INITIALIZING,
    State.QUEUED: pb.STATE_QUEUED,
    State.RUNNING: pb.STATE_RUNNING,
    State.SUCCEEDED: pb.STATE_SUCCEEDED,
    State.FAILED: pb.STATE_FAILED,
    State.CANCELLED: pb.STATE_CANCELLED,
}


def state_message(state: State) -> pb.State.ValueType:
    """A state."""
    return _STATE_MESSAGES[state]


def failure_message(failure: Failure | None) -> pb.JobError | None:
    """Why something failed; None stays unset."""
    return pb.JobError(reason=failure.reason, message=failure.message) if failure else None


def warning_text(warning: str, state: State, waiting: Waiting | None) -> str:
    """What is to be known of a job or a batch, with what it waits for."""
    if waiting is None or state.terminal:
        return warning
    words = f"Waits since {waiting.since:%Y-%m-%d %H:%M:%S} UTC: {waiting.why.message} ({waiting.why.reason})"
    return f"{warning} {words}".strip()


def counts_message(counts: Counts) -> pb.Counts:
    """The files of a batch by state."""
    return pb.Counts(
        total=counts.total,
        queued=counts.queued,
        running=counts.running,
        succeeded=counts.succeeded,
        failed=counts.failed,
        cancelled=counts.cancelled,
        audio_total=duration(counts.audio_total_ms),
        audio_done=duration(counts.audio_done_ms),
    )
