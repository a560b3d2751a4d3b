"""Credentials sealed with Fernet (AES-128-CBC and HMAC-SHA256, github.com/fernet/spec), by keys that can be rotated."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from batchscribe_server.domain.access import (
    Access,
    AzureCredentials,
    Fetch,
    IbmCredentials,
    Profile,
    S3Credentials,
    StorageAccess,
)
from batchscribe_server.operations.access import SealBrokenError

_MARK_DIGITS = 32

_KINDS: dict[str, type[Access]] = {
    "profile": Profile,
    "s3": S3Credentials,
    "ibm": IbmCredentials,
    "azure": AzureCredentials,
    "fetch": Fetch,
}
_KIND_OF = {shape: kind for kind, shape in _KINDS.items()}
_Tagged = tuple[str, dict[str, Any]] | None


class FernetSeal:
    """The first key seals; what any of them has sealed can be opened."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Keys are 32 bytes in URL-safe base64. Raises ValueError for what is none."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._marks = [_mark_of(key) for key in keys]

    @property
    def marks(self) -> Sequence[str]:
        """A digest of each key, which tells it from others and gives nothing of it away; the one that seals first."""
        return self._marks

    def sealed(self, access: StorageAccess) -> bytes:
        """The access, encrypted."""
        return self._fernet.encrypt(msgspec.json.encode((_tagged(access.input), _tagged(access.output))))

    def opened(self, sealed: bytes) -> StorageAccess:
        """The access."""
        try:
            both = msgspec.json.decode(self._fernet.decrypt(sealed), type=tuple[_Tagged, _Tagged])
            return StorageAccess(*map(_untagged, both))
        except (InvalidToken, msgspec.MsgspecError, KeyError):
            raise SealBrokenError("sealed with a key that is not here, or changed since") from None


def key_of(path: Path) -> str:
    """The key in a file that only its owner may read; made where there is none. Raises OSError.

    For one server at a time. A crash leaves the whole key or none.
    """
    if path.exists():
        return path.read_text().strip()
    key = Fernet.generate_key().decode()
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return key


def keys_in(path: Path) -> Sequence[str]:
    """The keys in a file, one in each line that is not empty. Raises OSError."""
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _mark_of(key: str) -> str:
    # Of the key itself, not of how it is written: there are two alphabets.
    return hashlib.sha256(b"batchscribe secrets key " + base64.urlsafe_b64decode(key)).hexdigest()[:_MARK_DIGITS]


def _tagged(access: Access | None) -> _Tagged:
    return None if access is None else (_KIND_OF[type(access)], msgspec.to_builtins(access))


def _untagged(tagged: _Tagged) -> Access | None:
    return None if tagged is None else msgspec.convert(tagged[1], type=_KINDS[tagged[0]])
