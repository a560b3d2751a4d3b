"""Threads for work on a file system that may hang, as a network mount does while its server is gone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog

log = structlog.get_logger()

MAX_THREADS = 16
OVERDUE_S = 60.0
"""Without progress, until a call is given up."""

TRY_EVERY_S = 30.0
"""While a file system hangs, one call in so many seconds tries it: the one that was given up may never return."""

GRACE_S = 5.0
"""How long a cancelled call may take to end; what it uses is closed afterwards."""

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


class MountThreads:
    """The threads of one file system, at most `max_threads`; a thread that hangs keeps its place until it returns.

    When a call is overdue, the file system hangs until any call returns: meanwhile calls are refused at once, except
    for one try every `try_every_s`. Threads are daemons, so that none that hangs keeps the process from ending. Belongs
    to one event loop.
    """

    def __init__(
        self,
        name: str,
        max_threads: int = MAX_THREADS,
        overdue_s: float = OVERDUE_S,
        try_every_s: float = TRY_EVERY_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._name = name
        self._max_threads = max_threads
        self._overdue_s = overdue_s
        self._try_every_s = try_every_s
        self._grace_s = grace_s
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
            _start(partial(work, call), partial(self._ended, call, future, drop))
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
                _start(partial(drop, future.result()))
            raise
        finally:
            call.given_up = not future.done()
        self._note_hanging()
        raise HangsError

    async def close(self, work: Callable[[], None]) -> None:
        """Close what is open: never refused, and waited for only for a moment."""
        closed = asyncio.Event()
        _start(work, lambda *_: closed.set())
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
            _start(partial(drop, results[0]))

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


def _start(
    work: Callable[[], Result], ended: Callable[[list[Result], BaseException | None], None] = lambda *_: None
) -> None:
    """Do work in a thread of its own; `ended` is called by the event loop with the result, if any, or the error."""
    loop = asyncio.get_running_loop()

    def in_thread() -> None:
        results: list[Result] = []
        error: BaseException | None = None
        try:
            results.append(work())
        except BaseException as raised:  # noqa: BLE001 - the boundary: it is raised again where the call was made
            error = raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(ended, results, error)

    threading.Thread(target=in_thread, name="mount", daemon=True).start()
