"""Manifests as files: JSON lines and CSV, in UTF-8 with or without a byte order mark, read from any place on.

JSON lines have an object in each line; CSV (RFC 4180) has a row that names the columns first. Blank lines count for
nothing. A file is read by its descriptor, which stays open, from a place on; a million records take no more memory than
the part that is read.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.manifest import Place, Record

MAX_RECORD_BYTES = 1024**2
"""The longest line, and the longest row of CSV, which may go over several lines."""

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_COLUMNS = frozenset({"uri", "reference_id", "config", "config_mask"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_CSV_SUFFIXES = (".csv",)


class _UnreadableError(Exception):
    """From here on nothing can be read; the message is plain words."""


class ManifestFile:
    """One version of a manifest: what is read of another one is refused."""

    def __init__(self, descriptor: int, version: tuple[int, ...], start: Place, columns: Sequence[str] | None) -> None:
        """`start` is the place of the first record, `columns` are those of a CSV file, None of JSON lines."""
        self._descriptor = descriptor
        self._version = version
        self._start = start
        self._columns = columns

    def records(self, after: Place | None, limit: int) -> Sequence[Record]:
        """At most so many records, from the first one on where `after` is None; none at the end."""
        with _readable(self._descriptor) as file:
            place = after or self._start
            file.seek(place.offset_bytes)
            lines = _Lines(file, place)
            found = _json_records(lines) if self._columns is None else _csv_records(lines, self._columns)
            records = list(islice(_until_unreadable(found, lines), limit))
            if _version(file) != self._version:
                raise JobFailure(
                    Reason.INPUT_CHANGED, "The manifest was written to while it was read. Submit it again."
                )
            return records


def open_manifest(descriptor: int, name: str) -> ManifestFile:
    """Open a manifest; the suffix of its `name` tells the format, or else its first character.

    Raises JobFailure MANIFEST_INVALID, FETCH_FAILED.
    """
    with _readable(descriptor) as file:
        start = Place(len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0)
        file.seek(start.offset_bytes)
        if file.read(len(_GZIP)) == _GZIP:
            raise JobFailure(Reason.MANIFEST_INVALID, "The manifest is compressed; name it unpacked.")
        file.seek(start.offset_bytes)
        lines = _Lines(file, start)
        try:
            if _is_json(name, file):
                return ManifestFile(descriptor, _version(file), start, None)
            file.seek(start.offset_bytes)
            columns = next(filter(None, csv.reader(lines, strict=True)), [])
        except (_UnreadableError, csv.Error) as error:
            raise JobFailure(Reason.MANIFEST_INVALID, f"The manifest can't be read: line 1: {error}.") from error
        return ManifestFile(descriptor, _version(file), lines.place, _checked_columns(columns))


class _Lines:
    """The lines of a file as text; `place` is that after the last one given, `record_line` where its record begins."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        self._file = file
        self._record_bytes = 0
        self.place = place
        self.record_line = place.lines + 1

    def begin_record(self) -> int:
        """The number of the next line, from 1, with which another record begins."""
        self._record_bytes = 0
        self.record_line = self.place.lines + 1
        return self.record_line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_RECORD_BYTES + 1)
        if not line:
            raise StopIteration
        self._record_bytes += len(line)
        if self._record_bytes > MAX_RECORD_BYTES:
            raise _UnreadableError(f"is longer than {MAX_RECORD_BYTES} bytes")
        self.place = Place(self.place.offset_bytes + len(line), self.place.lines + 1)
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise _UnreadableError("is not UTF-8") from None

    def end(self) -> Place:
        """The place after the last line, which is not read for it."""
        return Place(self._file.seek(0, os.SEEK_END), self.place.lines)


def _until_unreadable(records: Iterator[Record], lines: _Lines) -> Iterator[Record]:
    try:
        yield from records
    except (_UnreadableError, csv.Error) as error:
        yield Record(lines.record_line, lines.end(), problem=f"{error}; nothing after it was read")


def _json_records(lines: _Lines) -> Iterator[Record]:
    number = lines.begin_record()
    for line in lines:
        if text := line.strip():
            try:
                yield Record(number, lines.place, _json_object(text))
            except ValueError as error:
                yield Record(number, lines.place, problem=str(error))
        number = lines.begin_record()


def _csv_records(lines: _Lines, columns: Sequence[str]) -> Iterator[Record]:
    number = lines.begin_record()
    for row in csv.reader(lines, strict=True):
        if row and (row != [""]):
            try:
                yield Record(number, lines.place, _row_fields(row, columns))
            except ValueError as error:
                yield Record(number, lines.place, problem=str(error))
        number = lines.begin_record()


def _row_fields(row: Sequence[str], columns: Sequence[str]) -> Mapping[str, object]:
    if len(row) != len(columns):
        raise ValueError(f"has {len(row)} values, but there are {len(columns)} columns")
    fields: dict[str, object] = {name: value for name, value in zip(columns, row, strict=True) if value}
    if config := fields.get("config"):
        try:
            fields["config"] = _json_object(str(config))
        except ValueError as error:
            raise ValueError(f"config: {error}") from None
    return fields


def _json_object(text: str) -> Mapping[str, object]:
    """Raises ValueError with words that repeat nothing of the text, which may hold a secret."""
    try:
        found = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - it is the value that is wrong, for our callers
    return found


def _without_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("has a field twice")
    return fields


def _is_json(name: str, file: BinaryIO) -> bool:
    if name.lower().endswith(_JSON_SUFFIXES + _CSV_SUFFIXES):
        return name.lower().endswith(_JSON_SUFFIXES)
    begin = file.read(MAX_RECORD_BYTES).lstrip()[:1]
    return begin in (b"", b"{", b"[")


def _checked_columns(columns: Sequence[str]) -> Sequence[str]:
    names = [name.strip() for name in columns]
    known = ", ".join(sorted(_COLUMNS))
    if "uri" not in names or len(set(names)) < len(names) or not _COLUMNS.issuperset(names):
        raise JobFailure(
            Reason.MANIFEST_INVALID,
            "The manifest can't be read: it is no JSON lines, and as CSV its first row must name the columns, each "
            f"once: uri, and others of {known}.",
        )
    return names


class _ByPosition(io.RawIOBase):
    """Reads a file whose descriptor is another's: the position is its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        read = os.preadv(self._descriptor, [buffer], self._position)
        self._position += read
        return read

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._position = begin + offset
        return self._position


@contextmanager
def _readable(descriptor: int) -> Iterator[BinaryIO]:
    try:
        with io.BufferedReader(_ByPosition(descriptor)) as file:
            yield file
    except OSError as error:
        words = (error.strerror or type(error).__name__).lower()
        raise JobFailure(Reason.FETCH_FAILED, f"The manifest cannot be read: {words}") from error


def _version(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
