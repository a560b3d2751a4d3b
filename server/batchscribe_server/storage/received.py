"""What has come of an upload: counted and digested as it comes, and held against what was declared of it."""

from __future__ import annotations

import hashlib

from batchscribe_server.domain.errors import UploadMismatchError, UploadTooLargeError


class Received:
    """The size and the SHA-256 of one upload, of which no more is taken than is allowed and was declared."""

    def __init__(self, max_bytes: int, declared_size_bytes: int | None, declared_sha256: str) -> None:
        """Raises UploadTooLargeError where more was declared than is allowed."""
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._declared_size_bytes = declared_size_bytes
        self._declared_sha256 = declared_sha256.lower()
        self._digest = hashlib.sha256()
        self._check_size(declared_size_bytes or 0)

    @property
    def sha256(self) -> str:
        """The digest of all that was digested, in hex."""
        return self._digest.hexdigest()

    def count(self, more_bytes: int) -> None:
        """Count bytes that came. Raises UploadTooLargeError, and UploadMismatchError beyond the declared size."""
        size_bytes = self.size_bytes + more_bytes
        self._check_size(size_bytes)
        if self._declared_size_bytes is not None and size_bytes > self._declared_size_bytes:
            raise UploadMismatchError(f"more bytes came than the {self._declared_size_bytes} declared")
        self.size_bytes = size_bytes

    def digest(self, data: bytes) -> None:
        """Go on with more bytes. To be called in a thread where they are many."""
        self._digest.update(data)

    def check_whole(self) -> None:
        """Raises UploadMismatchError where all that came is not what was declared."""
        if self._declared_size_bytes not in (None, self.size_bytes):
            raise UploadMismatchError(
                f"{self.size_bytes} bytes came and {self._declared_size_bytes} were declared; send the file again"
            )
        if self._declared_sha256 and self._declared_sha256 != self.sha256:
            raise UploadMismatchError("the bytes that came do not have the SHA-256 declared; send the file again")

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise UploadTooLargeError(
                f"the upload has more than the {self._max_bytes} bytes that this server takes",
                max_bytes=str(self._max_bytes),
            )
