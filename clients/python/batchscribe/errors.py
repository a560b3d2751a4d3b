"""What can go wrong, as exceptions: one for each stable reason of the service and for each gRPC status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from batchscribe.v1.job_pb2 import Job


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A bad field of a request, by its path in the message, and what is wrong with it."""

    field: str
    description: str
    reason: str = ""


class BatchscribeError(Exception):
    """A call failed. `reason` is stable and meant for programs, the message is plain words for people.

    `code` is None for errors that no call answered (a job that failed, a wait that took too long). `request_id` finds
    the call in the server's log; it is empty where the server was not reached. `retry_delay_s` is how long the server
    asked to wait before the next try.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        request_id: str = "",
        field_violations: tuple[FieldViolation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_delay_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.field_violations = field_violations
        self.metadata = dict(metadata or {})
        self.retry_delay_s = retry_delay_s


class InvalidArgumentError(BatchscribeError):
    """The request is wrong whatever the state of the service; `field_violations` names each bad field."""


class FieldNotSupportedError(InvalidArgumentError):
    """A field asks for what this server can't do."""


class UploadMismatchError(InvalidArgumentError):
    """The server received other bytes than were declared."""


class UploadTooLargeError(InvalidArgumentError):
    """The file is larger than the server takes."""


class NotFoundError(BatchscribeError):
    """There is no such resource."""


class JobNotFoundError(NotFoundError):
    """There is no such job."""


class BatchNotFoundError(NotFoundError):
    """There is no such batch."""


class MediaNotFoundError(NotFoundError):
    """There is no such upload, or it has expired."""


class ModelNotFoundError(NotFoundError):
    """The server knows no such model."""


class ReplicaNotFoundError(NotFoundError):
    """There is no such replica, or it has ended."""


class TranscriptNotFoundError(NotFoundError):
    """The job has no transcript of that format or channel."""


class AlreadyExistsError(BatchscribeError):
    """The id asked for is taken."""


class FailedPreconditionError(BatchscribeError):
    """The resource is not in a state that allows the call."""


class TranscriptNotReadyError(FailedPreconditionError):
    """The job has not succeeded, so there is no whole transcript."""


class NotTerminalError(FailedPreconditionError):
    """Only what has ended can be run again."""


class NothingToRetryError(FailedPreconditionError):
    """No file failed or was cancelled, so there is none to run again."""


class CredentialsDeletedError(FailedPreconditionError):
    """What would be run again, or the outputs to be deleted, need credentials that came with the job or the batch, and
    the server deleted them when it ended.
    """


class AbortedError(BatchscribeError):
    """Another change came first."""


class UploadStalledError(AbortedError):
    """Too little of an upload arrived for too long, and the server gave it up."""


class EtagMismatchError(AbortedError):
    """The resource changed since its etag was read."""


class OutOfRangeError(BatchscribeError):
    """The place asked for is not there."""


class HistoryPurgedError(OutOfRangeError):
    """Events after that sequence are no longer kept. Watch without `after_sequence` to begin at what is left."""


class SequenceAheadError(OutOfRangeError):
    """The resource has not come to that sequence; it may have been run again since."""


class PermissionDeniedError(BatchscribeError):
    """The server refuses this."""


class ModelNotAllowedError(PermissionDeniedError):
    """The server would have to fetch the model, and its operator has not allowed requests this one."""


class PathNotAllowedError(PermissionDeniedError):
    """The file lies outside the folders that the server's operator allowed (`--file-root`)."""


class UnauthenticatedError(BatchscribeError):
    """The server wants to know who calls."""


class ResourceExhaustedError(BatchscribeError):
    """A quota or a limit is used up."""


class UploadSpaceError(ResourceExhaustedError):
    """The server has no room for another upload now; it has when jobs end that use earlier ones."""


class DeadlineExceededError(BatchscribeError):
    """The server did not answer in time."""


class UnimplementedError(BatchscribeError):
    """The server does not know the call; it may be of another version."""


class InternalError(BatchscribeError):
    """A fault of the server; its log has it under `request_id`."""


class UnavailableError(BatchscribeError):
    """The server can't be reached, or the connection broke."""


class DatabaseUnavailableError(UnavailableError):
    """The server's database does not answer. A change that failed with it may have been done all the same."""


class ServerDrainingError(UnavailableError):
    """The server is shutting down; its successor or another replica answers."""


class UploadNotStoredError(UnavailableError):
    """The server can't write to where it keeps uploads now; nothing of this one is kept."""


class JobFailedError(BatchscribeError):
    """A job ended in FAILED. `reason` and `message` are its `error`; `job` is the whole job."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.error.message or "the job failed", reason=job.error.reason)
        self.job = job


class JobCancelledError(BatchscribeError):
    """A job was cancelled while its transcript was awaited."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.name} was cancelled", reason="CANCELLED")
        self.job = job


class WaitTimeoutError(BatchscribeError, TimeoutError):
    """What was waited for has not ended in time. It goes on: wait or watch again."""

    def __init__(self, name: str, timeout_s: float) -> None:
        super().__init__(f"{name} has not ended after {timeout_s:g} s; it goes on", reason="WAIT_TIMEOUT")
        self.name = name


ERRORS_BY_REASON: Mapping[str, type[BatchscribeError]] = {
    "INVALID_FIELD": InvalidArgumentError,
    "FIELD_NOT_SUPPORTED": FieldNotSupportedError,
    "UPLOAD_MISMATCH": UploadMismatchError,
    "MEDIA_TOO_LARGE": UploadTooLargeError,
    "UPLOAD_SPACE_EXHAUSTED": UploadSpaceError,
    "UPLOAD_STALLED": UploadStalledError,
    "UPLOAD_NOT_STORED": UploadNotStoredError,
    "JOB_NOT_FOUND": JobNotFoundError,
    "BATCH_NOT_FOUND": BatchNotFoundError,
    "MEDIA_NOT_FOUND": MediaNotFoundError,
    "MODEL_NOT_FOUND": ModelNotFoundError,
    "REPLICA_NOT_FOUND": ReplicaNotFoundError,
    "TRANSCRIPT_NOT_FOUND": TranscriptNotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "TRANSCRIPT_NOT_READY": TranscriptNotReadyError,
    "NOT_TERMINAL": NotTerminalError,
    "NOTHING_TO_RETRY": NothingToRetryError,
    "CREDENTIALS_DELETED": CredentialsDeletedError,
    "ETAG_MISMATCH": EtagMismatchError,
    "HISTORY_PURGED": HistoryPurgedError,
    "SEQUENCE_AHEAD": SequenceAheadError,
    "PATH_NOT_ALLOWED": PathNotAllowedError,
    "MODEL_NOT_ALLOWED": ModelNotAllowedError,
    "DATABASE_UNAVAILABLE": DatabaseUnavailableError,
    "SERVER_DRAINING": ServerDrainingError,
    "INTERNAL": InternalError,
}

ERRORS_BY_STATUS: Mapping[grpc.StatusCode, type[BatchscribeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRangeError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.DATA_LOSS: InternalError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
}
