"""What a web page on this machine can make its browser send to a gateway on loopback, and what programs send."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.listening import free_port
from tests.running_gateway import RunningGateway

ORIGIN = "https://console.example.org"
EVIL = "https://evil.example"
JSON = {"content-type": "application/json"}
GRPC_PATH = "/batchscribe.v1.JobService/GetJob"
FOREIGN = (403, "ORIGIN_NOT_ALLOWED")
NO_JSON = (415, "UNSUPPORTED_CONTENT_TYPE")
PASSED = (503, "NO_REPLICA")  # what was let through finds no replica here


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    options = (f"--cors-origin={ORIGIN}", "--host=scribe.example")
    started = RunningGateway(tmp_path_factory.mktemp("gateway"), f"127.0.0.1:{free_port()}", options=options)
    try:
        started.start()
        yield started
    finally:
        started.close()


def asked(
    gateway: RunningGateway, method: str, path: str, headers: dict[str, str], content: bytes | None = None
) -> tuple[int, str]:
    """The status and the reason of an answer."""
    with httpx.Client(base_url=f"http://{gateway.address}", trust_env=False, timeout=60) as client:
        answer = client.request(method, path, headers=headers, content=content)
    reasons = [each["reason"] for each in answer.json()["details"] if "reason" in each]
    return answer.status_code, reasons[0]


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "answer"),
    [
        # Pages of other origins, with and without what needs a preflight.
        ("POST", "/v1/jobs", {"origin": EVIL, "content-type": "text/plain"}, b"{}", FOREIGN),
        ("POST", "/v1/jobs", {"origin": EVIL, **JSON}, b"{}", FOREIGN),
        ("POST", "/v1/jobs/x:cancel", {"origin": EVIL}, None, FOREIGN),
        ("POST", "/v1/jobs", {"origin": "null", **JSON}, b"{}", FOREIGN),
        ("GET", "/v1/jobs", {"origin": EVIL}, None, FOREIGN),
        ("GET", "/v1/jobs", {"origin": ORIGIN + ".evil.example"}, None, FOREIGN),
        # A name that was rebound to this machine.
        ("GET", "/v1/jobs", {"host": "rebind.evil.example"}, None, (421, "HOST_NOT_KNOWN")),
        ("GET", "/v1/jobs", {"host": "localhost.evil.example:80"}, None, (421, "HOST_NOT_KNOWN")),
        # What forms send, and bodies without a type.
        ("POST", "/v1/jobs", {"content-type": "text/plain"}, b"{}", NO_JSON),
        (
            "POST",
            "/v1/jobs",
            {"content-type": "application/x-www-form-urlencoded"},
            b"{}",
            NO_JSON,
        ),
        ("POST", "/v1/jobs", {"content-type": "application/jsonx"}, b"{}", NO_JSON),
        ("POST", "/v1/jobs", {}, b"{}", NO_JSON),
        ("PATCH", "/v1/batches/x", {"content-type": "text/plain"}, b"{}", NO_JSON),
        # JSON on the path of gRPC.
        ("POST", GRPC_PATH, JSON, b"{}", NO_JSON),
        ("GET", GRPC_PATH, {}, None, NO_JSON),
        # Programs, pages that may call, and pages of the gateway itself.
        ("GET", "/v1/jobs", {}, None, PASSED),
        ("POST", "/v1/jobs/x:cancel", {}, None, PASSED),
        ("DELETE", "/v1/jobs/x", {}, None, PASSED),
        ("POST", "/v1/jobs", JSON, b"{}", PASSED),
        ("POST", "/v1/jobs", {"content-type": "application/json; charset=utf-8"}, b"{}", PASSED),
        ("POST", "/v1/jobs", {"origin": ORIGIN, **JSON}, b"{}", PASSED),
        ("POST", "/v1/jobs", {"origin": "http://scribe.example", "host": "scribe.example", **JSON}, b"{}", PASSED),
        ("GET", "/v1/jobs", {"host": "LOCALHOST:8080"}, None, PASSED),
        ("GET", "/v1/jobs", {"host": "[::1]:8080"}, None, PASSED),
    ],
)
def test_only_pages_that_may_call_reach_it(
    gateway: RunningGateway,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes | None,
    answer: tuple[int, str],
) -> None:
    assert asked(gateway, method, path, headers, content) == answer
