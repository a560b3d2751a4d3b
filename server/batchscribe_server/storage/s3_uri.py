"""`s3://bucket/key` and its parts. A key is taken as it stands: nothing in it is percent-encoded."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEME = "s3"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PREFIX = f"{SCHEME}://"

MAX_KEY_BYTES = 1024


class MalformedS3UriError(ValueError):
    """Not a URI of a bucket and a key; the message is plain words."""


class S3Address(NamedTuple):
    """A bucket and a key in it, which is empty for the bucket itself."""

    bucket: str
    key: str


def s3_address(uri: str) -> S3Address:
    """The parts of a URI. Raises MalformedS3UriError."""
    if uri[: len(_PREFIX)].lower() != _PREFIX:
        raise MalformedS3UriError(f"{uri!r} is not an s3:// URI")
    bucket, _, key = uri[len(_PREFIX) :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise MalformedS3UriError(f"{uri!r} names no bucket: write s3://bucket/key")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise MalformedS3UriError(f"the key of {uri[:80]!r}… is longer than {MAX_KEY_BYTES} bytes")
    # The key becomes part of a URL's path, where such steps may lead into another bucket.
    if any(name in (".", "..") for name in key.split("/")):
        raise MalformedS3UriError(f"the key of {uri!r} has a step that is only dots, which no URL can hold")
    return S3Address(bucket, key)


def s3_uri(bucket: str, key: str) -> str:
    """The URI of an object."""
    return f"{_PREFIX}{bucket}/{key}"
