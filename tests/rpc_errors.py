"""What a client reads from a gRPC error."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def detail_of(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    """The detail of that kind, which must be there."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            return message
    raise AssertionError(f"no {kind.__name__} in {status}")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The stable reason."""
    info = detail_of(error, error_details_pb2.ErrorInfo)
    assert info.domain == "batchscribe"
    reason: str = info.reason
    return reason


def bad_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that were named as bad."""
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    return [violation.field for violation in detail_of(error, error_details_pb2.BadRequest).field_violations]
