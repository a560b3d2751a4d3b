"""Writing a file into a folder that is open, so that a reader sees it whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class AtomicWriter:
    """Writes files and makes folders with the permissions that `umask` leaves, whatever this process's own is."""

    def __init__(self, umask: int) -> None:
        self._umask = umask

    def write(self, folder: int, name: str, pieces: Iterable[bytes], *, replace: bool) -> int:
        """Write a file and what tells of it down to the disk; returns its size.

        Raises FileExistsError where the name is taken and not to be replaced, and OSError.
        """
        # Hidden, so that no listing takes it for a file of its own. The name is new each time, since two who write one
        # output must not share it. So a kill in the middle leaves it behind, and nobody can tell from outside that its
        # writer is dead: docs/operations.md says how to remove such files.
        unfinished = f".batchscribe-{secrets.token_hex(8)}.part"
        with _readable(folder) as synced:
            try:
                size_bytes = self._write_through(folder, unfinished, pieces, mask=_mask_applies(synced))
                if replace:
                    os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    _publish_new(folder, unfinished, name)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=folder)
            with suppress(OSError):  # not every file system lets folders be synced
                os.fsync(synced)
        return size_bytes

    def make_folder(self, name: str, parent: int) -> None:
        """Make a folder in another; one that is there already is fine. Raises OSError."""
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:
            return
        with _readable(parent) as above, _readable(parent, name) as made:
            if _mask_applies(above):
                special = os.fstat(made).st_mode & 0o7000  # a folder's group may be for all that is made in it
                os.fchmod(made, special | (0o777 & ~self._umask))

    def _write_through(self, folder: int, name: str, pieces: Iterable[bytes], *, mask: bool) -> int:
        with open(os.open(name, _NEW, 0o666, dir_fd=folder), "wb") as file:  # noqa: PTH123 - a descriptor
            if mask:
                os.fchmod(file.fileno(), 0o666 & ~self._umask)
            size_bytes = sum(file.write(piece) for piece in pieces)
            file.flush()
            os.fsync(file.fileno())
        return size_bytes


@contextmanager
def _readable(folder: int, name: str = ".") -> Iterator[int]:
    """A folder that is open to pass through, opened to be looked at."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mask_applies(folder: int) -> bool:
    """Whether a umask decides on what is made in a folder: where it has a default ACL, that does."""
    try:
        os.getxattr(folder, "system.posix_acl_default")
    except (OSError, AttributeError):
        return True
    return False


def _publish_new(folder: int, unfinished: str, name: str) -> None:
    """Give a finished file its name unless that is taken. Raises FileExistsError."""
    try:
        os.link(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # No hard links here (FAT, some network shares): take the name first, then replace what took it.
        os.close(os.open(name, _NEW, 0o666, dir_fd=folder))
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
