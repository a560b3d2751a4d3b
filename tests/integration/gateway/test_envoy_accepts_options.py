"""Every option of the gateway, and combinations of them: refused by its name, or accepted by the real Envoy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.gateway.envoy import Envoy, envoy_binary
from batchscribe_server.gateway.options import MAX_DRAIN_S, MAX_RATE_LIMIT, OptionError, parsed_options
from tests.certificates import Authority

ORIGIN = "https://console.example.org"

GIVEN: list[dict[str, Any]] = [
    {},
    {"cors_origin": ["*"]},
    {"cors_origin": [ORIGIN, "http://localhost:3000", "http://[::1]:3000", "*"]},
    {"cors_origin": ["https://Console.Example.org"], "rate_limit": 1},
    {"host": ["scribe.example.org", "[::1]", "10.0.0.1"]},
    {"rate_limit": MAX_RATE_LIMIT, "drain_delay_s": MAX_DRAIN_S, "drain_timeout_s": float(MAX_DRAIN_S)},
    {"listen": "[::1]:0", "admin_listen": "[::1]:0", "replica": ["[::1]:50051"]},
    {"listen": "0.0.0.0:8080", "host": ["scribe"], "replica": ["scribe.internal:50051", "10.0.0.1:50051"]},
    {"listen": "[::]:8443", "tls": True, "cors_origin": ["*"], "rate_limit": 50},
    {"tls": True, "client_ca": True, "cors_origin": [ORIGIN], "host": ["scribe"], "rate_limit": 50, "drain_delay_s": 1},
]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: "+".join(given) or "nothing")
def test_envoy_accepts_what_the_options_may_be(given: dict[str, Any], tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    if given.get("tls"):
        authority = Authority(tmp_path, "authority")
        own = authority.certify("gateway")
        files = {"tls_cert": own.certificate, "tls_key": own.key}
        files |= {"client_ca": authority.certificate} if given.get("client_ca") else {}
    options = parsed_options({"replica": ["127.0.0.1:50051"], **given, **files})
    Envoy(envoy_binary(), tmp_path, options, "warning").validate()


@pytest.mark.parametrize(
    "given",
    [
        {"rate_limit": MAX_RATE_LIMIT + 1},
        {"drain_delay_s": MAX_DRAIN_S + 1},
        {"drain_timeout_s": float("inf")},
        {"cors_origin": ['https://a"]=1}os.exit()--']},
        {"cors_origin": ["https://a b"]},
        {"host": ['a"]']},
        {"host": ["scribe:8080"]},
        {"host": [""]},
    ],
    ids=repr,
)
def test_the_rest_is_refused_by_the_name_of_its_option(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(OptionError, match="--" + name.removesuffix("_s").replace("_", "-")):
        parsed_options({"replica": ["127.0.0.1:50051"], **given})
