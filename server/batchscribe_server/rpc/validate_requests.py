"""What each RPC requires of its request. One function a message; each names every bad field at once."""

from __future__ import annotations

from google.protobuf.message import Message

from batchscribe.v1 import batch_pb2, job_pb2
from batchscribe.v1 import batch_service_pb2 as batches
from batchscribe.v1 import job_service_pb2 as jobs
from batchscribe.v1 import model_service_pb2 as models
from batchscribe_server.domain.errors import Violations
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.rpc.filters import read_filter, read_order
from batchscribe_server.rpc.names import (
    check_chosen_id,
    check_model_name,
    check_name,
    check_request_id,
    id_of,
)
from batchscribe_server.rpc.supported_fields import SUPPORTED_FIELDS, is_output_only, refuse_unsupported
from batchscribe_server.rpc.validate_input import check_batch_input, check_job_input
from batchscribe_server.rpc.validate_output import check_encryption, check_output, check_report
from batchscribe_server.rpc.validate_recognition import check_duration, check_recognition
from batchscribe_server.rpc.validate_retention import check_retention
from batchscribe_server.rpc.validate_text import check_labels, check_priority, check_text

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000
MAX_PAGE_TOKEN_CHARS = 4_096
MAX_WAIT_MS = 300_000

UPDATABLE_BATCH_FIELDS = ("display_name", "labels", "priority", "retention")

_JOB_FILTER_FIELDS = frozenset({"state", "labels", "reference_id", "input_uri"})
_BATCH_FILTER_FIELDS = frozenset({"state", "labels", "reference_id"})

NamedRequest = (
    batches.GetBatchRequest
    | batches.CancelBatchRequest
    | batches.RetryBatchRequest
    | batches.DeleteBatchRequest
    | batches.WatchBatchRequest
    | jobs.GetJobRequest
    | jobs.CancelJobRequest
    | jobs.RetryJobRequest
    | jobs.DeleteJobRequest
    | jobs.WatchJobRequest
    | jobs.GetTranscriptRequest
)
"""The requests that name one job or one batch."""


def check_create_job(request: jobs.CreateJobRequest) -> None:
    """Raises InvalidArgumentError, as all that follow."""
    violations = _unsupported(request)
    _check_creation(request.job_id, "job_id", request.request_id, violations)
    if not request.HasField("job"):
        violations.add("job", "is required")
    else:
        _check_resource(request.job, "job", violations)
        # What is going to be uploaded has no name yet, and is checked without.
        if not request.validate_only or request.job.HasField("input"):
            check_job_input(request.job.input, "job.input", violations)
        if request.job.output.write_report:
            violations.add("job.output.write_report", "is for batches: a job tells of its one file itself")
    violations.raise_if_any()


def check_create_batch(request: batches.CreateBatchRequest) -> None:
    """The whole batch is checked, a manifest entry by entry."""
    violations = _unsupported(request)
    _check_creation(request.batch_id, "batch_id", request.request_id, violations)
    if not request.HasField("batch"):
        violations.add("batch", "is required")
    else:
        _check_resource(request.batch, "batch", violations)
        check_batch_input(request.batch.input, request.batch.config, "batch.input", violations)
        check_report(request.batch.output, request.batch.input, "batch.output", violations)
    violations.raise_if_any()


def check_update_batch(request: batches.UpdateBatchRequest) -> list[str]:
    """The names of the fields to change."""
    batch = request.batch
    # With a mask, a client may send the whole batch as it read it; without one, all that is set is meant.
    violations = Violations() if request.update_mask.paths else _unsupported(request)
    check_name(batch.name, "batches", "batch.name", violations)
    given = [
        field.name
        for field, _ in batch.ListFields()
        if field.name != "name" and field.full_name in SUPPORTED_FIELDS and not is_output_only(field)
    ]
    changed = list(request.update_mask.paths) or given
    if changed == ["*"]:
        changed = list(UPDATABLE_BATCH_FIELDS)
    for name in changed:
        if name not in UPDATABLE_BATCH_FIELDS:
            path = "update_mask" if request.update_mask.paths else f"batch.{name}"
            violations.add(path, f"{name} can't be changed; what can be is {', '.join(UPDATABLE_BATCH_FIELDS)}")
    check_text(batch.display_name, "batch.display_name", violations)
    check_labels(batch.labels, "batch.labels", violations)
    check_priority(batch.priority, "batch.priority", violations)
    check_retention(batch, "batch.retention", violations)
    violations.raise_if_any()
    return changed


