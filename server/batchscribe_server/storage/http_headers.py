"""What headers of HTTP answers say (RFC 9110): which version of a file it is, which part of it, when to try again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 86_400.0
"""How long a server is obeyed that asks to be left alone."""

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-\d+|\*)/(?:(\d+)|\*)", re.IGNORECASE)
_ETAG = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of a file an answer holds: its strong ETag and the time it was last modified, empty where unsaid.

    `condition` is what `If-Range` may name, empty where nothing is certain enough.
    """

    etag: str = ""
    last_modified: str = ""
    condition: str = ""

    @property
    def name(self) -> str:
        """What tells this version from others; empty where nothing does."""
        return self.etag or self.last_modified

    def differs_from(self, other: Version) -> bool:
        """Whether the two are surely not the same."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.last_modified and other.last_modified) and self.last_modified != other.last_modified


def version_of(headers: Mapping[str, str]) -> Version:
    """The version that an answer's headers tell."""
    etag = headers.get("etag", "").strip()
    etag = etag if _ETAG.fullmatch(etag) else ""  # a weak one says that two are alike, not that they are the same
    last_modified = headers.get("last-modified", "").strip()
    return Version(etag, last_modified, etag or _certain(last_modified, headers.get("date", "")))


def length_of(headers: Mapping[str, str]) -> int | None:
    """How many bytes an answer has, None where it doesn't say."""
    value = headers.get("content-length", "").strip()
    return int(value) if value.isascii() and value.isdigit() else None


@dataclass(frozen=True, slots=True)
class Part:
    """Where the bytes of an answer begin, and of how many they are; None where unsaid. `*` as a place is None."""

    start: int | None
    size_bytes: int | None


def part_of(headers: Mapping[str, str]) -> Part:
    """The part that `Content-Range` names."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return Part(None, None)
    start, size_bytes = match.groups()
    return Part(int(start) if start else None, int(size_bytes) if size_bytes else None)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """How long the server wants to be left alone, in seconds: 0 where it doesn't say, `MAX_RETRY_AFTER_S` at most."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        wanted_s = float(value)
    else:
        # By the server's own clock: ours may be another.
        then, now = _time(value), _time(headers.get("date", ""))
        wanted_s = (then - now).total_seconds() if then and now else 0.0
    return min(max(wanted_s, 0.0), MAX_RETRY_AFTER_S)


def _certain(last_modified: str, date: str) -> str:
    """The time as a condition, unless the file may have been written twice within its second (section 8.8.2.2)."""
    then, now = _time(last_modified), _time(date)
    return last_modified if then and now and now - then >= timedelta(seconds=1) else ""


def _time(value: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
