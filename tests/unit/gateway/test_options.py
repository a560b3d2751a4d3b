"""What an operator may say of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.gateway.options import Address, OptionError, Tls, parsed_options


def test_what_is_not_given_has_its_default() -> None:
    options = parsed_options({"replica": ["10.0.0.1:50051", "scribe.internal:50051", "[::1]:50051"]})
    assert [str(replica) for replica in options.replicas] == ["10.0.0.1:50051", "scribe.internal:50051", "[::1]:50051"]
    assert (str(options.listen), str(options.admin)) == ("127.0.0.1:8080", "127.0.0.1:0")
    assert (options.tls, options.rate_limit, options.cors_origins) == (None, 0, ())


def test_all_of_it() -> None:
    options = parsed_options(
        {
            "replica": ["a:1"],
            "listen": "[::]:8443",
            "admin_listen": "[::1]:9901",
            "tls_cert": Path("/c"),
            "tls_key": Path("/k"),
            "client_ca": Path("/a"),
            "rate_limit": 7,
            "cors_origin": ["https://a.example", "*"],
            "drain_delay_s": 2,
            "drain_timeout_s": 3.5,
        }
    )
    assert options.listen == Address("::", 8443)
    assert options.tls == Tls(Path("/c"), Path("/k"), Path("/a"))
    assert (options.rate_limit, options.drain_delay_s, options.drain_timeout_s) == (7, 2, 3.5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"replica": []}, "--replica: at least one"),
        ({"replica": ["nowhere"]}, "--replica: 'nowhere' is not HOST:PORT"),
        ({"replica": ["a b:1"]}, "--replica: 'a b:1'"),
        ({"replica": ["a:70000"]}, "--replica: 'a:70000'"),
        ({"replica": ["a:0"]}, "--replica: port 0"),
        ({"listen": "edge.example.org:80"}, "--listen: 'edge.example.org' is not an address"),
        ({"admin_listen": "0.0.0.0:9901"}, "--admin-listen: only a loopback address"),
        ({"admin_listen": "localhost:9901"}, "--admin-listen: only a loopback address"),
        ({"tls_cert": Path("/c")}, "--tls-cert and --tls-key go together"),
        ({"tls_key": Path("/k")}, "--tls-cert and --tls-key go together"),
        ({"client_ca": Path("/a")}, "--client-ca is for TLS"),
        ({"cors_origin": ["a.example"]}, "--cors-origin: 'a.example'"),
        ({"cors_origin": ["https://a.example/"]}, "--cors-origin: 'https://a.example/'"),
        ({"cors_origin": ["https://[a"]}, "--cors-origin: 'https://[a'"),
    ],
)
def test_what_can_not_be_is_refused_by_the_name_of_its_option(given: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError) as raised:
        parsed_options({"replica": ["a:1"], **given})
    assert says in str(raised.value)
