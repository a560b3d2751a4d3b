"""The errors of the service, each with a stable reason.

`DomainError`s answer a request; one table in `rpc` maps each class to its gRPC status. A `JobFailure` is not an answer
but the end of one file: it becomes `Job.error` and the `.notice` file, and reaches no other job.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a file failed: the stable reasons of `Job.error` and of `.notice` files.

    ANALYSIS_FAILED fails no file: it is told by a notice beside a good transcript.
    """

    MEDIA_TOO_SMALL = "MEDIA_TOO_SMALL"
    MEDIA_TOO_LARGE = "MEDIA_TOO_LARGE"
    MEDIA_TOO_LONG = "MEDIA_TOO_LONG"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    DECODE_FAILED = "DECODE_FAILED"
    NO_AUDIO = "NO_AUDIO"
    FETCH_FAILED = "FETCH_FAILED"
    INPUT_CHANGED = "INPUT_CHANGED"
    LANGUAGE_UNSURE = "LANGUAGE_UNSURE"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    INFERENCE_TIMEOUT = "INFERENCE_TIMEOUT"
    INFERENCE_FAILED = "INFERENCE_FAILED"
    INFERENCE_OUT_OF_MEMORY = "INFERENCE_OUT_OF_MEMORY"
    ENGINE_CRASHED = "ENGINE_CRASHED"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    ANALYSIS_FAILED = "ANALYSIS_FAILED"
    OUTPUT_FAILED = "OUTPUT_FAILED"
    OUTPUT_EXISTS = "OUTPUT_EXISTS"
    OUTPUT_CONFLICT = "OUTPUT_CONFLICT"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    SCAN_FAILED = "SCAN_FAILED"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    BUCKET_READ_DENIED = "BUCKET_READ_DENIED"
    BUCKET_WRITE_DENIED = "BUCKET_WRITE_DENIED"
    CREDENTIALS_UNAVAILABLE = "CREDENTIALS_UNAVAILABLE"
    INTERNAL = "INTERNAL"


class JobFailure(Exception):  # noqa: N818 - not an error of the program but the end of one file
    """One file, or one batch as a whole, cannot be done: a stable reason and plain words that say what to do."""

    def __init__(self, reason: Reason | str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = Reason(reason)
        self.message = message


class StoreAwayFailure(JobFailure):
    """A store does not answer, or asks to be left alone for `after_s`: no fault of the file, which may wait for it.

    Where nobody waits it is the end of the file, as any other.
    """

    def __init__(self, reason: Reason, message: str, after_s: float = 0.0) -> None:
        super().__init__(reason, message)
        self.after_s = after_s


class DomainError(Exception):
    """A request that cannot be served. `reason` is stable, `metadata` says of what; the message is plain words."""

    reason = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request, by its path in the message, and what is wrong with it."""

    field: str
    description: str
    reason: str = "INVALID_FIELD"


class Violations:
    """Collects violations, so that one answer names every bad field."""

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def add(self, path: str, description: str, reason: str = "INVALID_FIELD") -> None:
        """Note one bad field."""
        self.found.append(FieldViolation(path, description, reason))

    def raise_if_any(self) -> None:
        """Raise InvalidArgumentError naming all that was found."""
        if self.found:
            raise InvalidArgumentError(self.found)


class InvalidArgumentError(DomainError):
    """The request is wrong whatever the state of the service; every bad field is named, with a reason of its own.

    The reason of the whole is theirs where all have the same, and INVALID_FIELD where they differ: a client that knows
    how to do without a field that is not supported still has a request to mend.
    """

    reason = "INVALID_FIELD"

    def __init__(self, violations: list[FieldViolation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations
        reasons = {violation.reason for violation in violations}
        self.reason = reasons.pop() if len(reasons) == 1 else "INVALID_FIELD"


class JobNotFoundError(DomainError):
    """No such job for this tenant."""

    reason = "JOB_NOT_FOUND"


class BatchNotFoundError(DomainError):
    """No such batch for this tenant."""

    reason = "BATCH_NOT_FOUND"


class MediaNotFoundError(DomainError):
    """No such upload for this tenant."""

    reason = "MEDIA_NOT_FOUND"


class ModelNotFoundError(DomainError):
    """No model of that name is configured or installed."""

    reason = "MODEL_NOT_FOUND"


class ModelNotAllowedError(ModelNotFoundError):
    """The model would have to be fetched, and requests may not have this one fetched."""

    reason = "MODEL_NOT_ALLOWED"


class ReplicaNotFoundError(DomainError):
    """No such replica, or it has ended."""

    reason = "REPLICA_NOT_FOUND"


class TranscriptNotFoundError(DomainError):
    """The job has no transcript of that format or channel."""

    reason = "TRANSCRIPT_NOT_FOUND"


class AlreadyExistsError(DomainError):
    """The id asked for is taken."""

    reason = "ALREADY_EXISTS"


class TranscriptNotReadyError(DomainError):
    """The job has not succeeded yet, so there is no whole transcript to give."""

    reason = "TRANSCRIPT_NOT_READY"


class NotTerminalError(DomainError):
    """Only a finished resource can be retried."""

    reason = "NOT_TERMINAL"


class NothingToRetryError(DomainError):
    """There is no failed or cancelled file to run again."""

    reason = "NOTHING_TO_RETRY"


class CredentialsDeletedError(DomainError):
    """What would be run again, or the outputs to be deleted, need credentials that came with the request, and these
    were deleted when it ended.
    """

    reason = "CREDENTIALS_DELETED"


class EtagMismatchError(DomainError):
    """The resource changed since its etag was read."""

    reason = "ETAG_MISMATCH"


class HistoryPurgedError(DomainError):
    """The events after that sequence are no longer kept; watch without after_sequence to begin at what is left."""

    reason = "HISTORY_PURGED"


class SequenceAheadError(DomainError):
    """The sequence asked for lies in the future of this resource."""

    reason = "SEQUENCE_AHEAD"


class UploadTooLargeError(DomainError):
    """The upload exceeds the server's size limit."""

    reason = "MEDIA_TOO_LARGE"


class UploadSpaceError(DomainError):
    """No room for another upload now: the space for uploads is taken until jobs that use them end."""

    reason = "UPLOAD_SPACE_EXHAUSTED"


class UploadMismatchError(DomainError):
    """The bytes received do not have the size or digest that was declared."""

    reason = "UPLOAD_MISMATCH"


class UploadStalledError(DomainError):
    """Nothing came of an upload for too long; nothing of it is kept."""

    reason = "UPLOAD_STALLED"


class UploadNotStoredError(DomainError):
    """Where uploads are kept can't be written to now; nothing of this one is kept. Try again later."""

    reason = "UPLOAD_NOT_STORED"


class PathNotAllowedError(DomainError):
    """A file URI outside the roots the operator allowed."""

    reason = "PATH_NOT_ALLOWED"


class DrainingError(DomainError):
    """The server is shutting down; try again, another replica or its successor answers."""

    reason = "SERVER_DRAINING"


class DatabaseUnavailableError(DomainError):
    """The database does not answer; try again. Where it was lost in the middle of a change, that may have been done."""

    reason = "DATABASE_UNAVAILABLE"


class LeaseLostError(Exception):
    """The job is no longer this owner's: another took it over, or it was deleted. Stop, and write nothing more."""
