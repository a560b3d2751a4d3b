"""Servers of others that tests start: a port for them, and the wait until they answer."""

from __future__ import annotations

import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_S = 60.0


_LOWEST_PORT = 10_000
_EPHEMERAL_PORTS = 32_768
"""From here on Linux gives ports to whoever connects, or asks for any."""


def free_port(below: int = _EPHEMERAL_PORTS) -> int:
    """A port that was free a moment ago and that nobody gets by chance, so that a server may come back to it."""
    while True:
        port = random.SystemRandom().randrange(_LOWEST_PORT, below)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def wait_until_it_answers(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something answers HTTP there, be it with a refusal. Raises AssertionError with the end of the log."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            return  # it refuses us, so it is there
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not come up:\n{log.read_text()[-4000:]}")
