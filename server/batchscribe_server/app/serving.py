"""One run of a server: from its settings to the last of what it was asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.memory import give_back_memory
from batchscribe_server.app.parts import Parts, opened_parts
from batchscribe_server.app.privacy import keep_to_ourselves
from batchscribe_server.logs import configure_logging
from batchscribe_server.metrics.exposition import exposed, new_registry
from batchscribe_server.metrics.probes import Probes
from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.rpc.admin_server import AdminServer
from batchscribe_server.rpc.server import RpcServer
from batchscribe_server.settings import (
    MetricsSettings,
    Settings,
    SettingsError,
    load_settings,
    problems_of,
)
from batchscribe_server.store.errors import StoreError

log = structlog.get_logger()

CLOSING_GRACE_S = 5.0

DEFAULT_ADDRESS = "127.0.0.1:50051"
"""Where clients look for a server."""


def serve(options: Mapping[str, Any]) -> int:
    """Run a server until SIGTERM or SIGINT; `options` are the command line's. Returns the exit status."""
    try:
        settings = load_settings(options)
    except ValidationError as error:
        for problem in problems_of(error):
            print(f"batchscribe: {problem}", file=sys.stderr)
        return 2
    except SettingsError as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings, keep_to_ourselves()))
    except (StartupError, StoreError) as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, outputs_umask: int) -> None:
    at_terminal = settings.log_format != "json" and sys.stderr.isatty()
    if not at_terminal:
        log.info("settings", **settings.redacted())
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    _listen_for_signals(stopping, hurrying)
    registry = new_registry()
    probes = Probes()
    async with (
        _metrics_exposed(registry, probes, settings.metrics),
        opened_parts(settings, registry, outputs_umask) as parts,
    ):
        probes.follow(lambda: parts.rpc.serving)
        await parts.housekeeping.recover()
        port = await _started(parts.rpc, settings.listen)
        address = _address(settings.listen, port)
        if at_terminal:
            print(greeting(settings, address), file=sys.stderr)
        else:
            log.info("listening", address=address, pid=os.getpid())
        if parts.admin is not None:
            port = await _started(parts.admin, settings.admin.listen)
            log.info("admin_listening", address=_address(settings.admin.listen, port))
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "dispatch": parts.dispatch.run,
            "scan": parts.scan.run,
            "finish": parts.finish.run,
            "delete": parts.delete.run,
            "housekeeping": parts.housekeeping.run,
            "presence": parts.presence.run,
            "status": partial(parts.showing.status, probes),
            "queue": parts.showing.queue,
            "memory": give_back_memory,
        }
        background = [asyncio.create_task(keep_running(name, run), name=name) for name, run in work.items()]
        try:
            await stopping.wait()
            await _drain(parts, settings.drain_timeout_s, hurrying)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await parts.presence.leave()
            if parts.admin is not None:
                await parts.admin.stop()
    log.info("stopped")


@asynccontextmanager
async def _metrics_exposed(
    registry: CollectorRegistry, probes: Probes, settings: MetricsSettings
) -> AsyncIterator[None]:
    if settings.address is None:
        yield
        return
    async with AsyncExitStack() as stack:
        host, port = settings.address
        try:
            port = await stack.enter_async_context(exposed(registry, probes, host, port))
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise StartupError(f"cannot listen on {settings.listen} for metrics: {words}") from error
        log.info("metrics_listening", address=_address(settings.listen, port))
        yield


async def _started(server: RpcServer | AdminServer, address: str) -> int:
    """The port on which it listens. Raises StartupError."""
    try:
        return await server.start(address)
    except RuntimeError as error:
        raise StartupError(f"cannot listen on {address}: is another server there?") from error


def greeting(settings: Settings, address: str) -> str:
    """What somebody at a terminal is to know of a server that has started, and to do next."""
    there = "" if address == DEFAULT_ADDRESS else f" --address {address}"
    return (
        f"batchscribe serves at {address}, with the model {settings.model}; its data is in {settings.data_dir}.\n"
        f"Transcribe a file, from another terminal:  batchscribe transcribe FILE{there}\n"
        "Stop it with Ctrl-C."
    )


def _address(listen: str, port: int) -> str:
    return f"{listen.rpartition(':')[0]}:{port}"


async def _drain(parts: Parts, timeout_s: float, hurrying: asyncio.Event) -> None:
    """Refuse new work, let running files end or give them back, end the watches, close the port.

    Not before balancers have seen it: a call that arrives while the port is closed is lost.
    """
    log.info("draining", running=parts.dispatch.running, timeout_s=timeout_s)
    await parts.rpc.begin_drain()
    patient = asyncio.create_task(_let_end(parts, timeout_s))
    hurry = asyncio.create_task(hurrying.wait())
    await asyncio.wait({patient, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not patient.done():
        await parts.dispatch.drain(0)
        patient.cancel()
    with suppress(asyncio.CancelledError):
        await patient
    await parts.rpc.drain(CLOSING_GRACE_S)


async def _let_end(parts: Parts, timeout_s: float) -> None:
    await asyncio.gather(parts.dispatch.drain(timeout_s), asyncio.sleep(parts.leaving_s))


def _listen_for_signals(stopping: asyncio.Event, hurrying: asyncio.Event) -> None:
    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
