"""Ctrl-C while a job is watched, in a real process: on a terminal a question, elsewhere a way back."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchscribe.v1.event_pb2 import JobEvent
from batchscribe.v1.state_pb2 import STATE_CANCELLED
from tests.integration.client.scripted_service import Script, job_history

PATIENCE_S = 60.0
QUESTION = "[c]ancel it, [l]eave it running, or [k]eep watching?"


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("batchscribe"), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, text: str) -> None:
        """Read until the text appears, and forget what came before its end."""
        deadline_s = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            assert time.monotonic() < deadline_s, f"no {text!r} in {self.seen!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += os.read(self._ours, 4096).decode(errors="replace")
        self.seen = self.seen[self.seen.index(text) + len(text) :]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._ours)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    running = Terminal(*arguments)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def unfinished(script: Script) -> Iterator[Callable[[JobEvent], None]]:
    """A job that has said one segment and goes on; the fixture adds what happens to it next."""
    script.history = job_history()[:2]
    more = threading.Event()
    script.hold_open = lambda: more.wait(PATIENCE_S)

    def goes_on(event: JobEvent) -> None:
        script.history.append(event)
        more.set()

    yield goes_on
    more.set()


def cancelled(sequence: int) -> JobEvent:
    event = job_history(end=STATE_CANCELLED)[-1]
    event.sequence = sequence
    return event


def test_cancel_cancels_and_waits_for_the_end(
    address: str, script: Script, unfinished: Callable[[JobEvent], None]
) -> None:
    with terminal("job", "watch", "1", "--address", address) as command:
        command.wait_for("Let us begin.")
        command.interrupt()
        command.wait_for(QUESTION)
        unfinished(cancelled(3))
        command.type("c\n")
        command.wait_for("cancelled")
        assert command.process.wait(PATIENCE_S) == 5
    assert [request.name for request in script.heard["CancelJob"]] == ["jobs/1"]
    assert script.watched_after() == [None, 2]


def test_leave_says_how_to_come_back(address: str, script: Script, unfinished: object) -> None:
    with terminal("job", "watch", "1", "--address", address) as command:
        command.wait_for("Let us begin.")
        command.interrupt()
        command.wait_for(QUESTION)
        command.type("l\n")
        command.wait_for("batchscribe job watch jobs/1")
        assert command.process.wait(PATIENCE_S) == 130
    assert "CancelJob" not in script.heard


def test_a_second_ctrl_c_leaves_it_running(address: str, script: Script, unfinished: object) -> None:
    with terminal("job", "watch", "1", "--address", address) as command:
        command.wait_for("Let us begin.")
        command.interrupt()
        command.wait_for(QUESTION)
        command.interrupt()
        command.wait_for("batchscribe job watch jobs/1")
        assert command.process.wait(PATIENCE_S) == 130
    assert "CancelJob" not in script.heard


def test_keep_goes_on_where_it_was(address: str, script: Script, unfinished: Callable[[JobEvent], None]) -> None:
    with terminal("job", "watch", "1", "--address", address) as command:
        command.wait_for("Let us begin.")
        command.interrupt()
        command.wait_for(QUESTION)
        end = job_history()[-1]
        end.sequence = 3
        unfinished(end)
        command.type("k\n")
        assert command.process.wait(PATIENCE_S) == 0
    assert script.watched_after() == [None, 2]


def test_without_a_terminal_it_is_left_running(address: str, script: Script, unfinished: object) -> None:
    command = subprocess.Popen(
        [Path(sys.executable).with_name("batchscribe"), "job", "watch", "1", "--address", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert "Let us begin." in command.stdout.readline()
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 130
    assert "jobs/1 goes on; watch it again with: batchscribe job watch jobs/1" in errors
    assert "CancelJob" not in script.heard
