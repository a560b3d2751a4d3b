"""What a watching command shows on standard error: lines, and below them one bar where there is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from batchscribe.cli import printing

_PLAIN_STEP = 0.1
_PLAIN_PAUSE_S = 30.0


class Screen(Protocol):
    """Lines that stay, and one progress that changes. Used as a context: the progress ends with it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def line(self, text: str, *, to_stdout: bool = False, is_prose: bool = False) -> None:
        """Print a line on standard error, or on standard output; prose is broken between words where it is long."""
        ...

    def progress(self, label: str, fraction: float, note: str) -> None:
        """Show how far something is, 0 to 1, and a note on it."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """The terminal is somebody else's for a while."""
        ...


class LiveScreen:
    """A bar that moves, on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
            # Standard output is ours to route: it may be a pipe while the bar is on the terminal.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def line(self, text: str, *, to_stdout: bool = False, is_prose: bool = False) -> None:
        if to_stdout and not sys.stdout.isatty():
            printing.result_line(printing.visible(text))
        else:
            self._console.print(Text(printing.visible(text)), soft_wrap=not is_prose)

    def progress(self, label: str, fraction: float, note: str) -> None:
        label = printing.visible(label)
        if self._task is None:
            self._task = self._progress.add_task(label, total=1.0, note=note)
        self._progress.update(self._task, description=label, completed=min(fraction, 1.0), note=note)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


class PlainScreen:
    """Lines only, for logs and pipes: the progress is told at every tenth and every half minute, not more often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._label = ""
        self._told_fraction = 0.0
        self._told_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def line(self, text: str, *, to_stdout: bool = False, is_prose: bool = False) -> None:
        if to_stdout:
            printing.result_line(printing.visible(text))
        else:
            printing.note(printing.visible(text))

    def progress(self, label: str, fraction: float, note: str) -> None:
        now_s = self._clock()
        if label != self._label:
            self._label, self._told_fraction, self._told_s = label, 0.0, now_s
        moved = fraction - self._told_fraction
        due = moved >= _PLAIN_STEP or fraction >= 1 or now_s - self._told_s >= _PLAIN_PAUSE_S
        if moved > 0 and due:
            self._told_fraction, self._told_s = fraction, now_s
            self.line(f"{label}: {fraction:.0%}  {note}".rstrip())

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield


class SilentScreen(PlainScreen):
    """No progress: for `--json`, whose lines tell all."""

    def progress(self, label: str, fraction: float, note: str) -> None:
        return None


def open_screen(*, quiet: bool = False) -> Screen:
    """The screen that suits standard error; one without progress where `quiet`."""
    if quiet:
        return SilentScreen()
    return LiveScreen() if sys.stderr.isatty() else PlainScreen()
