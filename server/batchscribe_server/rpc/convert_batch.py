"""Batches, from request to domain and from domain to message."""

from __future__ import annotations

from batchscribe.v1 import batch_pb2 as pb
from batchscribe.v1 import state_pb2
from batchscribe_server.domain.batch import Batch, Stage
from batchscribe_server.domain.job import State
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.rpc.convert_access import storage_access
from batchscribe_server.rpc.convert_recognition import recognition_config, recognition_config_message
from batchscribe_server.rpc.convert_state import counts_message, failure_message, state_message, warning_text
from batchscribe_server.rpc.convert_storage import (
    batch_input,
    batch_input_message,
    output_config,
    output_config_message,
)
from batchscribe_server.rpc.convert_time import asked_retention_ms, duration, timestamp
from batchscribe_server.rpc.etags import etag


def new_batch(message: pb.Batch) -> NewBatch:
    """What a validated CreateBatch asks for."""
    return NewBatch(
        input=batch_input(message.input, message.config),
        display_name=message.display_name,
        reference_id=message.reference_id,
        labels=dict(message.labels),
        priority=message.priority,
        config=recognition_config(message.config),
        output=output_config(message.output),
        access=storage_access(message.input, message.output),
        retention_ms=asked_retention_ms(message),
    )


def batch_message(batch: Batch) -> pb.Batch:
    """A batch as clients see it."""
    config = recognition_config_message(batch.config)
    message = pb.Batch(
        name=batch.name,
        display_name=batch.display_name,
        reference_id=batch.reference_id,
        labels=batch.labels,
        priority=batch.priority,
        input=batch_input_message(batch.input, config),
        output=output_config_message(batch.output),
        config=config,
        state=state_message(batch.state),
        stage=_stage_message(batch),
        progress=1.0 if batch.state is State.SUCCEEDED else batch.counts.progress,
        counts=counts_message(batch.counts),
        error=failure_message(batch.error),
        report_uri=batch.report_uri,
        warning=warning_text(batch.warning, batch.state, batch.waiting),
        create_time=timestamp(batch.create_time),
        update_time=timestamp(batch.update_time),
        etag=etag(batch.name, batch.sequence),
    )
    if batch.start_time is not None:
        message.start_time.CopyFrom(timestamp(batch.start_time))
    if batch.finish_time is not None:
        message.finish_time.CopyFrom(timestamp(batch.finish_time))
    if batch.retention_ms:
        message.retention.CopyFrom(duration(batch.retention_ms))
    if batch.expire_time is not None:
        message.expire_time.CopyFrom(timestamp(batch.expire_time))
    return message


def _stage_message(batch: Batch) -> state_pb2.Stage.ValueType:
    match batch.stage:
        case Stage.SCANNING:
            return state_pb2.STAGE_SCANNING
        case Stage.TRANSCRIBING:
            # Scanned and queued, it only waits.
            return state_pb2.STAGE_UNSPECIFIED if batch.state is State.QUEUED else state_pb2.STAGE_TRANSCRIBING
        case Stage.WRITING:
            return state_pb2.STAGE_WRITING
        case Stage.DONE:
            return state_pb2.STAGE_UNSPECIFIED
