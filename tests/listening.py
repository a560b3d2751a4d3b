"""Servers of others that tests start: a port for them, and the wait until they answer."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_S = 60.0


def free_port(below: int = 65_536) -> int:
    """A port that was free a moment ago."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < below:
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
