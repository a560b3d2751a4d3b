"""The HTTP port: the metrics in Prometheus' text format, and probes for those who don't speak gRPC."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app

from batchscribe_server.metrics.probes import Probes

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

CLIENT_TIMEOUT_S = 30.0


def new_registry() -> CollectorRegistry:
    """An empty registry, which its maker hands to those who count."""
    # The library's switch: else each counter and each bucket list gets a second series, the time of its creation.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return CollectorRegistry()


@asynccontextmanager
async def exposed(registry: CollectorRegistry, probes: Probes, host: str, port: int) -> AsyncIterator[int]:
    """Answer on `host` and `port` (0: any that is free) while the block runs; gives the port.

    `/metrics`, `/healthz` and `/readyz`. The answers come from threads, so that a busy event loop holds no scrape up,
    and one that hangs is told. Raises OSError where it cannot listen.
    """
    # Off the loop, since it looks the host's name up.
    try:
        server = await asyncio.to_thread(_listening, host, port)
    except UnicodeError as error:
        raise OSError(f"{host!r} can be no host's name") from error
    server.set_app(_application(registry, probes))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up, or says nothing for too long, is not worth a line either."""
        if not isinstance(sys.exception(), OSError):
            log.exception("scrape_failed")


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT_S  # or else who connects and says nothing keeps a thread

    def log_message(self, format: str, *arguments: object) -> None:
        """A scrape is not worth a line."""


def _listening(host: str, port: int) -> _Server:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    kind = type("_FamilyServer", (_Server,), {"address_family": family})
    server: _Server = kind((host, port), _Handler)
    return server


def _application(registry: CollectorRegistry, probes: Probes) -> WSGIApplication:
    metrics: WSGIApplication = make_wsgi_app(registry)

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environment["PATH_INFO"]:
            case "/metrics":
                return metrics(environment, start_response)
            case "/healthz":
                return _told(start_response, holds=probes.live, words=("live", "the event loop hangs"))
            case "/readyz":
                return _told(start_response, holds=probes.ready, words=("ready", "not serving"))
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"there are /metrics, /healthz and /readyz\n"]

    return answer


def _told(start_response: StartResponse, *, holds: bool, words: tuple[str, str]) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
    start_response("200 OK" if holds else "503 Service Unavailable", headers)
    return [f"{words[0] if holds else words[1]}\n".encode()]
