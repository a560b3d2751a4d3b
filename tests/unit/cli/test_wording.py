"""How figures read."""

from __future__ import annotations

import pytest

from batchscribe.cli.pace import Pace
from batchscribe.cli.views import files_note, pace_note
from batchscribe.cli.wording import (
    aligned,
    clock,
    file_name,
    fitted,
    moment,
    named_input,
    size,
    span,
    span_seconds,
    speed,
)
from batchscribe.v1.event_pb2 import BatchJobChange
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.state_pb2 import Counts


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (723, "12:03"), (3723, "1:02:03"), (-1, "0:00")]
)
def test_lengths_are_clocks(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.00"), (1.2, "0:01.20"), (59.999, "1:00.00"), (3723.456, "1:02:03.46")]
)
def test_places_have_hundredths(seconds: float, text: str) -> None:
    assert moment(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (5 << 40, "5.5 TB"),
    ],
)
def test_sizes_have_the_unit_that_suits(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


def test_slow_speeds_have_a_digit_more() -> None:
    assert [speed(52.3), speed(9.94), speed(0.61)] == ["52x real time", "9.9x real time", "0.6x real time"]


def test_names_are_the_ends_of_uris() -> None:
    assert [file_name("file:///a/b.wav"), file_name("s3://b/c/"), file_name("b.wav"), file_name("")] == [
        "b.wav",
        "c",
        "b.wav",
        "",
    ]


def test_names_of_urls_are_without_their_queries() -> None:
    assert [file_name("https://h/a/b.wav?sig=/x#y"), file_name("HTTP://h/?a"), file_name("s3://b/c?d")] == [
        *("b.wav", "h", "c?d")
    ]


def test_columns_begin_below_each_other() -> None:
    assert aligned([("NAME", "STATE"), ("jobs/10", "DONE"), ("j", "")]) == ["NAME     STATE", "jobs/10  DONE", "j"]


def test_speed_and_rest_come_from_the_servers_times() -> None:
    pace = Pace()
    pace.begin(1000.0)
    assert pace.speed(1010.0, 500.0) == pytest.approx(50.0)
    assert pace.left_s(1010.0, 0.25) == pytest.approx(30.0)


def test_a_new_attempt_is_measured_anew() -> None:
    pace = Pace()
    pace.begin(1000.0)
    pace.begin(2000.0)
    assert pace.speed(2001.0, 10.0) == pytest.approx(10.0)


def test_what_can_not_be_told_is_not_told() -> None:
    pace = Pace()
    assert pace_note(pace, 1000.0, 10.0, 0.5) == ""
    pace.begin(1000.0)
    assert pace_note(pace, 1000.0, 10.0, 0.5) == ""
    assert pace_note(pace, 1010.0, 0.0, 0.0) == ""
    assert pace_note(pace, 1010.0, 100.0, 0.5) == "  10x real time  0:10 left"
    assert pace_note(pace, 1010.0, 100.0, 1.0) == "  10x real time"


def test_counts_name_what_is_not_zero() -> None:
    assert files_note(Counts(total=40, succeeded=12, failed=1, running=4)) == "12/40 files, 1 failed, 4 running"
    assert files_note(Counts()) == "0/0 files"


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604_800), ("36h", 129_600), ("90m", 5_400), ("45s", 45)])
def test_spans_of_time_are_read_and_written_alike(text: str, seconds: float) -> None:
    assert span_seconds(text) == seconds
    assert span(seconds) == text


@pytest.mark.parametrize("text", ["7", "d", "", "7 d", "-7d", "1.5h", "7w"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="7d"):
        span_seconds(text)


def test_an_upload_is_named_by_its_file_and_others_by_their_uris() -> None:
    assert named_input(Job(input_uri="media/01a2", file_name="call.wav")) == "call.wav"
    assert named_input(Job(input_uri="media/01a2")) == "media/01a2"  # of an older server
    assert named_input(BatchJobChange(input_uri="s3://calls/a.wav", file_name="a.wav")) == "s3://calls/a.wav"


def test_a_table_that_is_too_wide_goes_on_in_second_lines() -> None:
    rows = [("NAME", "STATE", "INPUT"), ("jobs/1", "FAILED", "s3://b/a.wav"), ("jobs/22", "DONE", "")]
    assert fitted(rows, 80) == aligned(rows)
    assert fitted(rows, 27) == [
        "NAME     STATE\n    INPUT",
        "jobs/1   FAILED\n    s3://b/a.wav",
        "jobs/22  DONE",
    ]
    assert fitted(rows, 3)[1] == "jobs/1\n    FAILED  s3://b/a.wav"
