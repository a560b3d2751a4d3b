"""Local lists of files as the entries of a manifest."""

from __future__ import annotations

import csv
from pathlib import Path

from google.protobuf.json_format import Parse, ParseError

from batchscribe.inputs import uri_of
from batchscribe.v1.storage_pb2 import ManifestEntry


def read_manifest(path: Path) -> list[ManifestEntry]:
    """The entries of a file that lists others.

    A `.csv` file has a header that names `uri` and perhaps `reference_id`. In any other each line is a URI, a path, or
    a JSON object with the fields of ManifestEntry; empty lines and those that begin with # count for nothing. Paths
    become `file://` URIs.

    Raises OSError, and ValueError naming the line that is wrong.
    """
    text = path.read_text(encoding="utf-8-sig")
    entries = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_lines(path, text)
    if not entries:
        raise ValueError(f"{path}: lists no files")
    return entries


def _from_csv(path: Path, text: str) -> list[ManifestEntry]:
    reader = csv.DictReader(text.splitlines())
    if "uri" not in (reader.fieldnames or ()):
        raise ValueError(f"{path}: the first line must name the columns, one of them uri")
    return [ManifestEntry(uri=uri_of(row["uri"]), reference_id=row.get("reference_id") or "") for row in reader]


def _from_lines(path: Path, text: str) -> list[ManifestEntry]:
    entries = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        entry = ManifestEntry(uri=line)
        if line.startswith("{"):
            try:
                entry = Parse(line, ManifestEntry())
            except ParseError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
        if not entry.uri:
            raise ValueError(f"{path}, line {number}: no uri")
        entry.uri = uri_of(entry.uri)
        entries.append(entry)
    return entries
