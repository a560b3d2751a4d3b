"""Finish batches that are to have a report: write it once all files are done, then end the batch.

So whoever sees a batch that has ended finds its report. A report is a function of the batch's jobs alone: one that a
kill cut off is written again, and two replicas that write it at once write the same bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import structlog

from batchscribe_server.domain.batch import Batch, BatchInput, PrefixInput, Report, SingleInput
from batchscribe_server.domain.errors import BatchNotFoundError, JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.job import Failure
from batchscribe_server.domain.layout import file_name, is_report, report_uri
from batchscribe_server.domain.recognition import OutputLayout
from batchscribe_server.operations.access import ReachStorages
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.output_conflicts import check_replaceable
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.polling import work_off
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.storage import Storage, StreamSpool
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import REPORTS, Wakeups

log = structlog.get_logger()

BATCHES_AT_ONCE = 16


class FinishBatches:
    """Writes reports, several at once. One that can't be written is the batch's warning, and fails nothing."""

    def __init__(
        self,
        store: Store,
        reach: ReachStorages,
        renderer: Renderer,
        spool: StreamSpool,
        wakeups: Wakeups,
        duties: Duties,
        now: Callable[[], datetime],
        poll_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._reach = reach
        self._renderer = renderer
        self._spool = spool
        self._wakeups = wakeups
        self._duties = duties
        self._now = now
        self._poll_s = poll_s
        self._patience = patience or Patience()

    async def run(self) -> None:
        """Finish batches until cancelled."""
        await work_off(self._wakeups, REPORTS, self._poll_s, self._due, self.finish, self._duties)

    async def _due(self) -> Sequence[Batch]:
        now = self._now()
        unreported = await self._store.unreported_batches(BATCHES_AT_ONCE)
        return [batch for batch in unreported if (batch.not_before or now) <= now]

    async def finish(self, batch: Batch) -> None:
        """Write the report of a batch and end it, or put it off where its store does not answer. A file that is retried
        meanwhile has it written anew at its end.
        """
        try:
            while batch.report is Report.DUE and batch.deletion is None:
                try:
                    uri, warning = await self._write(batch)
                except StoreAwayFailure as away:
                    pause = self._patience.pause(away, batch.waiting, self._now())
                    if pause is not None:
                        log.warning("report_waits_for_store", batch=batch.name, reason=away.reason, pause_s=pause[1])
                        await self._store.put_off_batch(batch, *pause)
                        return
                    uri, warning = "", _not_written(self._patience.given_up(away))
                batch = await self._store.finish_report(batch, uri, warning)
        except BatchNotFoundError:
            log.info("batch_deleted_while_reported", batch=batch.name)

    async def _write(self, batch: Batch) -> tuple[str, str]:
        """Write the report; returns its URI, or else what went wrong in plain words. Raises StoreAwayFailure."""
        try:
            async with self._reach.of(batch.name) as reached:
                input = await self._input(batch, reached.output)
                uri = report_uri(batch.output, input, batch.id)
                async with self._spool.spooled(self._lines(batch, uri, reached.output)) as pieces:
                    await check_replaceable(uri, reached.output)
                    written = await reached.output.write_output(uri, pieces)
        except StoreAwayFailure:
            raise
        except JobFailure as failure:
            log.warning("report_not_written", batch=batch.name, reason=failure.reason)
            return "", _not_written(Failure(failure.reason, failure.message))
        except BatchNotFoundError:
            raise
        except Exception:  # the boundary: the batch has ended, with or without a report of it
            log.exception("report_crashed", batch=batch.name)
            return "", "The report could not be written, for a reason of the service's own."
        log.info("report_written", batch=batch.name, size_bytes=written.size_bytes)
        return uri, ""

    async def _input(self, batch: Batch, storage: Storage) -> BatchInput:
        """The batch's input, with a prefix that is itself a file taken for that: nothing can be written below it."""
        if (
            batch.output.layout is OutputLayout.ADJACENT
            and isinstance(batch.input, PrefixInput)
            and batch.counts.total == 1
        ):
            async for page in self._store.read_jobs(batch):
                for job in page:
                    if await storage.identity(job.input_uri) == await storage.identity(batch.input.uri):
                        return SingleInput(job.input_uri)
        return batch.input

    async def _lines(self, batch: Batch, uri: str, storage: Storage) -> AsyncIterator[bytes]:
        async for page in self._store.read_jobs(batch):
            # A client chooses a batch's id, and so the report's name.
            for job in page:
                named_so = is_report(file_name(job.input_uri))
                if named_so and await storage.identity(job.input_uri) == await storage.identity(uri):
                    raise JobFailure(Reason.OUTPUT_CONFLICT, f"The report {uri} would take the place of an input.")
            yield b"".join(map(self._renderer.render_report_line, page))


def _not_written(failure: Failure) -> str:
    return f"The report could not be written: {failure.message} ({failure.reason})"
