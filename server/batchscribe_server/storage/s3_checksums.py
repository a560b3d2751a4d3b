"""What outputs are checked with when they arrive at an S3 service, and what it declares of the objects it holds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any

from batchscribe_server.storage.download import Digest, Expected

_md5 = partial(hashlib.md5, usedforsecurity=False)

_MD5_ETAG = re.compile(r'"?([0-9a-f]{32})"?')

# With other encryptions an ETag says nothing of the bytes.
_ENCRYPTIONS_WITH_MD5 = frozenset({"", "AES256"})


class Checksum(StrEnum):
    """What a service checks an output by. Every one knows MD5 (`Content-MD5`); AWS keeps the others with the object."""

    MD5 = "md5"
    CRC32 = "crc32"
    SHA256 = "sha256"


class Crc32:
    """CRC-32 as S3 has it: four bytes, the highest first."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Go on with more bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        return self._value.to_bytes(4, "big")


_SENT: dict[Checksum, tuple[str, Callable[[], Digest]]] = {
    Checksum.MD5: ("ContentMD5", _md5),
    Checksum.CRC32: ("ChecksumCRC32", Crc32),
    Checksum.SHA256: ("ChecksumSHA256", hashlib.sha256),
}

_DECLARED: dict[str, Callable[[], Digest]] = {
    "ChecksumSHA256": hashlib.sha256,
    "ChecksumSHA1": partial(hashlib.sha1, usedforsecurity=False),
    "ChecksumCRC32": Crc32,
}


def checksum_of(data: bytes, checksum: Checksum) -> dict[str, str]:
    """The parameter that sends the checksum of a body along with it."""
    name, begin = _SENT[checksum]
    digest = begin()
    digest.update(data)
    return {name: base64.b64encode(digest.digest()).decode("ascii")}


def announced(checksum: Checksum) -> dict[str, str]:
    """The parameter that announces the checksums of an upload's parts; MD5 needs none."""
    return {} if checksum is Checksum.MD5 else {"ChecksumAlgorithm": checksum.value.upper()}


def repeated(sent: Mapping[str, str]) -> dict[str, str]:
    """What is said again of a part's checksum when the upload is completed; of MD5 nothing."""
    return {name: value for name, value in sent.items() if name != "ContentMD5"}


def declared(head: Mapping[str, Any]) -> Expected | None:
    """What the answer to HeadObject says of the object's bytes. None where it says nothing that can be checked.

    Checksums of uploads in parts are made of the parts' checksums, and not of the bytes: those end with `-` and the
    number of parts.
    """
    for name, begin in _DECLARED.items():
        value = str(head.get(name, ""))
        if value and "-" not in value and head.get("ChecksumType") != "COMPOSITE":
            try:
                return Expected(begin, base64.b64decode(value, validate=True))
            except binascii.Error:
                return None
    etag = _MD5_ETAG.fullmatch(str(head.get("ETag", "")))
    is_plain = head.get("ServerSideEncryption", "") in _ENCRYPTIONS_WITH_MD5 and "SSECustomerAlgorithm" not in head
    return Expected(_md5, bytes.fromhex(etag[1])) if etag and is_plain else None
