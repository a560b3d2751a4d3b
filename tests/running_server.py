"""A real server in its own process, for tests and benchmarks: started, killed, started again on the same data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.listening import free_port

BATCHSCRIBE = Path(sys.executable).with_name("batchscribe")
_START_S = 90.0


class RunningServer:
    """One server at one address over one data directory, which outlives its process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = folder
        self.data_dir = folder.with_name(f"{folder.name}-data")  # beside its files: no file root may hold it
        self.log = folder / "server.log"
        self._arguments = [
            str(BATCHSCRIBE),
            "serve",
            f"--listen={self.address}",
            f"--data-dir={self.data_dir}",
            f"--file-root={folder}",
            "--log-format=json",
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> psutil.Process:
        """The server's process."""
        assert self._process is not None, "the server is not running"
        return psutil.Process(self._process.pid)

    def start(self, **environment: str) -> None:
        """Start it and wait until it says that it serves: its engine is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True
            )
        with grpc.insecure_channel(self.address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), timeout=_START_S, wait_for_ready=True
            )
            try:
                for answer in watch:
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            except grpc.RpcError as error:
                raise AssertionError(f"the server did not come up:\n{self.log.read_text()[-4000:]}") from error
        raise AssertionError("the server stopped serving before it served")

    def children(self, module: str) -> list[psutil.Process]:
        """Its child processes that run `module`, such as `batchscribe_engine.inference`."""
        return [child for child in self.process.children(recursive=True) if module in child.cmdline()]

    def kill(self) -> None:
        """`kill -9`, as a crash would; waits until the process is gone."""
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def abort(self) -> int:
        """SIGABRT, as a native library that fails; returns the exit status."""
        self.process.send_signal(signal.SIGABRT)
        return self._wait()

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait(timeout_s)

    def _wait(self, timeout_s: float = 60.0) -> int:
        assert self._process is not None
        status = self._process.wait(timeout_s)
        self._process = None
        return status

    def close(self) -> None:
        """Whatever state it is in, leave nothing running."""
        if self._process is not None:
            children = self.process.children(recursive=True) if self._process.poll() is None else []
            processes: list[subprocess.Popen[bytes] | psutil.Process] = [self._process, *children]
            for process in processes:
                try:
                    process.kill()
                except (ProcessLookupError, psutil.NoSuchProcess):
                    continue
            self._wait()


@contextmanager
def running_server(folder: Path, *options: str, **environment: str) -> Iterator[RunningServer]:
    """A started server that is gone afterwards."""
    server = RunningServer(folder, *options)
    try:
        server.start(**environment)
        yield server
    finally:
        server.close()
