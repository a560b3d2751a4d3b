"""What the demos are made of: commands that are shown as they are run, headings, and a server that is waited for."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BATCHSCRIBE = Path(sys.executable).with_name("batchscribe")


def run(*arguments: str, expected: int = 0) -> None:
    """Show a batchscribe command and run it; another exit status than the `expected` ends the demo."""
    show(arguments)
    status = subprocess.run([BATCHSCRIBE, *arguments], check=False).returncode
    if status != expected:
        raise SystemExit(f"it ended with status {status}, not {expected}")


def show(arguments: object, suffix: str = "") -> None:
    """Print a command as one would type it."""
    words = [word.replace(str(REPOSITORY), "$PWD") for word in map(str, arguments)]  # type: ignore[call-overload]
    print(f"\n$ batchscribe {' '.join(shlex.quote(w) if '$PWD' not in w else w for w in words)} {suffix}", flush=True)


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def wait_for_server(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers that it serves: its engine has started."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest()
        for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=120, wait_for_ready=True):
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            if server.poll() is not None:
                raise SystemExit(f"the server ended early; see {log}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
