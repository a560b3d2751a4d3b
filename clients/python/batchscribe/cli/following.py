"""Follow jobs and batches until they end, through broken connections and Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from batchscribe.async_client import AsyncClient
from batchscribe.cli.interrupts import Choice, Interrupted, LeftRunning, ask, interruptible
from batchscribe.cli.screen import Screen
from batchscribe.cli.views import View
from batchscribe.errors import BatchscribeError, WaitTimeoutError
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.event_pb2 import BatchEvent, JobEvent
from batchscribe.v1.job_pb2 import Job
from batchscribe.watching import EventT

Cancel = Callable[[str], Awaitable[object]]


class Follower:
    """Shows what happens to one job or batch after another, within one time limit, counted from now.

    Ctrl-C asks whether to cancel, to leave it running (raises LeftRunning), or to go on watching.
    """

    def __init__(self, client: AsyncClient, screen: Screen, *, timeout_s: float | None = None) -> None:
        self._client = client
        self._screen = screen
        self._timeout_s = timeout_s
        self._deadline_s = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        self._connection_lost = False

    async def job(
        self,
        name: str,
        view: View[JobEvent],
        *,
        after_sequence: int | None = None,
        include_segments: bool = True,
        cancel: Cancel | None = None,
    ) -> Job:
        """The job once it has ended. Raises WaitTimeoutError, UnavailableError, LeftRunning."""

        def open_events(after: int | None) -> AsyncGenerator[JobEvent]:
            return self._client.watch_job(
                name, after_sequence=after, include_segments=include_segments, on_reconnect=self._note_lost
            )

        await self._follow(name, open_events, view, after_sequence, cancel or self._client.cancel_job)
        return await self._client.get_job(name)

    async def batch(self, name: str, view: View[BatchEvent], *, after_sequence: int | None = None) -> Batch:
        """The batch once it has ended. Raises WaitTimeoutError, UnavailableError, LeftRunning."""

        def open_events(after: int | None) -> AsyncGenerator[BatchEvent]:
            return self._client.watch_batch(name, after_sequence=after, on_reconnect=self._note_lost)

        await self._follow(name, open_events, view, after_sequence, self._client.cancel_batch)
        return await self._client.get_batch(name)

    async def _follow(
        self,
        name: str,
        open_events: Callable[[int | None], AsyncGenerator[EventT]],
        view: View[EventT],
        after_sequence: int | None,
        cancel: Cancel,
    ) -> None:
        try:
            async with asyncio.timeout_at(self._deadline_s):
                while True:
                    try:
                        async with interruptible(), aclosing(open_events(after_sequence)) as events:
                            async for event in events:
                                self._note_back()
                                view.show(event)
                                if not event.HasField("snapshot"):  # it shows no event
                                    after_sequence = event.sequence
                    except Interrupted:
                        await self._decide(name, cancel)
                    else:
                        return
        except TimeoutError as error:
            if self._timeout_s is None:
                raise
            raise WaitTimeoutError(name, self._timeout_s) from error

    async def _decide(self, name: str, cancel: Cancel) -> None:
        match await ask(self._screen, name):
            case Choice.CANCEL:
                await cancel(name)
            case Choice.LEAVE:
                noun = "batch" if name.startswith("batches/") else "job"
                self._screen.line(f"{name} goes on; watch it again with: batchscribe {noun} watch {name}")
                raise LeftRunning(name)
            case Choice.KEEP:
                pass

    def _note_lost(self, error: BatchscribeError) -> None:
        if not self._connection_lost:
            self._connection_lost = True
            self._screen.line(f"the connection broke ({error.reason}); trying to resume")

    def _note_back(self) -> None:
        if self._connection_lost:
            self._connection_lost = False
            self._screen.line("resumed")
