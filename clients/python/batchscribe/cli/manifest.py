"""Local lists of files as the entries of a manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message

from batchscribe.inputs import is_upload, uri_of
from batchscribe.v1.storage_pb2 import ManifestEntry

_COLUMNS = ("uri", "reference_id", "config", "config_mask")


def read_manifest(path: Path) -> Iterator[ManifestEntry]:
    """The entries of a file that lists others, one after the other.

    A `.csv` file has a header that names `uri` and perhaps `reference_id`, `config` (as JSON) and `config_mask`. In any
    other each line is a URI, a path, or a JSON object with the fields of ManifestEntry; empty lines and those that
    begin with # count for nothing. Paths become `file://` URIs.

    Raises OSError, and ValueError naming the line that is wrong.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        entries = _from_csv(path, file) if path.suffix.lower() == ".csv" else _from_lines(path, file)
        is_empty = True
        for entry in entries:
            is_empty = False
            yield entry
    if is_empty:
        raise ValueError(f"{path}: lists no files")


def _from_csv(path: Path, lines: Iterable[str]) -> Iterator[ManifestEntry]:
    reader = csv.DictReader(lines, strict=True)
    try:
        columns = reader.fieldnames or ()
        if "uri" not in columns or not set(_COLUMNS).issuperset(columns):
            raise ValueError(f"{path}: the first line must name the columns, one of them uri, of {', '.join(_COLUMNS)}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: there are {len(columns)} columns, and other values than that")
            entry = ManifestEntry(
                uri=row["uri"], reference_id=row.get("reference_id") or "", config_mask=row.get("config_mask") or ""
            )
            if config := row.get("config"):
                _parse(config, entry.config, where)
            yield _with_uri(entry, where)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def _from_lines(path: Path, lines: Iterable[str]) -> Iterator[ManifestEntry]:
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        entry = ManifestEntry(uri=line)
        if line.startswith("{"):
            entry = ManifestEntry()
            _parse(line, entry, f"{path}, line {number}")
        yield _with_uri(entry, f"{path}, line {number}")


def _parse(text: str, message: Message, where: str) -> None:
    try:
        Parse(text, message)
    except ParseError as error:
        raise ValueError(f"{where}: {error}") from error


def _with_uri(entry: ManifestEntry, where: str) -> ManifestEntry:
    """The entry, whose path becomes a URI; the name of an upload stays what it is."""
    if not entry.uri:
        raise ValueError(f"{where}: no uri")
    if not is_upload(entry.uri):
        entry.uri = uri_of(entry.uri)
    return entry
