"""One run of a gateway: from its options to the last call that was open when it was told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from batchscribe_server.gateway.admin import EnvoyAdmin
from batchscribe_server.gateway.envoy import Envoy, envoy_binary
from batchscribe_server.gateway.errors import EnvoyMissingError, GatewayError
from batchscribe_server.gateway.options import GatewayOptions, OptionError, Tls, parsed_options
from batchscribe_server.logs import configure_logging

log = structlog.get_logger()


def serve(given: Mapping[str, Any], *, log_level: str = "info", log_format: str = "auto") -> int:
    """Run a gateway until SIGTERM or SIGINT; `given` is as for `parsed_options`. Returns the exit status."""
    configure_logging(log_level, log_format)
    try:
        options = parsed_options(given)
        _check_files(options.tls)
        binary = envoy_binary()
        with tempfile.TemporaryDirectory(prefix="batchscribe-gateway-") as folder:
            envoy = Envoy(binary, Path(folder), options, _envoy_log_level(log_level))
            envoy.validate()
            asyncio.run(_serve(envoy, options))
    except (OptionError, EnvoyMissingError) as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 2
    except GatewayError as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 1
    return 0


def _check_files(tls: Tls | None) -> None:
    """Raises OptionError for a file that can't be read; what is in it is for Envoy to check."""
    if tls is None:
        return
    for option, file in (("--tls-cert", tls.certificate), ("--tls-key", tls.key), ("--client-ca", tls.client_ca)):
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as error:
            raise OptionError(f"{option}: {file}: {(error.strerror or str(error)).lower()}") from error


async def _serve(envoy: Envoy, options: GatewayOptions) -> None:
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    _listen_for_signals(stopping, hurrying)
    try:
        admin = await envoy.start()
        log.info(
            "gateway_listening",
            address=str(options.listen),
            admin=admin.address,
            replicas=[str(replica) for replica in options.replicas],
            tls=options.tls is not None,
            client_certificates=options.tls is not None and options.tls.client_ca is not None,
            pid=os.getpid(),
        )
        ended = asyncio.create_task(envoy.ended())
        await _first_of(asyncio.create_task(stopping.wait()), ended)
        if not ended.done():
            await _first_of(
                asyncio.create_task(_drain(admin, options.drain_timeout_s)), asyncio.create_task(hurrying.wait()), ended
            )
        if ended.done():
            raise GatewayError(f"Envoy ended by itself, with the status {ended.result()}")
    finally:
        await envoy.stop()
    log.info("gateway_stopped")


async def _drain(admin: EnvoyAdmin, timeout_s: float) -> None:
    """Be unhealthy, ask clients to go elsewhere, close the port, and let the calls that are open end.

    `timeout_s` counts from the closing of the port on.
    """
    try:
        log.info("gateway_draining", open_calls=await admin.active_requests(), timeout_s=timeout_s)
        await admin.fail_health_checks()
        await admin.begin_drain()
    except OSError as error:
        raise GatewayError(f"Envoy does not answer on its admin port: {error}") from error
    await admin.port_closed()
    try:
        async with asyncio.timeout(timeout_s):
            await admin.calls_ended()
    except TimeoutError:
        with suppress(OSError):
            log.warning("gateway_cuts_off", open_calls=await admin.active_requests())


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first to end, which raises what it raised, and give up those of the others that are not Envoy's."""
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    for task in pending:
        if task is not tasks[-1]:
            task.cancel()


def _listen_for_signals(stopping: asyncio.Event, hurrying: asyncio.Event) -> None:
    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _envoy_log_level(level: str) -> str:
    # At "info" Envoy tells of its own start at length; nothing in it is for an operator.
    return "warning" if level == "info" else level
