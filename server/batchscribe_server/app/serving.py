"""One run of a server: from its settings to the last of what it was asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.parts import Parts, opened_parts
from batchscribe_server.logs import configure_logging
from batchscribe_server.metrics.exposition import exposed, new_registry
from batchscribe_server.settings import (
    MetricsSettings,
    Settings,
    SettingsFileError,
    load_settings,
)
from batchscribe_server.store.errors import StoreError

if TYPE_CHECKING:
    pass


log = structlog.get_logger()

STATUS_INTERVAL_S = 0.25
CLOSING_GRACE_S = 5.0


def serve(options: Mapping[str, Any]) -> int:
    """Run a server until SIGTERM or SIGINT; `options` are the command line's. Returns the exit status."""
    try:
        settings = load_settings(options)
    except ValidationError as error:
        for problem in error.errors():
            print(f"batchscribe: {'.'.join(map(str, problem['loc']))}: {problem['msg']}", file=sys.stderr)
        return 2
    except SettingsFileError as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings))
    except (StartupError, StoreError) as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    log.info("settings", **settings.redacted())
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    _listen_for_signals(stopping, hurrying)
    registry = new_registry()
    async with _metrics_exposed(registry, settings.metrics), opened_parts(settings, registry) as parts:
        await parts.housekeeping.recover()
        try:
            port = await parts.rpc.start(settings.listen)
        except RuntimeError as error:
            raise StartupError(f"cannot listen on {settings.listen}: is another server there?") from error
        log.info("listening", address=f"{settings.listen.rpartition(':')[0]}:{port}", pid=os.getpid())
        background = [
            asyncio.create_task(work, name=name)
            for name, work in {
                "dispatch": parts.dispatch.run(),
                "scan": parts.scan.run(),
                "finish": parts.finish.run(),
                "delete": parts.delete.run(),
                "housekeeping": parts.housekeeping.run(),
                "status": _show_status(parts),
            }.items()
        ]
        try:
            await _until_stopped(stopping, background)
            await _drain(parts, settings.drain_timeout_s, hurrying)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
    log.info("stopped")


@asynccontextmanager
async def _metrics_exposed(registry: CollectorRegistry, settings: MetricsSettings) -> AsyncIterator[None]:
    if settings.address is None:
        yield
        return
    async with AsyncExitStack() as stack:
        host, port = settings.address
        try:
            port = await stack.enter_async_context(exposed(registry, host, port))
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise StartupError(f"cannot listen on {settings.listen} for metrics: {words}") from error
        log.info("metrics_listening", address=f"{settings.listen.rpartition(':')[0]}:{port}")
        yield


async def _until_stopped(stopping: asyncio.Event, background: list[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop; a part that ends by itself has failed, and takes the server down with it."""
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({stop, *background}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    for task in done - {stop}:
        await task


async def _drain(parts: Parts, timeout_s: float, hurrying: asyncio.Event) -> None:
    """Refuse new work, let running files end or give them back, end the watches, close the port."""
    log.info("draining", running=parts.dispatch.running, timeout_s=timeout_s)
    await parts.rpc.begin_drain()
    patient = asyncio.create_task(parts.dispatch.drain(timeout_s))
    hurry = asyncio.create_task(hurrying.wait())
    await asyncio.wait({patient, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not patient.done():
        await parts.dispatch.drain(0)
    await patient
    await parts.rpc.drain(CLOSING_GRACE_S)


async def _show_status(parts: Parts) -> None:
    """Keep the health service true to the engine and the database, and the gauges to the engine."""
    was_ready = was_serving = False
    while True:
        status = parts.transcriber.status()
        parts.status_metrics.show(status, parts.dispatch.running)
        serving = status.ready and parts.store.serving
        if serving != was_serving:
            was_serving = serving
            await parts.rpc.set_serving(serving)
        if status.ready != was_ready:
            was_ready = status.ready
            log.info("engine_ready" if was_ready else "engine_not_ready", device=status.device, reason=status.reason)
        await asyncio.sleep(STATUS_INTERVAL_S)


def _listen_for_signals(stopping: asyncio.Event, hurrying: asyncio.Event) -> None:
    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
