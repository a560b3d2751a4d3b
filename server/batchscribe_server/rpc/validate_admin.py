"""What each RPC of AdminService requires of its request."""

from __future__ import annotations

from batchscribe.v1 import admin_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.names import check_name, id_of
from batchscribe_server.rpc.supported_fields import refuse_unsupported

DEFAULT_LINES = 20
MAX_LINES = 1_000


def check_list_replicas(request: pb.ListReplicasRequest) -> None:
    """Raises InvalidArgumentError, as all that follow."""
    violations = Violations()
    refuse_unsupported(request, violations)
    violations.raise_if_any()


def check_get_queue(request: pb.GetQueueRequest) -> int:
    """How many lines are asked for."""
    violations = Violations()
    refuse_unsupported(request, violations)
    if not 0 <= request.max_lines <= MAX_LINES:
        violations.add("max_lines", f"must be 0 to {MAX_LINES}")
    violations.raise_if_any()
    return request.max_lines or DEFAULT_LINES


def check_replica_named(request: pb.DrainReplicaRequest | pb.ResumeReplicaRequest) -> str:
    """The id of the replica."""
    violations = Violations()
    refuse_unsupported(request, violations)
    check_name(request.name, "replicas", "name", violations)
    violations.raise_if_any()
    return id_of(request.name)
