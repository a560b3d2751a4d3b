"""The client's errors against the server's."""

from __future__ import annotations

import inspect

import grpc
import pytest

import batchscribe
from batchscribe.errors import ERRORS_BY_REASON, ERRORS_BY_STATUS, BatchscribeError, UnavailableError
from batchscribe.failed_call import error_from_rpc
from batchscribe_server.domain import errors as server_errors
from batchscribe_server.domain.errors import DomainError
from batchscribe_server.rpc.errors import CODES

SERVER_ERRORS = [
    kind
    for _, kind in inspect.getmembers(server_errors, inspect.isclass)
    if issubclass(kind, DomainError) and kind is not DomainError
]


@pytest.mark.parametrize("kind", SERVER_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_server_has_an_exception_that_fits_its_status(kind: type[DomainError]) -> None:
    exception = ERRORS_BY_REASON[kind.reason]
    assert issubclass(exception, ERRORS_BY_STATUS[CODES[kind]])


def test_no_reason_is_known_that_the_server_does_not_give() -> None:
    given = {kind.reason for kind in SERVER_ERRORS} | {"INTERNAL", "FIELD_NOT_SUPPORTED"}
    assert set(ERRORS_BY_REASON) == given


def test_every_exception_can_be_caught_by_its_public_name() -> None:
    for kind in {*ERRORS_BY_REASON.values(), *ERRORS_BY_STATUS.values()}:
        assert getattr(batchscribe, kind.__name__) is kind


def rpc_error(code: grpc.StatusCode, details: str, *trailing: tuple[str, bytes]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details=details)


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        (grpc.StatusCode.UNKNOWN, "Stream removed"),
        (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
    ],
)
def test_a_cut_connection_is_unavailable_however_it_shows(code: grpc.StatusCode, details: str) -> None:
    assert type(error_from_rpc(rpc_error(code, details))) is UnavailableError


def test_a_fault_of_the_server_is_not_a_cut_connection() -> None:
    assert not isinstance(error_from_rpc(rpc_error(grpc.StatusCode.INTERNAL, "boom")), UnavailableError)


def test_details_that_are_none_do_no_harm() -> None:
    error = error_from_rpc(rpc_error(grpc.StatusCode.NOT_FOUND, "gone", ("grpc-status-details-bin", b"\xff\xff")))
    assert (error.reason, error.message) == ("NOT_FOUND", "gone")


def test_a_status_that_has_no_exception_of_its_own_is_still_one() -> None:
    assert type(error_from_rpc(rpc_error(grpc.StatusCode.CANCELLED, ""))) is BatchscribeError
