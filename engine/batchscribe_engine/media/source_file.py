"""The local file that is decoded, as FFmpeg is let to see it."""

from __future__ import annotations

import errno
import os
import stat

from batchscribe_engine.media.failure import MediaError

MIN_MEDIA_BYTES = 100

_HEAD_BYTES = 12

_UNKNOWN_RIFF_BYTES = 0x7FFF0000
"""From here on, the size in a WAV header stands for one that was not known when the header was written."""


class SourceFile:
    """A regular file that can be read and sought, and remembers when it was the disk that failed.

    It has no `name`, from which FFmpeg would guess formats. The size is that at the time of opening. The descriptor
    stays its owner's; others may read by it meanwhile, since the position is the reader's own.
    """

    def __init__(self, descriptor: int) -> None:
        """Read by an open descriptor. Raises MediaError (FETCH_FAILED, MEDIA_TOO_SMALL)."""
        self._descriptor = descriptor
        self._position = 0
        self._failure: OSError | None = None
        try:
            self.size_bytes = _sufficient_size(descriptor)
            self.head = os.pread(descriptor, _HEAD_BYTES, 0)
        except OSError as error:
            raise _unreadable(error) from error

    @property
    def is_wav(self) -> bool:
        """Whether it begins as a WAV file does."""
        return self.head.startswith(b"RIFF") and self.head[8:12] == b"WAVE"

    @property
    def declared_bytes(self) -> int:
        """The size that a WAV file should have by its header; 0 for all other files, and where it says nothing."""
        size_bytes = int.from_bytes(self.head[4:8], "little")
        return size_bytes + 8 if self.is_wav and size_bytes < _UNKNOWN_RIFF_BYTES else 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from where the file stands; none at its end."""
        try:
            data = os.pread(self._descriptor, size, self._position)
        except OSError as error:
            self._failure = error
            raise
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as `io.FileIO.seek` does."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        if offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = offset
        return offset

    def tell(self) -> int:
        """Where the file stands."""
        return self._position

    def raise_failure(self) -> None:
        """Raise MediaError if it was reading the file that failed, and not its content."""
        if self._failure is not None:
            raise _unreadable(self._failure) from self._failure


def _sufficient_size(descriptor: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("FETCH_FAILED", "The path names something that is not a regular file. Name a media file.")
    if status.st_size < MIN_MEDIA_BYTES:
        raise MediaError(
            "MEDIA_TOO_SMALL",
            f"The file has {status.st_size} bytes, too few to hold any sound. Check that it was uploaded whole.",
        )
    return status.st_size


def _unreadable(error: OSError) -> MediaError:
    return MediaError("FETCH_FAILED", f"The file could not be read: {error.strerror or error}. Try again.")
