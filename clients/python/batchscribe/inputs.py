"""Where audio is: URIs, uploads, and the local paths that must become one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from batchscribe.v1.storage_pb2 import FetchInput, InputConfig

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UPLOAD = re.compile(r"media/[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def is_uri(text: str) -> bool:
    """Whether this is a URI, not a path."""
    return _SCHEME.match(text) is not None


def is_web_url(text: str) -> bool:
    """Whether this names a file on a web server, below which nothing can be listed."""
    return text.lower().startswith(("https://", "http://"))


def input_of(uri: str, headers: Mapping[str, str]) -> InputConfig:
    """One file by its URI, fetched with these headers if any. Raises ValueError for headers without a URL."""
    if not headers:
        return InputConfig(uri=uri)
    if not is_web_url(uri):
        raise ValueError(f"{uri}: headers are for https:// URLs alone")
    return InputConfig(fetch=FetchInput(url=uri, headers=headers))


def is_upload(text: str) -> bool:
    """Whether this is the name of an upload, and not a path to something that is there."""
    return _UPLOAD.fullmatch(text) is not None and not Path(text).exists()


def uri_of(location: str | os.PathLike[str]) -> str:
    """A URI as it is; a local path as an absolute `file://` URI, which ends in a slash for a folder."""
    if isinstance(location, str) and is_uri(location):
        return location
    path = Path(location).expanduser().absolute()
    uri = path.as_uri()
    is_folder = path.is_dir() or os.fspath(location).endswith(os.sep)
    return uri + "/" if is_folder and not uri.endswith("/") else uri
