"""The local file that is decoded, as FFmpeg is let to see it."""

from __future__ import annotations

import os
import stat

from batchscribe_engine.media.failure import MediaError

MIN_MEDIA_BYTES = 100

_HEAD_BYTES = 12

_UNKNOWN_RIFF_BYTES = 0x7FFF0000
"""From here on, the size in a WAV header stands for one that was not known when the header was written."""


class SourceFile:
    """A regular file that can be read and sought, and remembers when it was the disk that failed.

    It has no `name`, from which FFmpeg would guess formats. The size is that at the time of opening.
    """

    def __init__(self, path: str) -> None:
        """Open the file. Raises MediaError (FETCH_FAILED, MEDIA_TOO_SMALL)."""
        try:
            # Non-blocking, so that a pipe put in the file's place can't hold the worker.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(error) from error
        self._descriptor = descriptor
        self._failure: OSError | None = None
        try:
            self.size_bytes = _sufficient_size(descriptor)
            self.head = os.pread(descriptor, _HEAD_BYTES, 0)
        except OSError as error:
            self.close()
            raise _unreadable(error) from error
        except MediaError:
            self.close()
            raise

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
            return os.read(self._descriptor, size)
        except OSError as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as `io.FileIO.seek` does."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """Where the file stands."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

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
