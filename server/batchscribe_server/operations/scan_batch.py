"""Scan batches: turn what a batch names into jobs, chunk by chunk, each chunk stored with the place it ends at."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from batchscribe_server.domain.batch import (
    Batch,
    ManifestEntry,
    ManifestInput,
    ManifestObjectInput,
    PrefixInput,
    SingleInput,
)
from batchscribe_server.domain.errors import BatchNotFoundError, JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.job import Failure, Job
from batchscribe_server.domain.layout import is_below, is_output, is_output_name, relative_paths
from batchscribe_server.domain.media import is_upload
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, RecognitionConfig
from batchscribe_server.operations.access import Reached, ReachStorages
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.output_conflicts import output_key
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.polling import work_off
from batchscribe_server.operations.scan_manifest import MANIFEST_CHUNK, ListedFiles, ScanManifest
from batchscribe_server.operations.storage import FoundObject, Storage, UploadElsewhereError
from batchscribe_server.operations.store import ScanChunk, Store
from batchscribe_server.operations.upload_name import upload_name
from batchscribe_server.operations.wakeups import SCANS, Wakeups

log = structlog.get_logger()

PATIENCE_ELSEWHERE = timedelta(minutes=3)
"""How long a batch waits for the server whose disk has its manifest."""


class ScanBatches:
    """Scans every batch that is not scanned yet, several at once. One that a crash cut off goes on at its cursor."""

    def __init__(
        self,
        store: Store,
        reach: ReachStorages,
        manifest: ScanManifest,
        wakeups: Wakeups,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        duties: Duties,
        poll_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._reach = reach
        self._manifest = manifest
        self._wakeups = wakeups
        self._new_id = new_id
        self._now = now
        self._duties = duties
        self._poll_s = poll_s
        self._patience = patience or Patience()

    async def run(self) -> None:
        """Scan until cancelled."""
        await work_off(self._wakeups, SCANS, self._poll_s, self._due, self.scan, self._duties)

    async def _due(self) -> Sequence[Batch]:
        now = self._now()
        return [batch for batch in await self._store.unscanned_batches() if (batch.not_before or now) <= now]

    async def scan(self, batch: Batch) -> None:
        """Scan one batch to its end, or put it off where a store does not answer. Whatever goes wrong ends as that
        batch's error.
        """
        try:
            async with self._reach.of(batch.name) as reached:
                # What can't be read is said before what can't be written: with one expired token it is neither.
                target = "" if batch.scan_cursor else _written_to(batch)
                async with aclosing(self._chunks(batch, reached)) as chunks:
                    async for chunk in chunks:
                        if target:
                            await reached.output.check_writable(target)
                            target = ""
                        jobs = [replace(job, output_key=await output_key(job, reached.output)) for job in chunk.jobs]
                        batch = await self._store.add_scanned(batch, replace(chunk, jobs=tuple(jobs)))
                        if batch.state.terminal or batch.cancel_requested or batch.error is not None:
                            return  # nothing more of it is stored
            batch = await self._store.finish_scan(batch)
            log.info("batch_scanned", batch=batch.name, files=batch.counts.total)
        except StoreAwayFailure as away:
            await self._wait_for(batch, away)
        except JobFailure as failure:
            await self._fail(batch, Failure(failure.reason, failure.message))
        except UploadElsewhereError as elsewhere:
            # The server that has the manifest scans the batch, if it is alive.
            log.warning("upload_elsewhere", batch=batch.name)
            if self._now() - batch.create_time > PATIENCE_ELSEWHERE:
                await self._fail(batch, Failure(Reason.FETCH_FAILED, str(elsewhere)))
        except BatchNotFoundError:
            log.info("batch_deleted_while_scanned", batch=batch.name)
        except Exception:  # the boundary: a batch that can't be scanned fails alone
            log.exception("batch_scan_crashed", batch=batch.name)
            await self._fail(batch, Failure(Reason.INTERNAL, "The scan failed for a reason of the service's own."))

    async def _wait_for(self, batch: Batch, away: StoreAwayFailure) -> None:
        pause = self._patience.pause(away, batch.waiting, self._now())
        if pause is None:
            await self._fail(batch, self._patience.given_up(away))
            return
        log.warning("scan_waits_for_store", batch=batch.name, reason=away.reason, pause_s=pause[1])
        try:
            await self._store.put_off_batch(batch, *pause)
        except BatchNotFoundError:
            log.info("batch_deleted_while_scanned", batch=batch.name)

    async def _fail(self, batch: Batch, failure: Failure) -> None:
        log.warning("batch_scan_failed", batch=batch.name, reason=failure.reason)
        try:
            await self._store.fail_batch(batch, failure)
        except BatchNotFoundError:
            log.info("batch_deleted_while_scanned", batch=batch.name)

    async def _chunks(self, batch: Batch, reached: Reached) -> AsyncGenerator[ScanChunk]:
        ordinal = batch.counts.total
        match batch.input:
            case SingleInput(uri, is_fetch):
                if not batch.scan_cursor:
                    relative_path = await self._relative_path(batch.tenant, uri)
                    yield ScanChunk((self._job(batch, ordinal, uri, relative_path, is_fetch=is_fetch),), cursor="1")
            case ManifestInput(files):
                done = int(batch.scan_cursor or 0)
                paths = relative_paths([entry.uri for entry in files])
                for start in range(done, len(files), MANIFEST_CHUNK):
                    end = min(start + MANIFEST_CHUNK, len(files))
                    jobs = [await self._manifest_job(batch, k, files[k], paths[k]) for k in range(start, end)]
                    yield ScanChunk(tuple(jobs), cursor=str(end))
            case ManifestObjectInput(uri):
                async with aclosing(self._manifest.files(batch, uri, reached)) as listed:
                    async for some in listed:
                        yield ScanChunk(tuple(self._listed_jobs(batch, some)), some.cursor)
            case PrefixInput(uri, include, exclude):
                pages = reached.input.list_prefix(uri, include, exclude, after_cursor=batch.scan_cursor)
                own = await _OwnOutputs.of(batch.output, uri, reached)
                async for page in pages:
                    inputs = [found for found in page if not await own.include(found)]
                    jobs = self._found_jobs(batch, ordinal, inputs)
                    ordinal += len(jobs)
                    yield ScanChunk(tuple(jobs), cursor=page[-1].relative_path)

    def _found_jobs(self, batch: Batch, ordinal: int, page: Sequence[FoundObject]) -> list[Job]:
        return [
            self._job(batch, ordinal + k, found.uri, found.relative_path, listed_fingerprint=found.fingerprint)
            for k, found in enumerate(page)
        ]

    def _listed_jobs(self, batch: Batch, listed: ListedFiles) -> list[Job]:
        return [
            self._job(
                batch, listed.first + k, file.entry.uri, file.relative_path, file.entry.reference_id, file.entry.config
            )
            for k, file in enumerate(listed.files)
        ]

    async def _manifest_job(self, batch: Batch, index: int, entry: ManifestEntry, path: str) -> Job:
        if is_upload(entry.uri):
            path = await self._relative_path(batch.tenant, entry.uri)
        return self._job(batch, index, entry.uri, path, entry.reference_id, entry.config)

    async def _relative_path(self, tenant: str, uri: str) -> str:
        """The name of an upload, for its outputs; other inputs' URIs tell it."""
        return await upload_name(self._store, tenant, uri) if is_upload(uri) else ""

    def _job(
        self,
        batch: Batch,
        ordinal: int,
        uri: str,
        relative_path: str,
        reference_id: str = "",
        config: RecognitionConfig | None = None,
        *,
        is_fetch: bool = False,
        listed_fingerprint: str = "",
    ) -> Job:
        time = self._now()
        return Job(
            id=self._new_id(),
            tenant=batch.tenant,
            batch_id=batch.id,
            ordinal=ordinal,
            input_uri=uri,
            is_fetch=is_fetch,
            relative_path=relative_path,
            reference_id=reference_id,
            labels=batch.labels,
            priority=batch.priority,
            config=config or batch.config,
            output=batch.output,
            listed_fingerprint=listed_fingerprint,
            create_time=time,
            update_time=time,
        )


