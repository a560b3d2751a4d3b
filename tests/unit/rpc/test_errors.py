"""Errors as statuses."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2

from batchscribe_server.domain.errors import (
    DatabaseUnavailableError,
    DomainError,
    DrainingError,
    FieldViolation,
    InvalidArgumentError,
    JobFailure,
    JobNotFoundError,
    Reason,
    StoreAwayFailure,
    TranscriptNotReadyError,
    UploadNotStoredError,
    UploadSpaceError,
)
from batchscribe_server.rpc.errors import CODES, answer


def all_errors(error: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from all_errors(subclass)


ALL_ERRORS = sorted(set(all_errors()), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", ALL_ERRORS)
def test_every_error_of_the_domain_has_a_row_and_a_reason_of_its_own(error: type[DomainError]) -> None:
    assert error in CODES
    assert CODES[error] not in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    assert error.reason != DomainError.reason


def test_no_two_errors_share_a_reason() -> None:
    reasons = [error.reason for error in CODES]
    assert len(reasons) == len(set(reasons))


@pytest.mark.parametrize("error", [error for error in CODES if error is not InvalidArgumentError])
def test_each_answer_says_why_and_for_which_request(error: type[DomainError]) -> None:
    reply = answer(error("plain words", job="jobs/j"), "request-1")
    info, request = reply.details[:2]
    assert (reply.code, reply.message) == (CODES[error], "plain words")
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (error.reason, "batchscribe", {"job": "jobs/j"})
    assert isinstance(request, error_details_pb2.RequestInfo)
    assert request.request_id == "request-1"
    kinds = {type(detail) for detail in reply.details}
    assert (error_details_pb2.BadRequest in kinds) is (reply.code is grpc.StatusCode.INVALID_ARGUMENT)
    assert (error_details_pb2.PreconditionFailure in kinds) is (reply.code is grpc.StatusCode.FAILED_PRECONDITION)
    assert (error_details_pb2.RetryInfo in kinds) is (
        error in (DatabaseUnavailableError, DrainingError, UploadNotStoredError, UploadSpaceError)
    )


def test_the_status_holds_the_code_and_all_details() -> None:
    reply = answer(TranscriptNotReadyError("not yet", job="jobs/j"), "r")
    status = reply.status()
    assert (status.code, status.message) == (grpc.StatusCode.FAILED_PRECONDITION.value[0], "not yet")
    failure = error_details_pb2.PreconditionFailure()
    assert status.details[2].Unpack(failure)
    assert (failure.violations[0].type, failure.violations[0].subject) == ("TRANSCRIPT_NOT_READY", "jobs/j")


def test_violations_keep_their_own_reasons() -> None:
    violations = [FieldViolation("job.a", "is wrong"), FieldViolation("job.b", "is not", "FIELD_NOT_SUPPORTED")]
    reply = answer(InvalidArgumentError(violations), "r")
    request = reply.details[2]
    assert isinstance(request, error_details_pb2.BadRequest)
    assert [(v.field, v.reason) for v in request.field_violations] == [
        ("job.a", "INVALID_FIELD"),
        ("job.b", "FIELD_NOT_SUPPORTED"),
    ]


def test_an_answer_fits_into_trailers_however_wrong_the_request() -> None:
    violations = [FieldViolation(f"job.config.hotwords[{k}]", "é" * 2_000) for k in range(1_000)]
    reply = answer(InvalidArgumentError(violations), "r")
    assert len(reply.status().SerializeToString()) < 4_096
    assert reply.message.endswith("… and more")


def test_an_error_without_words_is_explained_by_its_class() -> None:
    assert answer(JobNotFoundError(""), "r").message == "No such job for this tenant."


def test_a_job_failure_keeps_its_reason() -> None:
    reply = answer(JobFailure(Reason.MODEL_UNAVAILABLE, "not there"), "r")
    assert reply.code is grpc.StatusCode.FAILED_PRECONDITION
    assert isinstance(reply.details[0], error_details_pb2.ErrorInfo)
    assert reply.details[0].reason == "MODEL_UNAVAILABLE"


def test_a_store_that_is_away_may_be_asked_again() -> None:
    reply = answer(StoreAwayFailure(Reason.FETCH_FAILED, "file:///mnt/a.wav: its file system does not answer"), "r")
    assert (reply.code, reply.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert reply.message == "file:///mnt/a.wav: its file system does not answer; try again later"


def test_anything_else_is_internal_and_keeps_its_words_to_itself() -> None:
    reply = answer(ValueError("password=hunter2"), "request-1")
    assert reply.code is grpc.StatusCode.INTERNAL
    assert "request-1" in reply.message
    assert "hunter2" not in str(reply)


def test_an_error_without_a_row_is_internal() -> None:
    assert answer(DomainError("words"), "r").code is grpc.StatusCode.INTERNAL
