"""docs/openapi.json against the messages it describes, written as the transcoder writes them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from batchscribe_server.gateway.contract import SERVICES
from tests.openapi import DOCUMENT, OpenApi

ANSWERS = sorted(
    {
        method.output_type
        for service in SERVICES
        for method in service.methods
        if method.output_type.file.package == "batchscribe.v1" and not method.client_streaming
    },
    key=lambda message: message.name,
)


def filled(descriptor: Descriptor, depth: int = 0) -> Message:
    """A message with a value in every field, of a oneof in the last."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)["key"] = "value"
        elif field.message_type is not None:
            if depth < 6:
                value = filled(field.message_type, depth + 1)
                target = getattr(message, field.name)
                target.add().CopyFrom(value) if field.is_repeated else target.CopyFrom(value)
        elif field.is_repeated:
            getattr(message, field.name).append(scalar(field))
        else:
            setattr(message, field.name, scalar(field))
    return message


def scalar(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    return {FieldDescriptor.CPPTYPE_STRING: "1", FieldDescriptor.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer.name))
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
def test_every_answer_is_as_the_document_says(answer: Descriptor, full: bool) -> None:
    message = filled(answer) if full else GetMessageClass(answer)()
    body = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    OpenApi().check_message(answer.name, body)


def test_an_answer_that_is_not_as_the_document_says_is_noticed() -> None:
    for body in ({"name": 1}, {"colour": "red"}, {"state": "STATE_LOST"}, {"queue_position": 1}):
        with pytest.raises(AssertionError):
            OpenApi().check_message("Job", body)


def test_everything_in_it_is_described() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        assert schema["description"]
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert all(parameter["description"] for parameter in operation.get("parameters", ()))


def test_a_creation_requires_what_a_change_does_not() -> None:
    check = OpenApi().check_request
    check("PATCH", "/v1/batches/b", {"update_mask"}, {"display_name": "x"})
    check("POST", "/v1/batches", set(), {"input": {"uri": "file:///x"}})
    with pytest.raises(AssertionError, match="input"):
        check("POST", "/v1/batches", set(), {"display_name": "x"})
