"""BatchService: many files under one request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from batchscribe.v1 import batch_pb2, batch_service_pb2_grpc, event_pb2
from batchscribe.v1 import batch_service_pb2 as pb
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.job import DEFAULT_TENANT
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.store import BatchChanges, IdempotencyKey
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.operations.watch import Heartbeat, Snapshot
from batchscribe_server.rpc.convert_batch import batch_message, new_batch
from batchscribe_server.rpc.convert_event import batch_event_message
from batchscribe_server.rpc.convert_time import asked_retention_ms
from batchscribe_server.rpc.etags import store_etag
from batchscribe_server.rpc.idempotency import idempotency_key
from batchscribe_server.rpc.names import id_of
from batchscribe_server.rpc.pages import page_of_messages
from batchscribe_server.rpc.services import Services
from batchscribe_server.rpc.validate_requests import (
    check_create_batch,
    check_named,
    check_update_batch,
    read_list_batches,
)

Context = grpc.aio.ServicerContext[Any, Any]


class BatchService(batch_service_pb2_grpc.BatchServiceServicer):
    """Each RPC: the request is checked, an operation is called, its result becomes a message."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def CreateBatch(self, request: pb.CreateBatchRequest, context: Context) -> batch_pb2.Batch:  # noqa: N802
        """Submit a batch."""
        new, key = await in_thread(partial(_asked, request))
        batch = await self._services.submit.batch(
            DEFAULT_TENANT,
            new,
            batch_id=request.batch_id,
            key=key,
            validate_only=request.validate_only,
        )
        return await _shown(batch)

    async def GetBatch(self, request: pb.GetBatchRequest, context: Context) -> batch_pb2.Batch:  # noqa: N802
        """Read a batch."""
        batch_id = check_named(request, "batches")
        batch = await self._services.store.get_batch(DEFAULT_TENANT, batch_id)
        message = await _shown(batch)
        message.waiting_reason = await self._services.why_waiting(batch)
        return message

    async def ListBatches(  # noqa: N802
        self, request: pb.ListBatchesRequest, context: Context
    ) -> pb.ListBatchesResponse:
        """List batches."""
        query = read_list_batches(request, DEFAULT_TENANT)
        page = await page_of_messages(self._services.store.list_batches, query, batch_message)
        return pb.ListBatchesResponse(
            batches=page.messages,
            next_page_token=page.next_page_token,
            total_size=page.total,
        )

    async def UpdateBatch(self, request: pb.UpdateBatchRequest, context: Context) -> batch_pb2.Batch:  # noqa: N802
        """Change what may be changed."""
        changed = check_update_batch(request)
        batch = request.batch
        changes = BatchChanges(
            display_name=batch.display_name if "display_name" in changed else None,
            labels=dict(batch.labels) if "labels" in changed else None,
            priority=batch.priority if "priority" in changed else None,
            retention_ms=self._granted(batch) if "retention" in changed else None,
        )
        etag = store_etag(batch.name, batch.etag)
        return await _shown(await self._services.store.update_batch(DEFAULT_TENANT, id_of(batch.name), changes, etag))

    def _granted(self, batch: batch_pb2.Batch) -> int:
        violations = Violations()
        retention_ms = self._services.retention.granted(asked_retention_ms(batch), "batch.retention", violations)
        violations.raise_if_any()
        return retention_ms

    async def CancelBatch(self, request: pb.CancelBatchRequest, context: Context) -> batch_pb2.Batch:  # noqa: N802
        """Stop a batch."""
        batch_id = check_named(request, "batches")
        return await _shown(await self._services.store.cancel_batch(DEFAULT_TENANT, batch_id))

    async def RetryBatch(self, request: pb.RetryBatchRequest, context: Context) -> batch_pb2.Batch:  # noqa: N802
        """Run the files again that failed or were cancelled."""
        batch_id = check_named(request, "batches")
        return await _shown(await self._services.store.retry_batch(DEFAULT_TENANT, batch_id))

    async def DeleteBatch(self, request: pb.DeleteBatchRequest, context: Context) -> Empty:  # noqa: N802
        """Remove a batch's record and its jobs', and what they wrote where that is asked for."""
        batch_id = check_named(request, "batches")
        etag = store_etag(request.name, request.etag)
        await self._services.delete.batch(DEFAULT_TENANT, batch_id, etag, outputs=request.delete_outputs)
        return Empty()

    async def WatchBatch(  # noqa: N802
        self, request: pb.WatchBatchRequest, context: Context
    ) -> AsyncGenerator[event_pb2.BatchEvent]:
        """Stream what happens to a batch."""
        batch_id = check_named(request, "batches")
        after = request.after_sequence if request.HasField("after_sequence") else None
        async with aclosing(self._services.watch.batch(DEFAULT_TENANT, batch_id, after=after)) as messages:
            async for message in messages:
                if not isinstance(message, Snapshot):
                    event = batch_event_message(message)
                else:
                    event = await in_thread(partial(batch_event_message, message))
                if isinstance(message, Snapshot) and isinstance(message.resource, Batch):
                    event.snapshot.waiting_reason = await self._services.why_waiting(message.resource)
                elif isinstance(message, Heartbeat):
                    batch = await self._services.store.get_batch(DEFAULT_TENANT, batch_id)
                    event.heartbeat.waiting_reason = await self._services.why_waiting(batch)
                yield event


def _asked(request: pb.CreateBatchRequest) -> tuple[NewBatch, IdempotencyKey | None]:
    check_create_batch(request)
    return new_batch(request.batch), idempotency_key(request)


async def _shown(batch: Batch) -> batch_pb2.Batch:
    """The message, made in a thread: a manifest may have a thousand entries."""
    return await in_thread(partial(batch_message, batch))
