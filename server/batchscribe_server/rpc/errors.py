"""Errors as the client sees them: one table from the domain's errors to gRPC codes, and the details of each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2

from batchscribe_server.domain.errors import (
    AlreadyExistsError,
    BatchNotFoundError,
    CredentialsDeletedError,
    DatabaseUnavailableError,
    DomainError,
    DrainingError,
    EtagMismatchError,
    FieldViolation,
    HistoryPurgedError,
    InvalidArgumentError,
    JobFailure,
    JobNotFoundError,
    MediaNotFoundError,
    ModelNotAllowedError,
    ModelNotFoundError,
    NothingToRetryError,
    NotTerminalError,
    PathNotAllowedError,
    ReplicaNotFoundError,
    SequenceAheadError,
    StoreAwayFailure,
    TranscriptNotFoundError,
    TranscriptNotReadyError,
    UploadMismatchError,
    UploadNotStoredError,
    UploadSpaceError,
    UploadStalledError,
    UploadTooLargeError,
)

ERROR_DOMAIN = "batchscribe"

CODES: dict[type[DomainError], grpc.StatusCode] = {
    InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    JobNotFoundError: grpc.StatusCode.NOT_FOUND,
    BatchNotFoundError: grpc.StatusCode.NOT_FOUND,
    MediaNotFoundError: grpc.StatusCode.NOT_FOUND,
    ModelNotFoundError: grpc.StatusCode.NOT_FOUND,
    ReplicaNotFoundError: grpc.StatusCode.NOT_FOUND,
    TranscriptNotFoundError: grpc.StatusCode.NOT_FOUND,
    AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    TranscriptNotReadyError: grpc.StatusCode.FAILED_PRECONDITION,
    NotTerminalError: grpc.StatusCode.FAILED_PRECONDITION,
    NothingToRetryError: grpc.StatusCode.FAILED_PRECONDITION,
    CredentialsDeletedError: grpc.StatusCode.FAILED_PRECONDITION,
    EtagMismatchError: grpc.StatusCode.ABORTED,
    HistoryPurgedError: grpc.StatusCode.OUT_OF_RANGE,
    SequenceAheadError: grpc.StatusCode.OUT_OF_RANGE,
    UploadTooLargeError: grpc.StatusCode.INVALID_ARGUMENT,
    UploadMismatchError: grpc.StatusCode.INVALID_ARGUMENT,
    UploadSpaceError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UploadStalledError: grpc.StatusCode.ABORTED,
    UploadNotStoredError: grpc.StatusCode.UNAVAILABLE,
    PathNotAllowedError: grpc.StatusCode.PERMISSION_DENIED,
    ModelNotAllowedError: grpc.StatusCode.PERMISSION_DENIED,
    DrainingError: grpc.StatusCode.UNAVAILABLE,
    DatabaseUnavailableError: grpc.StatusCode.UNAVAILABLE,
}
"""Every DomainError has its row."""

_FIELDS: dict[type[DomainError], str] = {
    UploadTooLargeError: "header.size_bytes",
    UploadMismatchError: "header",
}
"""The field to blame, for errors that answer INVALID_ARGUMENT and name none themselves."""

_RETRY_AFTER_S: dict[type[DomainError], int] = {
    DrainingError: 1,
    DatabaseUnavailableError: 1,
    UploadSpaceError: 30,
    UploadNotStoredError: 10,
}

# A status travels in trailers, whose size peers limit, many of them to 8 KiB in all: it must fit with room to spare.
_MAX_MESSAGE_BYTES = 1_024
_MAX_VIOLATIONS_BYTES = 2_048
_MAX_DESCRIPTION_CHARS = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """An error as it is sent: the code, a message in plain words, and the reason and the details for programs."""

    code: grpc.StatusCode
    message: str
    reason: str
    details: tuple[Message, ...]

    def status(self) -> status_pb2.Status:
        """The google.rpc.Status."""
        packed = []
        for detail in self.details:
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        number: int = self.code.value[0]
        return status_pb2.Status(code=number, message=self.message, details=packed)


def answer(error: Exception, request_id: str) -> Answer:
    """What a client is told of an error. Of an exception that is no DomainError it learns the request's id alone."""
    match error:
        case DomainError():
            code, reason, metadata = _code(error), error.reason, error.metadata
            message = error.message or (type(error).__doc__ or "").strip()
        case StoreAwayFailure():
            code, reason, metadata = grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", {}
            message = f"{error.message}; try again later"
        case JobFailure():
            code, reason, metadata, message = grpc.StatusCode.FAILED_PRECONDITION, error.reason.value, {}, error.message
        case _:
            code, reason, metadata = grpc.StatusCode.INTERNAL, "INTERNAL", {}
            message = f"an error of the service; its log tells more of the request {request_id}"
    details: list[Message] = [
        details_pb.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=metadata),
        details_pb.RequestInfo(request_id=request_id),
        *_particulars(error, message),
    ]
    return Answer(code, _cut(message), reason, tuple(details))


def _code(error: DomainError) -> grpc.StatusCode:
    # An error of a class that someone forgot to give a row is one of the service.
    return CODES.get(type(error), grpc.StatusCode.INTERNAL)


def _particulars(error: Exception, message: str) -> list[Message]:
    particulars: list[Message] = []
    match error:
        case InvalidArgumentError():
            particulars.append(_bad_request(error.violations))
        case DomainError() if field := _FIELDS.get(type(error)):
            particulars.append(_bad_request([FieldViolation(field, message, error.reason)]))
        case DomainError() if _code(error) is grpc.StatusCode.FAILED_PRECONDITION:
            subject = next(iter(error.metadata.values()), "")
            violation = details_pb.PreconditionFailure.Violation(
                type=error.reason, subject=subject, description=message[:_MAX_DESCRIPTION_CHARS]
            )
            particulars.append(details_pb.PreconditionFailure(violations=[violation]))
        case UploadSpaceError():
            quota = details_pb.QuotaFailure.Violation(subject="uploads", description=message[:_MAX_DESCRIPTION_CHARS])
            particulars.append(details_pb.QuotaFailure(violations=[quota]))
        case _:
            pass
    if isinstance(error, DomainError) and (retry_s := _RETRY_AFTER_S.get(type(error))):
        particulars.append(details_pb.RetryInfo(retry_delay=Duration(seconds=retry_s)))
    return particulars


def _bad_request(violations: list[FieldViolation]) -> Any:
    """As many violations as there is room for; the message says when there were more."""
    request = details_pb.BadRequest()
    for violation in violations:
        message = details_pb.BadRequest.FieldViolation(
            field=violation.field[:_MAX_DESCRIPTION_CHARS],
            description=violation.description[:_MAX_DESCRIPTION_CHARS],
            reason=violation.reason,
        )
        if request.ByteSize() + message.ByteSize() > _MAX_VIOLATIONS_BYTES:
            break
        request.field_violations.append(message)
    return request


def _cut(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return message
    return encoded[:_MAX_MESSAGE_BYTES].decode(errors="ignore") + "… and more"
