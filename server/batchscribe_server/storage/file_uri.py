"""`file://` URIs and paths, one to the other (RFC 8089).

There is no query and no fragment in a file's name: `#`, `?` and spaces are taken as they stand, encoded or not. What
is not UTF-8 in a name survives, percent-encoded byte by byte.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SCHEME = "file://"
_SAFE = "/!$&'()*+,;=:@~"  # what RFC 3986 allows in a path besides letters, digits and -._


class MalformedFileUriError(ValueError):
    """Not a file URI that names an absolute path on this machine; the message is plain words."""


def is_file_uri(uri: str) -> bool:
    """Whether the scheme is `file`."""
    return uri[: len(_SCHEME)].lower() == _SCHEME


def path_of(uri: str) -> str:
    """The absolute path that a URI names. Raises MalformedFileUriError."""
    if not is_file_uri(uri):
        raise MalformedFileUriError(f"{uri!r} is not a file:// URI")
    host, slash, rest = uri[len(_SCHEME) :].partition("/")
    if not slash or host.lower() not in ("", "localhost"):
        raise MalformedFileUriError(f"{uri!r} names no absolute path: write file:///folder/name, with three slashes")
    path = unquote_to_bytes(slash + rest)
    if b"\0" in path:
        raise MalformedFileUriError(f"{uri!r} holds a zero byte")
    return os.fsdecode(path)


def uri_of(path: str) -> str:
    """The URI of an absolute path."""
    return _SCHEME + quote_from_bytes(os.fsencode(path), safe=_SAFE)


def shown(name: str) -> str:
    """A name as text: what is not UTF-8 in it is written as `\\xNN`."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name
