"""A real gateway in its own process, for tests: started, asked for its access log, stopped."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.listening import PATIENCE_S, free_port
from tests.running_server import BATCHSCRIBE


class RunningGateway:
    """One gateway, from `start` to `stop` or `close`."""

    def __init__(self, folder: Path, *replicas: str, options: tuple[str, ...] = ()) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._out, self._err = folder / "gateway.out", folder / "gateway.err"
        self._command = [str(BATCHSCRIBE), "gateway", f"--listen={self.address}", "--log-format=json"]
        self._command += [*(f"--replica={replica}" for replica in replicas), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=err, start_new_session=True)
        self.logged("gateway_listening")

    def logged(self, event: str) -> dict[str, Any]:
        """The first line of its log that tells of an event, once it is there."""
        return _awaited_line(self._err, lambda line: line.get("event") == event, self._process)

    def access(self, request_id: str) -> dict[str, Any]:
        """The line of its access log about a request, once it is there."""
        return _awaited_line(self._out, lambda line: line.get("request_id") == request_id, self._process)

    def said(self) -> str:
        """All that it has written."""
        return self._out.read_text() + self._err.read_text()

    @property
    def admin(self) -> str:
        """Where Envoy's admin port is."""
        return str(self.logged("gateway_listening")["admin"])

    @property
    def envoy(self) -> psutil.Process:
        """Envoy's process."""
        assert self._process is not None, "the gateway is not running"
        (envoy,) = psutil.Process(self._process.pid).children()
        return envoy

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        assert self._process is not None, "the gateway is not running"
        self._process.terminate()

    def kill(self) -> None:
        """`kill -9`; waits until the process is gone."""
        assert self._process is not None, "the gateway is not running"
        self._process.kill()
        self.ended()

    def ended(self) -> int:
        """Wait for its end; the exit status."""
        assert self._process is not None, "the gateway is not running"
        status = self._process.wait(PATIENCE_S)
        self._process = None
        return status

    def close(self) -> None:
        """Whatever state it is in, leave nothing running: Envoy ends with it."""
        if self._process is not None:
            self.kill()


@contextmanager
def running_gateway(folder: Path, *replicas: str, options: tuple[str, ...] = ()) -> Iterator[RunningGateway]:
    """A started gateway in front of replicas that are there, once it has found one healthy; gone afterwards."""
    gateway = RunningGateway(folder, *replicas, options=options)
    try:
        gateway.start()
        wait_for_stat(gateway, "membership_healthy", len(replicas))
        yield gateway
    finally:
        gateway.close()


def replica_stat(gateway: RunningGateway, name: str) -> int:
    """A gauge or counter of Envoy's about the replicas, such as `membership_healthy`."""
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        answer = client.get(f"http://{gateway.admin}/stats?filter=cluster.batchscribe.{name}$")
    return int(answer.text.rpartition(":")[2])


def wait_for_stat(gateway: RunningGateway, name: str, least: int) -> None:
    """Wait until a gauge or counter about the replicas has come to that."""
    until_s = time.monotonic() + PATIENCE_S
    while replica_stat(gateway, name) < least:
        assert time.monotonic() < until_s, gateway.said()[-4000:]
        time.sleep(0.05)


def _awaited_line(path: Path, wanted: Any, process: subprocess.Popen[bytes] | None) -> dict[str, Any]:
    until_s = time.monotonic() + PATIENCE_S
    while True:
        # The last line may still be in the making.
        for text in path.read_text().split("\n")[:-1]:
            line = json.loads(text) if text.startswith("{") else {}
            if wanted(line):
                return dict(line)
        assert process is None or process.poll() is None, f"the gateway ended:\n{path.read_text()[-4000:]}"
        assert time.monotonic() < until_s, f"it is not told:\n{path.read_text()[-4000:]}"
        time.sleep(0.02)
