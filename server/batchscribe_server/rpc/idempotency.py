"""What makes a Create safe to repeat: the client's request id, and a digest of what it asked for."""

from __future__ import annotations

import copy
import hashlib
from typing import TypeVar

from batchscribe.v1 import batch_service_pb2, job_service_pb2
from batchscribe_server.operations.store import IdempotencyKey

CreateRequest = TypeVar("CreateRequest", job_service_pb2.CreateJobRequest, batch_service_pb2.CreateBatchRequest)


def idempotency_key(request: CreateRequest) -> IdempotencyKey | None:
    """The key of a request, None where the client gave no request id."""
    if not request.request_id:
        return None
    body = copy.deepcopy(request)
    body.ClearField("request_id")
    digest = hashlib.sha256(request.DESCRIPTOR.full_name.encode())
    digest.update(body.SerializeToString(deterministic=True))
    return IdempotencyKey(request.request_id.lower(), digest.hexdigest())
