"""Progress without a terminal does not flood a log."""

from __future__ import annotations

import pytest

from batchscribe.cli.screen import PlainScreen, SilentScreen


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_progress_is_told_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen(Clock())
    for thousandth in range(1001):
        screen.progress("call.wav", thousandth / 1000, "")
    assert len(capsys.readouterr().err.splitlines()) == 10


def test_slow_progress_is_told_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    screen = PlainScreen(clock)
    for second in range(91):
        clock.now_s = 100.0 + second
        screen.progress("call.wav", second / 10_000, "0:01 / 9:00:00")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "call.wav: 0%  0:01 / 9:00:00",
        "call.wav: 1%  0:01 / 9:00:00",
        "call.wav: 1%  0:01 / 9:00:00",
    ]


def test_no_progress_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    screen = PlainScreen(clock)
    screen.progress("call.wav", 0.0, "")
    clock.now_s += 1000
    screen.progress("call.wav", 0.0, "")
    assert capsys.readouterr().err == ""


def test_lines_go_where_they_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    screen = SilentScreen()
    screen.line("for people")
    screen.line("the result", to_stdout=True)
    screen.progress("call.wav", 0.5, "")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("the result\n", "for people\n")
