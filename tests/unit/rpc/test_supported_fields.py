"""What a request may hold: every field of the contract is honoured, OUTPUT_ONLY, or refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from batchscribe.v1 import (
    admin_pb2,
    batch_service_pb2,
    job_pb2,
    job_service_pb2,
    model_service_pb2,
    recognition_pb2,
    state_pb2,
    storage_pb2,
)
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.supported_fields import (
    SUPPORTED_FIELDS,
    SUPPORTED_VALUES,
    is_contract_message,
    is_output_only,
    is_supported_value,
    refuse_unsupported,
)

SERVICES = [
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (batch_service_pb2, "BatchService"),
        (job_service_pb2, "JobService"),
        (model_service_pb2, "ModelService"),
        (admin_pb2, "AdminService"),
    )
]
REQUESTS = [method.input_type for service in SERVICES for method in service.methods]


def reachable_fields(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Every field that a client can set in a request, at any depth."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if is_output_only(field):
            continue
        yield field
        if is_contract_message(field) and field.message_type is not None:
            yield from reachable_fields(field.message_type, seen)


FIELDS = {field.full_name: field for request in REQUESTS for field in reachable_fields(request, set())}


def message_with(field: FieldDescriptor, *, number: int = 1) -> Message:
    """A message of the field's type in which that field alone is set."""
    assert field.containing_type is not None
    message = message_factory.GetMessageClass(field.containing_type)()
    kind = field.cpp_type
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)["key"] = "value"
    elif field.message_type is not None:
        getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name).SetInParent()
    else:
        value = {
            FieldDescriptor.CPPTYPE_STRING: b"x" if field.type == FieldDescriptor.TYPE_BYTES else "x",
            FieldDescriptor.CPPTYPE_BOOL: True,
        }.get(kind, number)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def refused(message: Message) -> dict[str, str]:
    violations = Violations()
    refuse_unsupported(message, violations)
    return {violation.field: violation.reason for violation in violations.found}


@pytest.mark.parametrize("name", sorted(set(FIELDS) - SUPPORTED_FIELDS))
def test_every_field_that_is_not_listed_is_refused_by_its_name(name: str) -> None:
    field = FIELDS[name]
    assert refused(message_with(field)) == {field.name: "FIELD_NOT_SUPPORTED"}


@pytest.mark.parametrize("name", sorted(SUPPORTED_FIELDS))
def test_every_listed_field_exists_and_passes(name: str) -> None:
    field = FIELDS[name]
    values = field.enum_type.values if field.enum_type else []
    number = next((value.number for value in values if value.number and is_supported_value(field, value.number)), 1)
    assert refused(message_with(field, number=number)) == {}


def test_every_enum_value_of_the_contract_is_listed_or_refused() -> None:
    enum_fields = [field for field in FIELDS.values() if field.enum_type and field.full_name in SUPPORTED_FIELDS]
    assert {field.enum_type.full_name for field in enum_fields if field.enum_type} == set(SUPPORTED_VALUES)
    for field in enum_fields:
        assert field.enum_type is not None
        for value in field.enum_type.values:
            if value.number:
                honoured = value.name in SUPPORTED_VALUES[field.enum_type.full_name]
                assert (refused(message_with(field, number=value.number)) == {}) is honoured, value.name


def test_a_value_that_no_enum_of_this_version_has_is_refused() -> None:
    assert list(refused(recognition_pb2.RecognitionConfig(task=99))) == ["task"]  # type: ignore[arg-type]


def test_a_field_of_a_newer_contract_is_refused() -> None:
    request = job_service_pb2.CreateJobRequest()
    request.job.config.MergeFromString(b"\xb8\x3f\x01")  # field 1015
    assert refused(request) == {"job.config.(field 1015)": "FIELD_NOT_SUPPORTED"}


def test_output_only_fields_are_ignored() -> None:
    job = job_pb2.Job(name="jobs/x", state=state_pb2.STATE_FAILED, warning="w", etag="e")
    job.outputs.add(uri="file:///x")
    assert refused(job_service_pb2.CreateJobRequest(job=job)) == {}


def test_paths_name_the_entry_of_a_list() -> None:
    request = batch_service_pb2.CreateBatchRequest()
    request.batch.input.manifest.files.add(uri="file:///a")
    request.batch.input.manifest.files.add(uri="file:///b").config.language_model = "legal"
    request.batch.output.formats.extend([storage_pb2.TRANSCRIPT_FORMAT_SRT, 99])  # type: ignore[list-item]
    assert set(refused(request)) == {
        "batch.input.manifest.files[1].config.language_model",
        "batch.output.formats[1]",
    }


def test_secrets_are_not_repeated_in_what_is_said_of_them() -> None:
    request = job_service_pb2.CreateJobRequest()
    request.job.notifications.add(url="https://example.org", signing_secret="hunter2")
    violations = Violations()
    refuse_unsupported(request, violations)
    assert [violation.field for violation in violations.found] == ["job.notifications"]
    assert "hunter2" not in str(violations.found)
