"""SHA-256 digests of model files, computed once for each file as it is.

A digest is remembered with the file's size and time of writing in a small file, so that a start of the server does
not read gigabytes again. Whoever can write there can write the models as well: it guards against broken files, not
against an intruder.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from pathlib import Path


class DigestMismatchError(Exception):
    """The file is not the one that is meant; the message is plain words."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"digest mismatch: the weights have the SHA-256 {found}, not {expected}")


class Digests:
    """The digests known of files, kept in `record`. Its methods are called from threads."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._lock = threading.Lock()

    def sha256_of(self, file: Path) -> str:
        """The digest in hex. Raises OSError."""
        real_file = file.resolve()
        status = real_file.stat()
        state = [status.st_size, status.st_mtime_ns]
        with self._lock:
            known = self._read().get(str(real_file))
        if isinstance(known, list) and known[:2] == state and len(known) == 3:
            return str(known[2])
        with real_file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        self.remember(real_file, sha256)
        return sha256

    def remember(self, file: Path, sha256: str) -> None:
        """Note a digest that was computed while the file was written."""
        real_file = file.resolve()
        status = real_file.stat()
        with self._lock:
            known = self._read()
            known[str(real_file)] = [status.st_size, status.st_mtime_ns, sha256]
            self._record.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._record.with_name(f".{self._record.name}-{secrets.token_hex(8)}")
            try:
                unfinished.write_text(json.dumps(known, indent=1), encoding="utf-8")
                unfinished.replace(self._record)
            finally:
                unfinished.unlink(missing_ok=True)

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
