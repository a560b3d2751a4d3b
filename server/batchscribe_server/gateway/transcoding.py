"""REST: how JSON becomes the contract's messages and back, and how the gateway's own refusals look."""

from __future__ import annotations

from dataclasses import dataclass

from batchscribe_server.gateway.contract import SERVICE_NAMES
from batchscribe_server.gateway.typed import Config, typed

TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
BUFFER = "envoy.filters.http.buffer"

# As much as a replica takes (RpcLimits), and as much as a page of a thousand jobs may be as JSON.
_MAX_REQUEST_BYTES = 4 << 20
_MAX_RESPONSE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What Envoy itself answers with an HTTP status: the gRPC code beside it, and the reason."""

    http: int
    code: int
    reason: str
    message: str = "%LOCAL_REPLY_BODY%"


_REFUSALS = (
    _Refusal(400, 3, "MALFORMED_REQUEST"),
    _Refusal(403, 7, "ORIGIN_NOT_ALLOWED"),
    _Refusal(404, 5, "NO_SUCH_PATH", "There is no such path."),
    _Refusal(405, 12, "NO_SUCH_METHOD"),
    _Refusal(408, 4, "REQUEST_TIMEOUT"),
    _Refusal(413, 8, "REQUEST_TOO_LARGE"),
    _Refusal(415, 3, "UNSUPPORTED_CONTENT_TYPE"),
    _Refusal(421, 7, "HOST_NOT_KNOWN"),
    _Refusal(429, 8, "RATE_LIMITED"),
    _Refusal(431, 8, "HEADERS_TOO_LARGE"),
    _Refusal(502, 14, "NO_ANSWER"),
    _Refusal(503, 14, "NO_REPLICA"),
    _Refusal(504, 4, "TIMEOUT"),
)
"""All refusals of the gateway that say more than that something went wrong."""

GATEWAY_REASONS = tuple(refusal.reason for refusal in _REFUSALS)


def request_buffer() -> Config:
    """The filter that holds a REST call back until it is there whole, on routes that have a limit for it alone."""
    unused = typed("extensions.filters.http.buffer.v3.Buffer", max_request_bytes=_MAX_REQUEST_BYTES)
    return {"name": BUFFER, "typed_config": unused, "disabled": True}


def request_size_limit() -> Config:
    """The limit of a route: what is larger is refused before a replica hears of it."""
    return typed("extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": _MAX_REQUEST_BYTES})


def transcoder(descriptors: Config) -> Config:
    """The filter: streams as newline-delimited JSON. `descriptors` says where the descriptor set is."""
    return {"name": TRANSCODER, "typed_config": _transcoding(descriptors, sse=False)}


def streams_as_sse(descriptors: Config) -> Config:
    """The same for a route: streams as server-sent events."""
    return _transcoding(descriptors, sse=True)


def _transcoding(descriptors: Config, *, sse: bool) -> Config:
    return typed(
        "extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        **descriptors,
        services=list(SERVICE_NAMES),
        convert_grpc_status=True,
        # As browsers and HTTP libraries write a space.
        query_param_unescape_plus=True,
        max_request_body_size=_MAX_REQUEST_BYTES,
        max_response_body_size=_MAX_RESPONSE_BYTES,
        print_options={
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
            "stream_newline_delimited": True,
            "stream_sse_style_delimited": sse,
        },
        request_validation_options={
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
    )


def refusals_as_json() -> Config:
    """What Envoy itself answers to REST calls: a google.rpc.Status in JSON, as replicas' errors are."""
    return {"mappers": [_mapper(refusal) for refusal in _REFUSALS]}


def _mapper(refusal: _Refusal) -> Config:
    status = {
        "code": refusal.code,
        "message": refusal.message,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": refusal.reason,
                "domain": "batchscribe",
            },
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": "%REQ(X-REQUEST-ID)%"},
        ],
    }
    has_status = {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": refusal.http, "runtime_key": "none"}}
        }
    }
    return {
        "filter": {"and_filter": {"filters": [has_status, _IS_REST]}},
        "body_format_override": {"json_format": status, "content_type": "application/json"},
    }


def _header_filter(name: str, **match: object) -> Config:
    return {"header_filter": {"header": {"name": name, **match}}}


# A REST call that the transcoder has taken looks like gRPC, but for the path that it keeps.
_IS_REST: Config = {
    "or_filter": {
        "filters": [
            _header_filter(
                "content-type",
                string_match={"prefix": "application/grpc"},
                treat_missing_header_as_empty=True,
                invert_match=True,
            ),
            _header_filter("x-envoy-original-path", present_match=True),
        ]
    }
}
