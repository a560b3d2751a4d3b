"""Threads for work on a file system that may hang, as a network mount does while its server is gone."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

MAX_THREADS = 16
OVERDUE_S = 60.0
"""Without progress, until a call is given up."""

TRY_EVERY_S = 30.0
"""While a file system hangs, one call in so many seconds tries it: the one that was given up may never return."""

GRACE_S = 5.0
"""How long a cancelled call may take to end; what it uses is closed afterwards."""

KEPT_S = 10.0
"""How long a thread waits for another call: to start one for each took a sixth of the server's time."""

Result = TypeVar("Result")


class HangsError(Exception):
    """The file system does not answer. The call may still be carried out, unless it looked whether it was given up."""


class GivenUpError(Exception):
    """Ends a call, in its thread, whose caller does not wait any more."""


class Call:
    """One call, shared by its thread and the event loop."""

    def __init__(self) -> None:
        self.last_s = time.monotonic()
        self.given_up = False

    def progress(self) -> None:
        """The call goes on; it may take OVERDUE_S more. Raises GivenUpError."""
        if self.given_up:
            raise GivenUpError
        self.last_s = time.monotonic()


_Ended = Callable[[list[Any], BaseException | None], None]


@dataclass(frozen=True, slots=True)
class _Task:
    work: Callable[[], Any]
    ended: _Ended
    loop: asyncio.AbstractEventLoop


class _Threads:
    """Threads that are kept for `kept_s` for the next call; daemons, so that none that hangs keeps the process from
    ending.

    Belongs to one event loop. How many there are is its owner's to bound.
    """

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._waiting = 0  # for each of these, or for its end, one thing is put into the queue
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()

    def start(self, work: Callable[[], Any], ended: _Ended = lambda *_: None) -> None:
        """Do work in a thread; `ended` is called by the event loop with the result, if any, or the error."""
        task = _Task(work, ended, asyncio.get_running_loop())
        if self._waiting:
            self._waiting -= 1
            self._tasks.put(task)
        else:
            threading.Thread(target=self._run, args=(task,), name="mount", daemon=True).start()

    def _run(self, task: _Task | None) -> None:
        while task is not None:
            results: list[Any] = []
            error: BaseException | None = None
            try:
                results.append(task.work())
            except BaseException as raised:  # noqa: BLE001 - the boundary: it is raised again where the call was made
                error = raised
            loop = task.loop
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, task, results, error)
            del task, results, error  # nothing of it is kept while the thread waits
            task = self._next(loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> _Task | None:
        with suppress(queue.Empty):
            return self._tasks.get(timeout=self._kept_s)
        try:
            loop.call_soon_threadsafe(self._let_one_go)
        except RuntimeError:
            return None
        return self._tasks.get()

    def _let_one_go(self) -> None:
        if self._waiting:  # else another task is on its way to the thread that asked
            self._waiting -= 1
            self._tasks.put(None)

    def _ended(self, task: _Task, results: list[Any], error: BaseException | None) -> None:
        self._waiting += 1
        task.ended(results, error)


class MountThreads:
    """The threads of one file system, at most `max_threads`; a thread that hangs keeps its place until it returns.

    When a call is overdue, the file system hangs until any call returns: meanwhile calls are refused at once, except
    for one try every `try_every_s`. Belongs to one event loop.
    """

    def __init__(
        self,
        name: str,
        max_threads: int = MAX_THREADS,
        overdue_s: float = OVERDUE_S,
        try_every_s: float = TRY_EVERY_S,
        grace_s: float = GRACE_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._name = name
        self._max_threads = max_threads
        self._overdue_s = overdue_s
        self._try_every_s = try_every_s
        self._grace_s = grace_s
        self._threads = _Threads(kept_s)
        self._running = 0
        self._hangs = False
        self._next_try_s = 0.0
        self._changed = asyncio.Event()

    async def run(
        self,
        work: Callable[[Call], Result],
        drop: Callable[[Result], None] | None = None,
        call: Call | None = None,
    ) -> Result:
        """Do work in a thread. A result that is not returned, since the call was given up or cancelled, is dropped.

        Raises what the work raises, and HangsError.
        """
        await self._place()
        call = call or Call()
        call.progress()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._running += 1
        try:
            self._threads.start(partial(work, call), partial(self._ended, call, future, drop))
        except BaseException:
            self._leave()
            raise
        try:
            while (left_s := call.last_s + self._overdue_s - time.monotonic()) > 0:
                await asyncio.wait([future], timeout=left_s)
                if future.done():
                    return future.result()
        except asyncio.CancelledError:
            await asyncio.wait([future], timeout=self._grace_s)
            if future.done() and future.exception() is None and drop is not None:
                self._threads.start(partial(drop, future.result()))
            raise
        finally:
            call.given_up = not future.done()
        self._note_hanging()
        raise HangsError

    async def close(self, work: Callable[[], None]) -> None:
        """Close what is open: never refused, and waited for only for a moment."""
        closed = asyncio.Event()
        self._threads.start(work, lambda *_: closed.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                await closed.wait()

    async def _place(self) -> None:
        while True:
            if self._hangs:
                now_s = time.monotonic()
                if now_s < self._next_try_s or self._running >= self._max_threads:
                    raise HangsError
                self._next_try_s = now_s + self._try_every_s
                return
            if self._running < self._max_threads:
                return
            await self._changed.wait()

    def _ended(
        self,
        call: Call,
        future: asyncio.Future[Result],
        drop: Callable[[Result], None] | None,
        results: list[Result],
        error: BaseException | None,
    ) -> None:
        if self._hangs:
            self._hangs = False
            log.info("file_system_answers_again", path=self._name)
        self._leave()
        if not call.given_up:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(results[0])
        elif results and drop is not None:
            self._threads.start(partial(drop, results[0]))

    def _leave(self) -> None:
        self._running -= 1
        self._wake()

    def _note_hanging(self) -> None:
        if not self._hangs:
            log.warning("file_system_hangs", path=self._name, calls=self._running)
        self._hangs = True
        self._next_try_s = time.monotonic() + self._try_every_s
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed.clear()
