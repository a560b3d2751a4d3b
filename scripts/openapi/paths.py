"""Methods as operations: where google.api.http puts them, and what they take and answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from batchscribe_server.domain.recognition import TranscriptFormat
from scripts.openapi.comments import Comments
from scripts.openapi.schemas import REQUIRED as REQUIRED_FIELD
from scripts.openapi.schemas import Schema, Schemas, behaviours_of, required_fields

_VARIABLE = re.compile(r"\{(?P<field>[a-z_.]+)=(?P<collection>[a-z]+)/(?P<wildcard>\*\*?)\}")
_SINGULARS = {"batches": "batch", "jobs": "job", "models": "model"}

ERROR_RESPONSE = "Error"
REQUEST_ID_HEADER = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}


def operations_of(method: MethodDescriptor, schemas: Schemas, comments: Comments) -> Iterator[tuple[str, str, Schema]]:
    """Path, HTTP method in lower case, and operation: one for each binding of a method, none where it has no REST."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule = options.Extensions[annotations_pb2.http]
    for number, binding in enumerate((rule, *rule.additional_bindings)):
        verb, template = _verb_and_template(binding)
        variables = [match.groupdict() for match in _VARIABLE.finditer(template)]
        path = _VARIABLE.sub(lambda match: f"{match['collection']}/{{{_SINGULARS[match['collection']]}}}", template)
        parents = "".join(_SINGULARS[variable["collection"]].capitalize() for variable in variables)
        text = comments[method.full_name]
        operation: Schema = {
            "operationId": f"{method.name}Of{parents}" if number else method.name,
            "tags": [method.containing_service.name],
            "summary": text.partition(". ")[0].removesuffix("."),
            "description": text,
        }
        parameters = [_path_parameter(variable) for variable in variables]
        parameters += _query_parameters(method.input_type, binding, variables, schemas)
        if parameters:
            operation["parameters"] = parameters
        if binding.body:
            operation["requestBody"] = _request_body(method, binding, variables, schemas)
        operation["responses"] = {
            "200": {**_answer(method, schemas), "headers": dict(REQUEST_ID_HEADER)},
            "default": {"$ref": f"#/components/responses/{ERROR_RESPONSE}"},
        }
        yield path, verb, operation


def _verb_and_template(rule: HttpRule) -> tuple[str, str]:
    verb = rule.WhichOneof("pattern")
    assert verb in ("get", "post", "patch", "delete"), f"the contract has no {verb}"
    return verb, getattr(rule, verb)


def _path_parameter(variable: dict[str, str]) -> Schema:
    singular = _SINGULARS[variable["collection"]]
    text = f"The id of the {singular}: `{variable['collection']}/{{{singular}}}` is its name."
    if variable["wildcard"] == "**":
        text += " It may hold slashes, which stand in the path as they are."
    return {"name": singular, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def _query_parameters(
    request: Descriptor, rule: HttpRule, variables: list[dict[str, str]], schemas: Schemas
) -> Iterator[Schema]:
    if rule.body == "*":
        return
    taken = {variable["field"] for variable in variables} | {rule.body}
    # A list of everything has no parent: the other binding has it.
    taken |= {"parent"}
    for field in request.fields:
        if field.name not in taken:
            yield _query_parameter(field, schemas)


def _query_parameter(field: FieldDescriptor, schemas: Schemas) -> Schema:
    schema = schemas.of_field(field)
    text = schema.pop("description")
    parameter = {"name": field.name, "in": "query", "description": text, "schema": schema}
    return {**parameter, "required": True} if REQUIRED_FIELD in behaviours_of(field) else parameter


def _request_body(
    method: MethodDescriptor, rule: HttpRule, variables: list[dict[str, str]], schemas: Schemas
) -> Schema:
    if rule.body == "*":
        bound = {variable["field"] for variable in variables}
        assert bound == {field.name for field in method.input_type.fields}, f"{method.name} has more in its body"
        return {"content": {"application/json": {"schema": {"type": "object", "maxProperties": 0}}}}
    resource = method.input_type.fields_by_name[rule.body].message_type
    assert resource is not None, f"{rule.body} of {method.name} is not a message"
    schema = schemas.of_message(resource)
    if method.name.startswith("Create") and (required := required_fields(resource)):
        schema = {"allOf": [schema], "required": required}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _answer(method: MethodDescriptor, schemas: Schemas) -> Schema:
    answered = method.output_type
    if answered.full_name == "google.api.HttpBody":
        media_types = sorted({format.media_type.partition(";")[0] for format in TranscriptFormat})
        contents: dict[str, Any] = {media_type: {"schema": {}} for media_type in media_types}
        return {"description": "The transcript, as its format is.", "content": contents}
    schema = schemas.of_message(answered)
    if not method.server_streaming:
        return {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    return {
        "description": (
            "A stream, open until what is watched has ended: one message as JSON in each line; with "
            "`Accept: text/event-stream` each as the `data` of a server-sent event. The schema is of one message. "
            "The last one tells of the end: a stream that ends without it broke, and is resumed with `after_sequence`."
        ),
        "content": {"application/json": {"schema": schema}, "text/event-stream": {"schema": schema}},
    }
