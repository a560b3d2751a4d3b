"""URLs that are fetched with request headers: which headers a client may send, and how they are written."""

from __future__ import annotations

import re
from collections import Counter

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.url import is_url
from batchscribe_server.rpc.limits import MAX_URI_CHARS
from batchscribe_server.rpc.sas_urls import SAS_ADVICE, is_container_sas_url

MAX_HEADERS = 50
MAX_HEADER_BYTES = 16 * 1024
"""Of all names and values together; many web servers take half of that."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")

_RESERVED = frozenset(
    {
        # of the connection and the message
        *("connection", "content-encoding", "content-length", "expect", "host", "http2-settings", "keep-alive", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
        # of what is asked for: the whole file, or the part that is missing
        *("accept-encoding", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        "range",
        # what the metadata services of clouds want to see, so that nobody is led to them unawares
        *("metadata", "metadata-flavor", "x-aws-ec2-metadata-token", "x-google-metadata-request"),
    }
)
_RESERVED_PREFIX = "proxy-"


def check_fetch(fetch: pb.FetchInput, path: str, violations: Violations) -> None:
    """Note what is wrong with a URL and its headers. No value is ever shown, nor a name that is none."""
    if not fetch.url:
        violations.add(f"{path}.url", "is required")
    elif len(fetch.url) > MAX_URI_CHARS:
        violations.add(f"{path}.url", f"is longer than {MAX_URI_CHARS} characters")
    elif not is_url(fetch.url) or not fetch.url.partition(":")[2].startswith("//"):
        violations.add(f"{path}.url", "is not a URL: https://host/file")
    elif is_container_sas_url(fetch.url):
        violations.add(f"{path}.url", SAS_ADVICE)
    _check_headers(dict(fetch.headers), f"{path}.headers", violations)


def _check_headers(headers: dict[str, str], path: str, violations: Violations) -> None:
    if len(headers) > MAX_HEADERS:
        violations.add(path, f"holds {len(headers)} headers, at most {MAX_HEADERS} are taken")
        return
    size_bytes = sum(len(text.encode()) for pair in headers.items() for text in pair)
    if size_bytes > MAX_HEADER_BYTES:
        violations.add(path, f"are {size_bytes} bytes long, at most {MAX_HEADER_BYTES} are taken")
        return
    times_named = Counter(name.lower() for name in headers)
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            violations.add(path, "holds a name that is none: letters, digits and hyphens, without a colon or a space")
            continue
        if problem := _name_problem(name.lower(), times_named):
            violations.add(f"{path}[{name}]", problem)
        if not _VALUE.fullmatch(value):
            violations.add(
                f"{path}[{name}]", "has a value with other characters than those of ASCII, or with spaces around it"
            )


def _name_problem(name: str, times_named: Counter[str]) -> str:
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        return "is a header that the service itself decides on; leave it out"
    return "is named twice: upper and lower case mean the same" if times_named[name] > 1 else ""