@dataclass(frozen=True, slots=True)
class _OwnOutputs:
    """Which of the files below a prefix are outputs of its batch: by their URIs as the client wrote them, and by where
    links lead.
    """

    output: OutputConfig
    prefix_uri: str
    real_output: OutputConfig
    real_prefix_uri: str
    input: Storage

    @classmethod
    async def of(cls, output: OutputConfig, prefix_uri: str, reached: Reached) -> _OwnOutputs:
        """Those of a batch with that output."""
        real_output = replace(output, uri=await reached.output.identity(output.uri)) if output.uri else output
        return cls(output, prefix_uri, real_output, await reached.input.identity(prefix_uri), reached.input)

    async def include(self, found: FoundObject) -> bool:
        """Whether a file is an output, of this run or of an earlier one."""
        path = found.relative_path
        if is_output(self.output, self.prefix_uri, path) or is_output(self.real_output, self.real_prefix_uri, path):
            return True
        if self.output.kept_by_service or not is_output_name(path):
            return False
        return is_below(self.real_output.uri, await self.input.identity(found.uri))


def _written_to(batch: Batch) -> str:
    """Where a batch's outputs go, if that is one place that is known before its files are."""
    if batch.output.layout is OutputLayout.ADJACENT:
        return batch.input.uri if isinstance(batch.input, PrefixInput) else ""
    return batch.output.uri
