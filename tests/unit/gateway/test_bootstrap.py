"""Envoy's configuration, as far as it can be wrong without Envoy's noticing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from batchscribe_server.gateway.bootstrap import bootstrap
from batchscribe_server.gateway.contract import SERVICE_NAMES, Handling, descriptor_set, methods
from batchscribe_server.gateway.options import parsed_options
from batchscribe_server.gateway.routes import REASON_HEADER
from batchscribe_server.rpc.interceptor import REASON_KEY
from batchscribe_server.rpc.server import SERVICE_NAMES as SERVED_NAMES


def configured(**given: Any) -> dict[str, Any]:
    return bootstrap(parsed_options({"replica": ["127.0.0.1:50051"], **given}), Path("/d.binpb"))


def manager(config: dict[str, Any]) -> dict[str, Any]:
    (listener,) = config["static_resources"]["listeners"]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def routes_by_path(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (host,) = manager(config)["route_config"]["virtual_hosts"]
    return {route["match"]["path"]: route["route"] for route in host["routes"] if "path" in route["match"]}


def test_every_service_of_the_server_is_behind_the_gateway() -> None:
    assert set(SERVICE_NAMES) == set(SERVED_NAMES)


@pytest.mark.parametrize(
    ("method", "handling"),
    [
        ("JobService/CreateJob", Handling.WRITE),
        ("JobService/UploadMedia", Handling.UPLOAD),
        ("JobService/GetJob", Handling.LONG_POLL),
        ("JobService/WatchJob", Handling.STREAM),
        ("JobService/GetTranscript", Handling.STREAM),
        ("BatchService/ListBatches", Handling.READ),
        ("BatchService/RetryBatch", Handling.WRITE),
    ],
)
def test_methods_are_handled_by_their_shape(method: str, handling: Handling) -> None:
    assert dict(methods())[f"/batchscribe.v1.{method}"] is handling


def test_only_reads_are_repeated_after_a_replica_may_have_begun_them() -> None:
    routes = routes_by_path(configured())
    assert routes.keys() == dict(methods()).keys()
    for path, handling in methods():
        conditions = set(routes[path]["retry_policy"]["retry_on"].split(","))
        assert {"connect-failure", "refused-stream"} <= conditions
        assert ({"reset", "unavailable"} <= conditions) is handling.is_read
        assert handling.is_read or not {"reset", "unavailable", "5xx", "gateway-error"} & conditions


def test_no_stream_has_a_timeout_and_every_other_call_has_one() -> None:
    routes = routes_by_path(configured())
    for path, handling in methods():
        endless = handling in (Handling.STREAM, Handling.UPLOAD)
        assert (routes[path]["timeout"] == "0s") is endless


def test_the_reason_of_an_error_has_one_name() -> None:
    assert REASON_HEADER == REASON_KEY


def test_the_descriptor_set_is_whole_and_knows_the_details_of_errors() -> None:
    files = FileDescriptorSet.FromString(descriptor_set()).file
    names = [file.name for file in files]
    assert {"google/rpc/error_details.proto", "google/rpc/status.proto", "google/api/httpbody.proto"} <= set(names)
    for number, file in enumerate(files):
        assert set(file.dependency) <= set(names[:number])


def test_names_are_resolved_again_and_again_and_addresses_are_not() -> None:
    (static,) = configured()["static_resources"]["clusters"]
    (named,) = configured(replica=["scribe.internal:50051"])["static_resources"]["clusters"]
    assert (static["type"], named["type"]) == ("STATIC", "STRICT_DNS")


def test_the_access_log_tells_of_no_header_that_a_client_may_put_a_secret_into() -> None:
    text = json.dumps(manager(configured())["access_log"])
    assert "REQ(X-REQUEST-ID)" in text
    for secret in ("AUTHORIZATION", "COOKIE", "X-API-KEY", "%REQ(:PATH)%", "REFERER", "ORIG_OR_PATH:WQ", "PATH(WQ"):
        assert secret not in text.upper()


def test_filters_that_were_not_asked_for_are_not_there() -> None:
    plain = json.dumps(configured())
    assert "local_ratelimit" not in plain
    assert "http.cors" not in plain
    assert "DownstreamTlsContext" not in plain
    asked = json.dumps(configured(rate_limit=5, cors_origin=["*"], tls_cert=Path("/c"), tls_key=Path("/k")))
    assert "local_ratelimit" in asked
    assert "http.cors" in asked
    assert '"require_client_certificate": false' in asked
