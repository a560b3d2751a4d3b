"""The scripts that containers run."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.deployment import DEPLOY

CALL_ENVOY = DEPLOY / "compose" / "call_envoy.sh"


class _Admin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        found = (self.command, self.path) in {("GET", "/healthz"), ("POST", "/drain_listeners?graceful")}
        self.send_response(200 if found else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Admin) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _status(*words: str) -> int:
    return subprocess.run(["bash", CALL_ENVOY, *words], capture_output=True, check=False, timeout=10).returncode


def test_envoy_is_called_without_a_client(port: int) -> None:
    assert _status("GET", "/healthz", str(port)) == 0
    assert _status("POST", "/drain_listeners?graceful", str(port)) == 0
    assert _status("POST", "/healthz", str(port)) == 1


def test_an_envoy_that_is_not_there_is_not_well(port: int) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Admin) as server:
        gone = server.server_port
    assert _status("GET", "/healthz", str(gone)) != 0
