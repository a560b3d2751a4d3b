"""Ctrl-C while something is watched: a question, not an end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from batchscribe.cli.printing import note, visible
from batchscribe.cli.screen import Screen


class Interrupted(Exception):  # noqa: N818 - a person's wish, not an error
    """Ctrl-C was pressed."""


class LeftRunning(Exception):  # noqa: N818 - neither is this
    """What was being watched goes on without us. The argument is its name."""


class Choice(StrEnum):
    """What to do with what is being watched."""

    CANCEL = "c"
    LEAVE = "l"
    KEEP = "k"


@asynccontextmanager
async def interruptible() -> AsyncIterator[None]:
    """Ctrl-C cancels what runs inside and raises Interrupted here. For the main thread."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    scope = asyncio.timeout(None)

    def interrupt() -> None:
        if not scope.expired():
            scope.reschedule(loop.time())

    try:
        # A timeout that never comes is a scope that can be ended from outside, without touching its task's own
        # cancellation.
        async with scope:
            loop.add_signal_handler(signal.SIGINT, interrupt)
            try:
                yield
            finally:
                loop.remove_signal_handler(signal.SIGINT)
                signal.signal(signal.SIGINT, before)
    except TimeoutError:
        if scope.expired():
            raise Interrupted from None
        raise


async def ask(screen: Screen, name: str) -> Choice:
    """What to do with a job or batch after Ctrl-C. Without a terminal, or after another Ctrl-C: leave it running."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Choice.LEAVE
    question = (
        f"\n{visible(name)} is running (Ctrl-C again leaves it):\n[c]ancel it, [l]eave it running, or [k]eep watching? "
    )
    with screen.paused():
        try:
            async with interruptible():
                while True:
                    note(question, end="")
                    answer = await _read_line()
                    if not answer:
                        return Choice.LEAVE
                    choice = answer.strip().lower()[:1]
                    if choice in set(Choice):
                        return Choice(choice)
        except Interrupted:
            note("")
            return Choice.LEAVE


async def _read_line() -> str:
    """A line of the terminal, empty at its end. A thread that reads could not be left, so the loop reads."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, read)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin)
