"""What the exit code of a command means."""

from __future__ import annotations

from enum import IntEnum

from batchscribe.errors import (
    AlreadyExistsError,
    BatchscribeError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PathNotAllowedError,
    UnavailableError,
    WaitTimeoutError,
)
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.state_pb2 import STATE_CANCELLED, STATE_EXPIRED, STATE_FAILED


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CANCELLED = 5
    TIMEOUT = 6
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 the job or some files of the batch failed, or the server refused; 2 wrong usage or an "
    "invalid argument; 3 the server can't be reached; 4 no such job, batch, upload, model or transcript; 5 cancelled; "
    "6 not done in time; 130 interrupted by Ctrl-C, what was submitted goes on."
)

# The first class that fits counts.
_CODES_BY_ERROR: tuple[tuple[type[Exception], ExitCode], ...] = (
    (WaitTimeoutError, ExitCode.TIMEOUT),
    (DeadlineExceededError, ExitCode.TIMEOUT),
    (UnavailableError, ExitCode.UNREACHABLE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (InvalidArgumentError, ExitCode.USAGE),
    (AlreadyExistsError, ExitCode.USAGE),
    (OutOfRangeError, ExitCode.USAGE),
    (PathNotAllowedError, ExitCode.USAGE),
    (BatchscribeError, ExitCode.FAILED),
    (OSError, ExitCode.USAGE),  # a local file that can't be read or written
    (ValueError, ExitCode.USAGE),  # a word that is no value
)


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code of a command that ended with an error."""
    return next((code for kind, code in _CODES_BY_ERROR if isinstance(error, kind)), ExitCode.FAILED)


def exit_code_of_ended(resource: Job | Batch) -> ExitCode:
    """The exit code for a job or a batch that has ended: a batch with a file that failed counts as failed."""
    if resource.state in (STATE_CANCELLED, STATE_EXPIRED):
        return ExitCode.CANCELLED
    if resource.state == STATE_FAILED:
        return ExitCode.FAILED
    if isinstance(resource, Batch) and resource.counts.failed:
        return ExitCode.FAILED
    return ExitCode.DONE
