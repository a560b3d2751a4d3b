"""A server, and its children with all of their libraries, open no connection that no setting names."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from batchscribe import Client
from tests.many_files import UTTERANCES
from tests.network_alone import ALONE, NAMESERVER, Exit, is_allowed
from tests.running_server import running_server
from tests.speech import spoken

pytestmark = pytest.mark.slow

IDLE_S = 30.0
"""onnxruntime's telemetry called within this time."""


@pytest.mark.skipif(not is_allowed(), reason="no network namespaces here")
def test_nobody_is_called(tmp_path: Path) -> None:
    recording = spoken(UTTERANCES[0])
    command = [*ALONE, sys.executable, "-m", __name__, str(tmp_path), str(recording)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def main(folder: str, recording: str) -> None:
    """Print where packets went, of a server at work and then idle."""
    way_out = Exit()
    with suppress(OSError):
        socket.getaddrinfo("example.com", 443)
    assert NAMESERVER in way_out.destinations(), "what leaves is not seen"
    with running_server(Path(folder), "--model=tiny.en") as server:
        with Client(server.address) as client:
            assert client.transcribe(recording).text
        time.sleep(IDLE_S)
        print(*way_out.destinations())
        assert server.stop() == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
