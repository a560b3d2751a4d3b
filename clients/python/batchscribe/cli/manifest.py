"""Local lists of files as the entries of a manifest."""

from __future__ import annotations

import codecs
import csv
import json
import re
from array import array
from collections.abc import Iterable, Iterator, MutableSequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from batchscribe.inputs import is_upload, uri_of
from batchscribe.states import did_you_mean
from batchscribe.v1.storage_pb2 import ManifestEntry

_COLUMNS = ("uri", "reference_id", "config", "config_mask")
_PROBLEMS_TOLD = 10

_Line = tuple[int, ManifestEntry | str]
"""The number of a line, and its entry or what is wrong with it."""


_ENTRY_FIELD = re.compile(r"batch\.input\.manifest\.files\[(\d+)\]\.?")


class Manifest:
    """A file that lists others. Iterating reads its entries, and notes the line of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = array("Q")

    def __iter__(self) -> Iterator[ManifestEntry]:
        self._lines = array("Q")
        return read_manifest(self._path, self._lines)

    def with_lines(self, message: str) -> str:
        """A server's message, in which the places of entries in its request become lines of the file."""
        return _ENTRY_FIELD.sub(lambda match: f"{self._path}, line {self._lines[int(match[1])]}: ", message)


def read_manifest(path: Path, lines: MutableSequence[int] | None = None) -> Iterator[ManifestEntry]:
    """The entries of a file that lists others, one after the other; the line of each goes to `lines`.

    A `.csv` file has a header that names `uri` and perhaps `reference_id`, `config` (as JSON) and `config_mask`. In any
    other each line is a URI, a path, or a JSON object with the fields of ManifestEntry; empty lines and those that
    begin with # count for nothing. Paths become `file://` URIs. It is UTF-8, or UTF-16 with a byte order mark.

    Raises OSError, and ValueError naming the lines that are wrong, the first ten of them.
    """
    problems: list[str] = []
    is_empty = True
    for number, entry in _lines_of(path):
        is_empty = False
        if isinstance(entry, str):
            problems.append(f"line {number}: {entry}")
            if len(problems) == _PROBLEMS_TOLD:
                break
        elif not problems:
            if lines is not None:
                lines.append(number)
            yield entry
    if problems:
        more = ", and perhaps more" if len(problems) == _PROBLEMS_TOLD else ""
        raise ValueError(f"{path}, {'; '.join(problems)}{more}")
    if is_empty:
        raise ValueError(f"{path}: lists no files")


def _lines_of(path: Path) -> Iterator[_Line]:
    with path.open("rb") as file:
        mark = file.read(2)
    encoding = "utf-16" if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with path.open(encoding=encoding, newline="") as file:
        try:
            yield from _from_csv(path, file) if path.suffix.lower() == ".csv" else _from_lines(file)
        except UnicodeError as error:
            raise ValueError(f"{path}: is not text in UTF-8; save it as UTF-8") from error


def _from_csv(path: Path, lines: Iterable[str]) -> Iterator[_Line]:
    reader = csv.DictReader(lines, strict=True)
    try:
        columns = reader.fieldnames or ()
        if "uri" not in columns or not set(_COLUMNS).issuperset(columns):
            raise ValueError(f"{path}: the first line must name the columns, one of them uri, of {', '.join(_COLUMNS)}")
        for row in reader:
            if None in row or None in row.values():
                yield reader.line_num, f"there are {len(columns)} columns, and other values than that"
                continue
            fields: dict[str, object] = {name: value for name, value in row.items() if value and name != "config"}
            try:
                if row.get("config"):
                    fields["config"] = _json(row["config"])
                yield reader.line_num, _entry(fields)
            except ValueError as error:
                yield reader.line_num, str(error)
    except csv.Error as error:
        yield reader.line_num, str(error)


def _from_lines(lines: Iterable[str]) -> Iterator[_Line]:
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            yield number, _entry(_json(line) if line.startswith("{") else {"uri": line})
        except ValueError as error:
            yield number, str(error)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg.lower()} at character {error.colno}") from error


def _entry(fields: dict[str, object]) -> ManifestEntry:
    """An entry of these fields, whose path becomes a URI; the name of an upload stays what it is. Raises ValueError."""
    for name in fields:
        if name not in _COLUMNS:
            raise ValueError(f"{name!r} is no field of an entry{did_you_mean(name, _COLUMNS)}")
    try:
        entry = ParseDict(fields, ManifestEntry())
    except ParseError as error:
        raise ValueError(" ".join(str(error).split("Available Fields")[0].split())) from error
    if not entry.uri:
        raise ValueError("no uri")
    if not is_upload(entry.uri):
        entry.uri = uri_of(entry.uri)
    return entry
