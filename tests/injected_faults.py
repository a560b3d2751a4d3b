"""Faults at the awaits of the service's own tasks: an exception that nobody expects, where a task is suspended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, cast

SERVICE = "/batchscribe_server/"


class InjectedError(Exception):
    """What is raised at an await."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """An await in the source of the service."""

    file: str
    function: str
    line: int


class InjectedFaults:
    """Knows at which awaits tasks of the service were suspended (`seen`), and makes the next task that is suspended at
    the `armed` one fail there, once.
    """

    def __init__(self) -> None:
        self.seen: set[Site] = set()
        self.armed: Site | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all tasks that the service makes in this event loop meanwhile."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(cast("Any", self._task))
        try:
            yield
        finally:
            loop.set_task_factory(None)

    def strikes(self, coroutine: Coroutine[Any, Any, Any]) -> bool:
        """Whether a task that has been suspended is to fail now."""
        site = _site(coroutine)
        if site is None:
            return False
        self.seen.add(site)
        if site != self.armed:
            return False
        self.armed = None
        return True

    def _task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        code: CodeType | None = getattr(coroutine, "cr_code", None)
        if code is not None and SERVICE in code.co_filename:
            coroutine = _Watched(coroutine, self)
        return asyncio.Task(coroutine, loop=loop, **options)


class _Watched(Coroutine[Any, Any, Any]):
    """A coroutine into which an exception is thrown where it would have been resumed."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], faults: InjectedFaults) -> None:
        self._coroutine = coroutine
        self._faults = faults
        self._fails = False

    def send(self, value: Any) -> Any:
        if self._fails:
            self._fails = False
            return self._suspended(self._coroutine.throw(InjectedError("as the test has it")))
        return self._suspended(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        self._fails = False
        return self._suspended(self._coroutine.throw(error[0] if isinstance(error[0], BaseException) else error[1]))

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise AssertionError("tasks alone run it")

    def _suspended(self, waits_for: Any) -> Any:
        self._fails = self._faults.strikes(self._coroutine)
        return waits_for


def _site(coroutine: Any) -> Site | None:
    """The innermost await in the service's own source."""
    site = None
    while coroutine is not None:
        frame: FrameType | None = getattr(coroutine, "cr_frame", None)
        if frame is not None and SERVICE in frame.f_code.co_filename:
            file = frame.f_code.co_filename.partition(SERVICE)[2]
            site = Site(file, frame.f_code.co_qualname, frame.f_lineno)
        coroutine = getattr(coroutine, "cr_await", None)
    return site
