"""Where each path leads, for how long, and when a call may be sent to another replica."""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe_server.gateway.cluster import CLUSTER
from batchscribe_server.gateway.contract import Handling, methods
from batchscribe_server.gateway.options import ANY_ORIGIN
from batchscribe_server.gateway.transcoding import BUFFER, TRANSCODER, request_size_limit, streams_as_sse
from batchscribe_server.gateway.typed import Config, extension, typed

REASON_HEADER = "x-error-reason"
"""Where replicas say the reason of an error once more, for proxies."""

# Beyond the five minutes that GetJob may be asked to wait.
_LONG_POLL_TIMEOUT = "330s"
_READ_TIMEOUT = "30s"
_WRITE_TIMEOUT = "60s"


def route_configuration(descriptors: Config, cors_origins: Sequence[str]) -> Config:
    """All routes; `descriptors` says to the transcoder where the contract's are."""
    host: Config = {
        "name": "edge",
        "domains": ["*"],
        "routes": [
            *_rest_routes(descriptors),
            *({"match": {"path": path}, "route": _ROUTES[handling]} for path, handling in methods()),
            {"match": {"prefix": "/grpc.health.v1."}, "route": _ROUTES[Handling.STREAM]},
            {"match": {"prefix": "/grpc.reflection."}, "route": _ROUTES[Handling.STREAM]},
            {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
        ],
    }
    if cors_origins:
        host["typed_per_filter_config"] = {"envoy.filters.http.cors": _cors_policy(cors_origins)}
    return {"name": "edge", "virtual_hosts": [host], "validate_clusters": False}


def _route(handling: Handling) -> Config:
    route: Config = {"cluster": CLUSTER, "retry_policy": _retry_policy(handling)}
    match handling:
        case Handling.STREAM | Handling.UPLOAD:
            # The client's own deadline holds.
            forever = {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"}
            return {**route, "timeout": "0s", "idle_timeout": "0s", "max_stream_duration": forever}
        case Handling.LONG_POLL:
            return {**route, "timeout": _LONG_POLL_TIMEOUT}
        case Handling.READ:
            return {**route, "timeout": _READ_TIMEOUT}
        case Handling.WRITE:
            return {**route, "timeout": _WRITE_TIMEOUT}


def _retry_policy(handling: Handling) -> Config:
    """Reads are repeated on another replica; what changes something only where it surely was not begun.

    A replica that drains says so (SERVER_DRAINING) before it begins anything. One that ends answers what comes too late
    as CANCELLED; that a client has cancelled is never an answer of a replica's.
    """
    surely_not_begun = "connect-failure,refused-stream,retriable-headers"
    return {
        "retry_on": f"{surely_not_begun},reset-before-request,reset,unavailable,cancelled"
        if handling.is_read
        else surely_not_begun,
        "retriable_headers": [{"name": REASON_HEADER, "string_match": {"exact": "SERVER_DRAINING"}}],
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "1s"},
        "retry_host_predicate": [
            extension(
                "retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 5,
    }


def _rest_routes(descriptors: Config) -> list[Config]:
    """REST has its routes twice: here until the transcoder knows the method, then by the method's own path.

    What it knows no method for stays here, and finds no cluster. (A direct response would do, had it CORS.)
    """
    unknown = {"cluster": "no-such-path", "cluster_not_found_response_code": "NOT_FOUND"}
    limited = {BUFFER: request_size_limit()}
    accepts_sse = {"name": "accept", "string_match": {"contains": "text/event-stream"}}
    return [
        {
            "match": {"prefix": "/v1/", "headers": [accepts_sse]},
            "route": unknown,
            "typed_per_filter_config": {**limited, TRANSCODER: streams_as_sse(descriptors)},
        },
        {"match": {"prefix": "/v1/"}, "route": unknown, "typed_per_filter_config": limited},
    ]


def _cors_policy(origins: Sequence[str]) -> Config:
    return typed(
        "extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[_origin_match(origin) for origin in origins],
        allow_methods="GET, POST, PATCH, DELETE, OPTIONS",
        allow_headers=(
            "authorization,content-type,accept,x-grpc-web,x-user-agent,grpc-timeout,connect-protocol-version,"
            "connect-timeout-ms,x-api-key,x-request-id"
        ),
        expose_headers=f"grpc-status,grpc-message,grpc-status-details-bin,x-request-id,retry-after,{REASON_HEADER}",
        max_age="86400",
        forward_not_matching_preflights=False,
    )


def _origin_match(origin: str) -> Config:
    # Envoy takes no empty prefix.
    return {"safe_regex": {"regex": ".*"}} if origin == ANY_ORIGIN else {"exact": origin.lower()}


# One for each handling, so that YAML can refer to what it has said.
_ROUTES = {handling: _route(handling) for handling in Handling}
