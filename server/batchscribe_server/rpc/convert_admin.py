"""Replicas and the queue as messages."""

from __future__ import annotations

from batchscribe.v1 import admin_pb2 as pb
from batchscribe_server.domain.queue import QueueLine, QueueOverview
from batchscribe_server.domain.replica import Replica, ReplicaState
from batchscribe_server.rpc.convert_time import timestamp

_STATE_MESSAGES = {
    ReplicaState.SERVING: pb.REPLICA_STATE_SERVING,
    ReplicaState.NOT_SERVING: pb.REPLICA_STATE_NOT_SERVING,
    ReplicaState.DRAINING: pb.REPLICA_STATE_DRAINING,
    ReplicaState.SILENT: pb.REPLICA_STATE_SILENT,
}


def replica_message(replica: Replica) -> pb.Replica:
    """A replica."""
    report = replica.report
    return pb.Replica(
        name=f"replicas/{report.id}",
        host=report.host,
        address=report.address,
        version=report.version,
        start_time=timestamp(replica.start_time),
        seen_time=timestamp(replica.seen_time),
        state=_STATE_MESSAGES[report.state],
        running_jobs=report.running_jobs,
        max_running_jobs=report.max_running_jobs,
        device=report.device,
        models=report.models,
        drain_requested=replica.drain_requested,
        offered_models=[model.name for model in report.offered_models],
        problem=report.problem,
    )


def queue_message(queue: QueueOverview) -> pb.Queue:
    """The queue."""
    return pb.Queue(
        queued_jobs=queue.queued,
        running_jobs=queue.running,
        oldest_queue_time=timestamp(queue.oldest_queue_time) if queue.oldest_queue_time else None,
        lines=map(_line_message, queue.lines),
    )


def _line_message(line: QueueLine) -> pb.QueueLine:
    return pb.QueueLine(
        tenant=line.tenant,
        batch=f"batches/{line.batch_id}" if line.batch_id else "",
        queued_jobs=line.queued,
        running_jobs=line.running,
        oldest_queue_time=timestamp(line.oldest_queue_time),
    )
