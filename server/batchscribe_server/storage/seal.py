"""Credentials sealed with Fernet (AES-128-CBC and HMAC-SHA256, github.com/fernet/spec), by keys that can be rotated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from batchscribe_server.domain.access import Access, Profile, S3Credentials, StorageAccess
from batchscribe_server.operations.access import SealBrokenError


class _SealedProfile(msgspec.Struct, tag="profile"):
    name: str


class _SealedS3(msgspec.Struct, tag="s3"):
    access_key_id: str
    secret_access_key: str
    session_token: str
    endpoint: str
    region: str


class _Both(msgspec.Struct):
    input: _SealedProfile | _SealedS3 | None
    output: _SealedProfile | _SealedS3 | None


class FernetSeal:
    """The first key seals; what any of them has sealed can be opened."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Keys are 32 bytes in URL-safe base64. Raises ValueError for what is none."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def sealed(self, access: StorageAccess) -> bytes:
        """The access, encrypted."""
        both = _Both(_to_seal(access.input), _to_seal(access.output))
        return self._fernet.encrypt(msgspec.json.encode(both))

    def opened(self, sealed: bytes) -> StorageAccess:
        """The access."""
        try:
            both = msgspec.json.decode(self._fernet.decrypt(sealed), type=_Both)
        except (InvalidToken, msgspec.MsgspecError):
            raise SealBrokenError("sealed with a key that is not here, or changed since") from None
        return StorageAccess(_from_seal(both.input), _from_seal(both.output))


def key_of(path: Path) -> str:
    """The key in a file that only its owner may read; made where there is none. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    key = Fernet.generate_key().decode()
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def _to_seal(access: Access | None) -> _SealedProfile | _SealedS3 | None:
    match access:
        case None:
            return None
        case Profile(name):
            return _SealedProfile(name)
        case S3Credentials():
            return _SealedS3(
                access.access_key_id, access.secret_access_key, access.session_token, access.endpoint, access.region
            )


def _from_seal(sealed: _SealedProfile | _SealedS3 | None) -> Access | None:
    match sealed:
        case None:
            return None
        case _SealedProfile():
            return Profile(sealed.name)
        case _SealedS3():
            return S3Credentials(
                sealed.access_key_id, sealed.secret_access_key, sealed.session_token, sealed.endpoint, sealed.region
            )
