"""What exit codes say."""

from __future__ import annotations

import pytest

import batchscribe
from batchscribe.cli.exit_codes import ExitCode, exit_code_of, exit_code_of_ended
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.state_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_SUCCEEDED, Counts


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (batchscribe.FieldNotSupportedError(""), ExitCode.USAGE),
        (batchscribe.UploadTooLargeError(""), ExitCode.USAGE),
        (batchscribe.PathNotAllowedError(""), ExitCode.USAGE),
        (batchscribe.HistoryPurgedError(""), ExitCode.USAGE),
        (FileNotFoundError(), ExitCode.USAGE),
        (ValueError(), ExitCode.USAGE),
        (batchscribe.ServerDrainingError(""), ExitCode.UNREACHABLE),
        (batchscribe.BatchNotFoundError(""), ExitCode.NOT_FOUND),
        (batchscribe.WaitTimeoutError("jobs/1", 5), ExitCode.TIMEOUT),
        (batchscribe.DeadlineExceededError(""), ExitCode.TIMEOUT),
        (batchscribe.TranscriptNotReadyError(""), ExitCode.FAILED),
        (batchscribe.InternalError(""), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_errors_have_codes(error: Exception, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_a_batch_with_a_failed_file_has_failed() -> None:
    assert exit_code_of_ended(Batch(state=STATE_SUCCEEDED, counts=Counts(succeeded=9))) is ExitCode.DONE
    assert exit_code_of_ended(Batch(state=STATE_SUCCEEDED, counts=Counts(failed=1))) is ExitCode.FAILED
    assert exit_code_of_ended(Batch(state=STATE_CANCELLED, counts=Counts(failed=1))) is ExitCode.CANCELLED


def test_a_job_ends_as_its_state_says() -> None:
    assert exit_code_of_ended(Job(state=STATE_SUCCEEDED)) is ExitCode.DONE
    assert exit_code_of_ended(Job(state=STATE_FAILED)) is ExitCode.FAILED
    assert exit_code_of_ended(Job(state=STATE_CANCELLED)) is ExitCode.CANCELLED


def test_the_numbers_are_those_of_the_help() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 130]
