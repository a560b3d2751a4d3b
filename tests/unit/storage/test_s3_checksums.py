"""What S3 services declare of objects: taken where it is a digest of the bytes, left alone where it is not."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from batchscribe_server.storage.s3_checksums import declared

BODY = b"sound"
MD5 = hashlib.md5(BODY).hexdigest()


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


CRC32 = b64(zlib.crc32(BODY).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "head",
    [
        {"ETag": f'"{MD5}"'},
        {"ETag": MD5, "ServerSideEncryption": "AES256"},
        {"ETag": '"an-etag"', "ChecksumCRC32": CRC32, "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{MD5}-2"', "ChecksumCRC32": CRC32, "ChecksumType": "FULL_OBJECT"},
        {"ChecksumSHA256": b64(hashlib.sha256(BODY).digest())},
        {"ChecksumSHA1": b64(hashlib.sha1(BODY).digest())},
        {"ETag": f'"{MD5}"', "ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"},
    ],
)
def test_a_digest_of_the_bytes_is_expected(head: dict[str, Any]) -> None:
    expected = declared(head)
    assert expected is not None
    for body, same in ((BODY, True), (b"SOUND", False)):
        digest = expected.begin()
        digest.update(body[:2])
        digest.update(body[2:])
        assert (digest.digest() == expected.digest) is same


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"ETag": f'"{MD5}-2"'},
        {"ETag": '"0x8DC0FFEE"'},
        {"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms:dsse"},
        {"ETag": f'"{MD5}"', "SSECustomerAlgorithm": "AES256"},
        {"ETag": f'"{MD5}-2"', "ChecksumCRC32": CRC32, "ChecksumType": "COMPOSITE"},
        {"ETag": f'"{MD5}-2"', "ChecksumSHA256": b64(hashlib.sha256(BODY).digest()) + "-2"},
        {"ChecksumCRC32": "not base64"},
    ],
)
def test_what_is_no_digest_of_the_bytes_is_left_alone(head: dict[str, Any]) -> None:
    assert declared(head) is None