def check_named(request: NamedRequest, collection: str) -> str:
    """The id of the job or the batch that a request names."""
    violations = _unsupported(request)
    check_name(request.name, collection, "name", violations)
    match request:
        case jobs.GetJobRequest():
            check_duration(request.wait, MAX_WAIT_MS, "wait", violations)
        case jobs.WatchJobRequest() | batches.WatchBatchRequest():
            if request.after_sequence < 0:
                violations.add("after_sequence", "must not be negative")
        case jobs.GetTranscriptRequest():
            if request.channel < 0:
                violations.add("channel", "must not be negative")
        case _:
            pass
    violations.raise_if_any()
    return id_of(request.name)


def read_list_jobs(request: jobs.ListJobsRequest, tenant: str) -> ListQuery:
    """The query that a request for jobs makes."""
    violations = _unsupported(request)
    if request.parent:
        check_name(request.parent, "batches", "parent", violations)
    batch_id = id_of(request.parent) if request.parent else None
    return _list_query(request, tenant, _JOB_FILTER_FIELDS, batch_id, violations)


def read_list_batches(request: batches.ListBatchesRequest, tenant: str) -> ListQuery:
    """The query that a request for batches makes."""
    return _list_query(request, tenant, _BATCH_FILTER_FIELDS, None, _unsupported(request))


def check_list_models(request: models.ListModelsRequest) -> None:
    """Pages are optional here."""
    violations = _unsupported(request)
    _check_page(request.page_size, request.page_token, violations)
    violations.raise_if_any()


def check_get_model(request: models.GetModelRequest) -> str:
    """The id of the model."""
    violations = _unsupported(request)
    check_model_name(request.name, "name", violations)
    violations.raise_if_any()
    return id_of(request.name)


def _unsupported(request: Message) -> Violations:
    violations = Violations()
    refuse_unsupported(request, violations)
    return violations


def _check_creation(chosen_id: str, path: str, request_id: str, violations: Violations) -> None:
    check_chosen_id(chosen_id, path, violations)
    check_request_id(request_id, "request_id", violations)


def _check_resource(resource: job_pb2.Job | batch_pb2.Batch, path: str, violations: Violations) -> None:
    check_text(resource.display_name, f"{path}.display_name", violations)
    check_text(resource.reference_id, f"{path}.reference_id", violations)
    check_labels(resource.labels, f"{path}.labels", violations)
    check_priority(resource.priority, f"{path}.priority", violations)
    check_retention(resource, f"{path}.retention", violations)
    check_recognition(resource.config, f"{path}.config", violations)
    check_output(resource.output, resource.input, resource.config, f"{path}.output", violations)
    check_encryption(resource.input, resource.output, f"{path}.input", violations)


def _list_query(
    request: jobs.ListJobsRequest | batches.ListBatchesRequest,
    tenant: str,
    filter_fields: frozenset[str],
    batch_id: str | None,
    violations: Violations,
) -> ListQuery:
    _check_page(request.page_size, request.page_token, violations)
    wanted = read_filter(request.filter, filter_fields, violations)
    oldest_first = read_order(request.order_by, violations)
    violations.raise_if_any()
    return ListQuery(
        tenant=tenant,
        page_size=min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        page_token=request.page_token,
        batch_id=batch_id,
        states=wanted.states,
        labels=wanted.labels or None,
        reference_id=wanted.reference_id,
        uri=wanted.uri,
        uri_prefix=wanted.uri_prefix,
        oldest_first=oldest_first,
    )


def _check_page(page_size: int, page_token: str, violations: Violations) -> None:
    if page_size < 0:
        violations.add("page_size", "must not be negative")
    if len(page_token) > MAX_PAGE_TOKEN_CHARS:
        violations.add("page_token", "is not one that this service gave")
