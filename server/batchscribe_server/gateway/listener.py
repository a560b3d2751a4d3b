"""The one port of the edge: gRPC, gRPC-Web, REST and health over HTTP/2 and HTTP/1.1, plain or with TLS."""

from __future__ import annotations

from batchscribe_server.gateway.browsers import browser_guard
from batchscribe_server.gateway.cluster import CLUSTER, KEEPALIVE
from batchscribe_server.gateway.options import GatewayOptions, Tls
from batchscribe_server.gateway.routes import REASON_HEADER, route_configuration
from batchscribe_server.gateway.transcoding import refusals_as_json, request_buffer, transcoder
from batchscribe_server.gateway.typed import Config, extension, typed

HEALTH_PATH = "/healthz"
STAT_PREFIX = "edge"

_FILTERS = "extensions.filters.http"

# So many addresses are told apart at once; the least recent ones start anew with a full bucket.
_RATE_LIMITED_ADDRESSES = 10_000


def edge_listener(options: GatewayOptions, descriptors: Config) -> Config:
    """The listener; `descriptors` says to the transcoder where the contract's are."""
    chain: Config = {
        "filters": [
            extension(
                "filters.network.http_connection_manager",
                "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                **_connection_manager(options, descriptors),
            )
        ]
    }
    if options.tls:
        chain["transport_socket"] = _tls(options.tls)
    address = {"address": options.listen.host, "port_value": options.listen.port}
    return {
        "name": "edge",
        "address": {"socket_address": address},
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [chain],
    }


def _connection_manager(options: GatewayOptions, descriptors: Config) -> Config:
    return {
        "stat_prefix": STAT_PREFIX,
        "codec_type": "AUTO",
        "use_remote_address": True,
        "normalize_path": True,
        "common_http_protocol_options": {"idle_timeout": "3600s", "headers_with_underscores_action": "DROP_HEADER"},
        "http2_protocol_options": {"max_concurrent_streams": 1000, "connection_keepalive": KEEPALIVE},
        # A watch may be idle for as long as it likes; a client that dawdles over its headers may not.
        "stream_idle_timeout": "0s",
        "request_headers_timeout": "10s",
        # Between a GOAWAY and the end of its connection.
        "drain_timeout": "5s",
        **_request_ids(),
        "access_log": [_access_log()],
        "local_reply_config": refusals_as_json(),
        "http_filters": _http_filters(options, descriptors),
        "route_config": route_configuration(descriptors, options.cors_origins),
    }


def _http_filters(options: GatewayOptions, descriptors: Config) -> list[Config]:
    health = extension(
        "filters.http.health_check",
        f"{_FILTERS}.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": HEALTH_PATH}}],
        cluster_min_healthy_percentages={CLUSTER: {"value": 1}},
    )
    return [
        health,
        *([extension("filters.http.cors", f"{_FILTERS}.cors.v3.Cors")] if options.cors_origins else []),
        browser_guard(options),
        *([_rate_limit(options.rate_limit)] if options.rate_limit else []),
        extension("filters.http.grpc_web", f"{_FILTERS}.grpc_web.v3.GrpcWeb"),
        request_buffer(),
        transcoder(descriptors),
        extension("filters.http.router", f"{_FILTERS}.router.v3.Router"),
    ]


def _rate_limit(requests_per_s: int) -> Config:
    """So many requests a second from each address, and twice as many at once; all of one address share them."""
    bucket = {"max_tokens": 2 * requests_per_s, "tokens_per_fill": requests_per_s, "fill_interval": "1s"}
    return extension(
        "filters.http.local_ratelimit",
        f"{_FILTERS}.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=STAT_PREFIX,
        filter_enabled=_always("filter_enabled"),
        filter_enforced=_always("filter_enforced"),
        # The bucket of requests without an address, of which there are none.
        token_bucket=bucket,
        always_consume_default_token_bucket=False,
        rate_limits=[{"actions": [{"remote_address": {}}]}],
        descriptors=[{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        max_dynamic_descriptors=_RATE_LIMITED_ADDRESSES,
        rate_limited_as_resource_exhausted=True,
        response_headers_to_add=[
            {"header": {"key": "retry-after", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    )


def _always(key: str) -> Config:
    return {"runtime_key": key, "default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def _request_ids() -> Config:
    """A request keeps the id that it comes with, or gets one; the answer says it again."""
    return {
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": typed("extensions.request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
        },
    }


def _access_log() -> Config:
    """A line of JSON for each request. No query, no header that a client may put a secret into, no message."""
    return extension(
        "access_loggers.stdout",
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                "time": "%START_TIME%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "client_subject": "%DOWNSTREAM_PEER_SUBJECT%",
                "protocol": "%PROTOCOL%",
                "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
                "path": "%PATH(NQ:ORIG_OR_PATH)%",
                "status": "%RESPONSE_CODE%",
                "grpc_status": "%GRPC_STATUS%",
                "reason": f"%RESP({REASON_HEADER.upper()})%",
                "detail": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "replica": "%UPSTREAM_HOST%",
                "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "received_bytes": "%BYTES_RECEIVED%",
                "sent_bytes": "%BYTES_SENT%",
                "duration_ms": "%DURATION%",
            }
        },
    )


def _tls(tls: Tls) -> Config:
    common: Config = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [
            {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
        ],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    if tls.client_ca:
        common["validation_context"] = {"trusted_ca": {"filename": str(tls.client_ca)}}
    return extension(
        "transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=tls.client_ca is not None,
    )
