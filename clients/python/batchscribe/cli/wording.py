"""How times, sizes and names read on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from batchscribe.cli.printing import visible
from batchscribe.inputs import is_web_url
from batchscribe.times import datetime_of
from batchscribe.v1.event_pb2 import BatchJobChange
from batchscribe.v1.job_pb2 import Job

SPAN_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

_SIZE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def clock(seconds: float) -> str:
    """A length of time to the second: `0:42`, `12:03`, `1:02:03`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float) -> str:
    """How long something is kept, as `--retention` takes it: `7d`, `36h`, `90s`."""
    whole = round(seconds)
    unit, unit_s = next((unit, unit_s) for unit, unit_s in SPAN_UNITS.items() if whole % unit_s == 0)
    return f"{whole // unit_s}{unit}"


def span_seconds(text: str) -> float:
    """The seconds of a span: `7d`, `36h`, `30m`, `90s`. Raises ValueError."""
    number, unit_s = text[:-1], SPAN_UNITS.get(text[-1:])
    if unit_s is None or not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} is no length of time; write 7d, 36h, 30m or 90s")
    return float(int(number) * unit_s)


def moment(seconds: float) -> str:
    """A place in a recording to the hundredth: `0:01.20`, `1:02:03.40`."""
    hundredths = max(0, round(seconds * 100))
    whole, rest = divmod(hundredths, 100)
    return f"{clock(whole)}.{rest:02}"


def speed(times_real_time: float) -> str:
    """A speed: `52x real time`, with a digit after the point where it is slow."""
    digits = 0 if times_real_time >= 10 else 1
    return f"{times_real_time:.{digits}f}x real time"


def size(size_bytes: int) -> str:
    """A size in the unit that suits it: `812 bytes`, `1.4 MB`."""
    amount = float(size_bytes)
    unit = 0
    while amount >= 999.5 and unit < len(_SIZE_UNITS) - 1:
        amount /= 1000
        unit += 1
    return f"{amount:.0f} {_SIZE_UNITS[unit]}" if unit == 0 or amount >= 99.95 else f"{amount:.1f} {_SIZE_UNITS[unit]}"


def local_time(timestamp: Timestamp) -> str:
    """A moment in the time of this machine: `2026-03-01 14:05:09`."""
    return datetime_of(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def file_name(uri: str) -> str:
    """The last part of a URI or a path; of a URL without its query, which may be long, and a secret."""
    path = re.split(r"[?#]", uri, maxsplit=1)[0] if is_web_url(uri) else uri
    return path.rstrip("/").rpartition("/")[2] or path


def is_upload(uri: str) -> bool:
    """Whether an input is an upload."""
    return uri.startswith("media/")


def named_input(job: Job | BatchJobChange) -> str:
    """A job's file: an upload by its name, others by their URIs."""
    return (job.file_name or job.input_uri) if is_upload(job.input_uri) else job.input_uri


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns begin below each other. Nothing is cut."""
    table = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def fitted(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows as lines below each other; what is wider than a terminal goes on, column by column, in a second line."""
    columns = max(map(len, rows))
    for kept in range(columns, 0, -1):
        lines = aligned([row[:kept] for row in rows])
        if max(map(len, lines)) <= width or kept == 1:
            break
    if kept == columns:
        return lines
    more = aligned([row[kept:] for row in rows])
    return [f"{line}\n    {rest}".rstrip() for line, rest in zip(lines, more, strict=True)]
