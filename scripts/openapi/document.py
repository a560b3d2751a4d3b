"""The OpenAPI document of the REST surface, as the gateway offers it."""

from __future__ import annotations

from typing import Any

from batchscribe_server.gateway.contract import SERVICES
from scripts.openapi.comments import Comments
from scripts.openapi.paths import ERROR_RESPONSE, REQUEST_ID_HEADER, operations_of
from scripts.openapi.schemas import Schema, Schemas

_DESCRIPTION = """\
Batch speech to text over REST, as Envoy offers it in front of batchscribe's gRPC API: see `batchscribe gateway`.

Fields are named as in the protos; camelCase is read too. Every field that is not a message is in an answer, also where
it has its default. 64-bit integers are strings. A field of a body that is not known is ignored, a query parameter that
is not known refused. Uploads are for gRPC clients: UploadMedia has no REST."""

_STATUSES = """\
The call failed; `details` holds a google.rpc.ErrorInfo whose `reason` is stable, which is also in the header \
`x-error-reason` where the service itself answers. Codes as HTTP statuses: INVALID_ARGUMENT, FAILED_PRECONDITION and \
OUT_OF_RANGE 400, UNAUTHENTICATED 401, PERMISSION_DENIED 403, NOT_FOUND 404, ALREADY_EXISTS and ABORTED 409, \
RESOURCE_EXHAUSTED 429, INTERNAL 500, UNIMPLEMENTED 501, UNAVAILABLE 503, DEADLINE_EXCEEDED 504."""


def document(comments: Comments) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    schemas = Schemas(comments)
    paths: dict[str, Schema] = {}
    for service in SERVICES:
        for method in service.methods:
            for path, verb, operation in operations_of(method, schemas, comments):
                paths.setdefault(path, {})[verb] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "batchscribe",
            "version": "v1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "`batchscribe gateway` on this machine"}],
        "tags": [{"name": service.name, "description": comments[service.full_name]} for service in SERVICES],
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**schemas.components, "Status": _STATUS}.items())),
            "headers": {
                "RequestId": {
                    "description": "The id of the request, as it was sent or made: it finds the request in the logs.",
                    "schema": {"type": "string"},
                },
                "ErrorReason": {
                    "description": "The stable reason of an error of the service.",
                    "schema": {"type": "string"},
                },
            },
            "responses": {
                ERROR_RESPONSE: {
                    "description": _STATUSES,
                    "headers": {**REQUEST_ID_HEADER, "x-error-reason": {"$ref": "#/components/headers/ErrorReason"}},
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
                }
            },
        },
    }


_STATUS: Schema = {
    "type": "object",
    "description": "An error: google.rpc.Status.",
    "required": ["code", "message", "details"],
    "properties": {
        "code": {"type": "integer", "description": "The gRPC code."},
        "message": {"type": "string", "description": "What is wrong, in plain words."},
        "details": {
            "type": "array",
            "description": (
                "google.rpc.ErrorInfo with the `reason` on every error; RequestInfo with the `request_id`; "
                "BadRequest with `field_violations` on INVALID_ARGUMENT; RetryInfo, QuotaFailure and "
                "PreconditionFailure where they are apt."
            ),
            "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {
                    "@type": {"type": "string", "pattern": r"^type\.googleapis\.com/google\.rpc\."},
                    "reason": {"type": "string"},
                    "domain": {"type": "string"},
                    "request_id": {"type": "string"},
                    "field_violations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "field": {"type": "string"},
                                "description": {"type": "string"},
                                "reason": {"type": "string"},
                            },
                        },
                    },
                },
                "additionalProperties": True,
            },
        },
    },
}
