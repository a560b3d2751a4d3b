"""Many files under one request: the calls of BatchService."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Unpack

import grpc

from batchscribe.connection import Connection
from batchscribe.errors import WaitTimeoutError
from batchscribe.manifests import manifest_of
from batchscribe.names import BatchName, name_of
from batchscribe.outputs import output_of
from batchscribe.recognition import RecognitionOptions, recognition_config
from batchscribe.times import duration_of
from batchscribe.trace_context import trace_metadata
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.batch_service_pb2 import (
    CancelBatchRequest,
    CreateBatchRequest,
    DeleteBatchRequest,
    GetBatchRequest,
    ListBatchesRequest,
    RetryBatchRequest,
    UpdateBatchRequest,
    WatchBatchRequest,
)
from batchscribe.v1.event_pb2 import BatchEvent
from batchscribe.v1.recognition_pb2 import RecognitionConfig
from batchscribe.v1.state_pb2 import Notification
from batchscribe.v1.storage_pb2 import InputConfig, ManifestEntry, OutputConfig, PrefixInput, StorageAuth
from batchscribe.watching import OnReconnect, watch


class BatchCalls:
    """What AsyncClient does with batches. Names are resource names, `batches/{id}`, or the batches themselves."""

    _connection: Connection

    async def create_batch(
        self, batch: Batch, *, batch_id: str = "", request_id: str | None = None, validate_only: bool = False
    ) -> Batch:
        """Create the batch that a message describes; `submit_batch` says the same in arguments.

        `request_id` is a UUID that makes the call safe to repeat; without it a new one is made for this call.
        """
        request = CreateBatchRequest(
            batch=batch, batch_id=batch_id, request_id=request_id or str(uuid.uuid4()), validate_only=validate_only
        )
        return await self._connection.call(self._connection.batches.CreateBatch, request)

    async def submit_batch(
        self,
        source: str | Iterable[str | ManifestEntry] | InputConfig,
        *,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        auth: StorageAuth | None = None,
        config: RecognitionConfig | None = None,
        output: OutputConfig | str | None = None,
        formats: Sequence[str | int] = (),
        display_name: str = "",
        reference_id: str = "",
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
        notifications: Sequence[Notification] = (),
        retention_s: float | None = None,
        batch_id: str = "",
        request_id: str | None = None,
        **options: Unpack[RecognitionOptions],
    ) -> Batch:
        """Submit many files and return their batch at once.

        `source` is the URI of a folder or prefix, whose files the globs choose; files of any number, by URI or as
        manifest entries, of which more than 1,000 are uploaded as a manifest; or an InputConfig, as `manifest_at` makes
        of a manifest that the server reads. The server reads them all: paths are paths of the server's machine and are
        given as `file://` URIs; `auth` gives the credentials for them, or a profile. `output` is an OutputConfig or a
        URI, `formats` what is written, or going to be read where the service keeps the transcripts. `retention_s` is
        how long the service keeps the batch after its end.
        """
        batch = Batch(
            input=await self._input_config(source, include_globs, exclude_globs),
            config=recognition_config(options, config),
            output=output_of(output, formats),
            display_name=display_name,
            reference_id=reference_id,
            labels=labels,
            priority=priority,
            notifications=notifications,
            retention=None if retention_s is None else duration_of(retention_s),
        )
        batch.input.MergeFrom(InputConfig(auth=auth))
        return await self.create_batch(batch, batch_id=batch_id, request_id=request_id)

    async def get_batch(self, name: BatchName) -> Batch:
        """Read a batch."""
        return await self._connection.call(self._connection.batches.GetBatch, GetBatchRequest(name=name_of(name)))

    async def list_batches(self, *, filter: str = "", order_by: str = "", page_size: int = 0) -> AsyncGenerator[Batch]:
        """All batches, newest first, page after page as they are asked for. `filter` is the contract's."""
        request = ListBatchesRequest(filter=filter, order_by=order_by, page_size=page_size)
        while True:
            page = await self._connection.call(self._connection.batches.ListBatches, request)
            for batch in page.batches:
                yield batch
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update_batch(self, batch: Batch, *, fields: Sequence[str] = ()) -> Batch:
        """Change what may be changed of the batch of that name: `display_name`, `labels`, `priority`, `retention`.

        All of them that are set, without `fields`.

        Raises EtagMismatchError where the message has an etag that is no longer the batch's.
        """
        request = UpdateBatchRequest(batch=batch)
        request.update_mask.paths.extend(fields)
        return await self._connection.call(self._connection.batches.UpdateBatch, request, repeatable=not batch.etag)

    async def cancel_batch(self, name: BatchName) -> Batch:
        """Start no more of its files and stop those that run; what is done stays."""
        return await self._connection.call(self._connection.batches.CancelBatch, CancelBatchRequest(name=name_of(name)))

    async def retry_batch(self, name: BatchName) -> Batch:
        """Run the files again that failed or were cancelled, of a batch that has ended.

        Raises NotTerminalError, NothingToRetryError.
        """
        request = RetryBatchRequest(name=name_of(name))
        return await self._connection.call(self._connection.batches.RetryBatch, request, repeatable=False)

    async def delete_batch(self, name: BatchName, *, etag: str = "", delete_outputs: bool = False) -> None:
        """Cancel what is active and remove the batch and its jobs; outputs stay unless `delete_outputs`.

        A deletion that takes longer than the client waits goes on. Raises CredentialsDeletedError where outputs were
        written with credentials that are gone; an output that can't be deleted leaves its job, and the batch, there.
        """
        request = DeleteBatchRequest(name=name_of(name), etag=etag, delete_outputs=delete_outputs)
        await self._connection.call(self._connection.batches.DeleteBatch, request, repeatable=False)

    async def watch_batch(
        self, name: BatchName, *, after_sequence: int | None = None, on_reconnect: OnReconnect | None = None
    ) -> AsyncGenerator[BatchEvent]:
        """A snapshot of a batch, all that happened to it after a sequence, and all that happens until it ends.

        Resumes and raises as `watch_job` does.
        """

        def open_stream(after: int | None) -> grpc.aio.UnaryStreamCall[WatchBatchRequest, BatchEvent]:
            request = WatchBatchRequest(name=name_of(name), after_sequence=after)
            return self._connection.batches.WatchBatch(request, metadata=trace_metadata())

        events = watch(
            open_stream,
            after_sequence=after_sequence,
            connect_s=self._connection.retry_s,
            reconnect_s=self._connection.reconnect_s,
            on_reconnect=on_reconnect,
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def wait_for_batch(self, name: BatchName, *, timeout_s: float | None = None) -> Batch:
        """The batch once it has ended, however it ended. Raises WaitTimeoutError; the batch goes on then."""
        try:
            async with asyncio.timeout(timeout_s), aclosing(self.watch_batch(name)) as events:
                async for _ in events:
                    pass
        except TimeoutError as error:
            assert timeout_s is not None
            raise WaitTimeoutError(name_of(name), timeout_s) from error
        return await self.get_batch(name)

    async def _input_config(
        self,
        source: str | Iterable[str | ManifestEntry] | InputConfig,
        include_globs: Sequence[str],
        exclude_globs: Sequence[str],
    ) -> InputConfig:
        if isinstance(source, InputConfig):
            return source
        if isinstance(source, str):
            return InputConfig(prefix=PrefixInput(uri=source, include_globs=include_globs, exclude_globs=exclude_globs))
        return await manifest_of(self._connection, source)
