"""A failed call as one of the exceptions: by its `google.rpc.ErrorInfo`, or by its status where a proxy answered."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from batchscribe.errors import (
    ERRORS_BY_REASON,
    ERRORS_BY_STATUS,
    BatchscribeError,
    FieldViolation,
    UnavailableError,
)
from batchscribe.times import seconds_of

_DETAILS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "x-request-id"

# How a connection that was cut off looks where no server lived to say so: a proxy's reset stream, or a server whose
# grace period ended.
_CUT_OFF_STATUSES = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN})
_CUT_OFF_WORDS = ("RST_STREAM", "Stream removed", "GOAWAY")


def error_from_rpc(error: grpc.aio.AioRpcError | grpc.Call) -> BatchscribeError:
    """The exception that a failed call means."""
    info = ErrorInfo()
    request_id = ""
    violations: tuple[FieldViolation, ...] = ()
    retry_delay_s: float | None = None
    for detail in _details_of(error):
        if isinstance(detail, ErrorInfo):
            info = detail
        elif isinstance(detail, RequestInfo):
            request_id = detail.request_id
        elif isinstance(detail, RetryInfo):
            retry_delay_s = seconds_of(detail.retry_delay)
        else:
            violations = tuple(
                FieldViolation(bad.field, bad.description, bad.reason) for bad in detail.field_violations
            )
    code = error.code()
    message = error.details() or code.name.lower().replace("_", " ")
    kind = ERRORS_BY_REASON.get(info.reason) or ERRORS_BY_STATUS.get(code, BatchscribeError)
    if not info.reason and code in _CUT_OFF_STATUSES and any(word in message for word in _CUT_OFF_WORDS):
        kind = UnavailableError
    return kind(
        message,
        code=code,
        reason=info.reason or code.name,
        request_id=request_id or info.metadata.get("request_id", "") or _metadata_of(error, _REQUEST_ID_KEY),
        field_violations=violations,
        metadata=info.metadata,
        retry_delay_s=retry_delay_s,
    )


def _details_of(error: grpc.aio.AioRpcError | grpc.Call) -> Iterator[ErrorInfo | RequestInfo | RetryInfo | BadRequest]:
    """The details we know of those that came with the status."""
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            packed_details = Status.FromString(value).details
        except DecodeError:  # a proxy's own bytes: the status alone has to do
            continue
        for packed in packed_details:
            for kind in (ErrorInfo, RequestInfo, RetryInfo, BadRequest):
                detail = kind()
                if packed.Unpack(detail):
                    yield detail


def _metadata_of(error: grpc.aio.AioRpcError | grpc.Call, wanted: str) -> str:
    for metadata in (error.trailing_metadata(), error.initial_metadata()):
        for key, value in metadata or ():
            if key == wanted and isinstance(value, str):
                return value
    return ""
