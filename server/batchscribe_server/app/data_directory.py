"""The data directory: one server's alone, whatever database it uses."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batchscribe_server.app.errors import StartupError


@contextmanager
def data_directory(path: Path) -> Iterator[None]:
    """Make the directory and hold it, with a lock that the system drops when this process dies. Raises StartupError.

    What lies there half fetched or half received is dropped at a start, and must not be another server's.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(path)
        lock = os.open(path / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"the data directory {path} cannot be made: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(
                f"Another server uses the data directory {path}. Stop it, or start this one with another."
            ) from None
        yield
    finally:
        os.close(lock)


def _close_to_others(path: Path) -> None:
    """What older versions made in the directory may be readable by all; the directory itself then must not be."""
    mode = path.stat().st_mode
    if mode & stat.S_IRWXO:
        with suppress(PermissionError):  # a mounted volume may be another's: what is made from now on is ours alone
            path.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)
