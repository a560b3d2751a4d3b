"""Manifests as files: what is read of them, from where on, and what is said of what can't be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.manifest import Record
from batchscribe_server.storage.manifest_file import MAX_RECORD_BYTES, open_manifest
from tests.open_files import opened as opened_file


def manifest(folder: Path, content: str | bytes) -> str:
    path = folder / "manifest"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(folder: Path, content: str | bytes, name: str = "list", limit: int = 1_000) -> list[Record]:
    """All records, so many at a time."""
    opened = open_manifest(opened_file(Path(manifest(folder, content))), name)
    found: list[Record] = []
    while some := opened.records(found[-1].end if found else None, limit):
        assert len(some) <= limit
        found += some
    return found


def fields(folder: Path, content: str | bytes, name: str = "list", limit: int = 1_000) -> list[tuple[int, Any]]:
    found = read(folder, content, name, limit)
    assert [record.problem for record in found] == [""] * len(found)
    return [(record.line, record.fields) for record in found]


JSON_LINES = '{"uri": "a"}\n\n  \r\n{"uri": "ü", "reference_id": "2"}\r\n {"uri": "c", "config": {"language": "de"}}'
CSV = 'reference_id, uri ,config\n1,a,\n\n"2\nx","ü,""b""","{""language"": ""de""}"\r\n,c,\n'


@pytest.mark.parametrize("limit", [1, 2, 1_000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.NDJSON", "x.txt", ""])
def test_json_lines_are_read_from_any_place_on(tmp_path: Path, limit: int, mark: bytes, name: str) -> None:
    assert fields(tmp_path, mark + JSON_LINES.encode(), name, limit) == [
        (1, {"uri": "a"}),
        (4, {"uri": "ü", "reference_id": "2"}),
        (5, {"uri": "c", "config": {"language": "de"}}),
    ]


@pytest.mark.parametrize("limit", [1, 2, 1_000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["x.csv", "x.CSV", "x.txt", ""])
def test_csv_is_read_from_any_place_on(tmp_path: Path, limit: int, mark: bytes, name: str) -> None:
    assert fields(tmp_path, mark + CSV.encode(), name, limit) == [
        (2, {"reference_id": "1", "uri": "a"}),
        (4, {"reference_id": "2\nx", "uri": 'ü,"b"', "config": {"language": "de"}}),
        (6, {"uri": "c"}),
    ]


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_a_manifest_may_hold_nothing(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('["a"]', "is not a JSON object"),
        ('{"uri": "a"', "is no JSON"),
        ('{"uri": "https://h/a?secret" x}', "is no JSON"),
        ('{"uri": "a", "uri": "b"}', "has a field twice"),
        ('{"uri": "a", "config": {"language": "de", "language": "fr"}}', "has a field twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"uri": ' + "9" * 5_000 + "}", ""),
    ],
)
def test_a_line_that_is_no_entry_is_told_and_the_next_one_is_read(tmp_path: Path, content: str, problem: str) -> None:
    bad, good = read(tmp_path, f'{content}\n{{"uri": "b"}}\n', "x.jsonl", limit=1)
    assert bad.line == 1
    assert bad.problem
    assert problem in bad.problem
    assert "secret" not in bad.problem
    assert (good.line, good.fields) == (2, {"uri": "b"})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a", "has 1 values, but there are 2 columns"),
        ("a,b,c", "has 3 values"),
        ('a,"{"', "config: is no JSON"),
        ("a,de", "config: is no JSON"),
        ("a,[]", "config: is not a JSON object"),
    ],
)
def test_a_row_that_is_no_entry_is_told_and_the_next_one_is_read(tmp_path: Path, row: str, problem: str) -> None:
    bad, good = read(tmp_path, f"uri,config\n{row}\nb,\n", "x.csv")
    assert (bad.line, good.line, good.fields) == (2, 3, {"uri": "b"})
    assert problem in bad.problem


@pytest.mark.parametrize(
    ("name", "begin", "rest", "problem"),
    [
        ("x.jsonl", '{"uri": "a"}\n', b'{"uri": "\xff"}\n{"uri": "c"}\n', "is not UTF-8"),
        ("x.jsonl", '{"uri": "a"}\n', b'{"uri": "' + b"b" * MAX_RECORD_BYTES + b'"}\n{"uri": "c"}', "is longer than"),
        ("x.csv", "uri\na\n", b'"b\nc\n', "unexpected end of data"),
        ("x.csv", "uri\na\n", b'"' + b"b\n" * (MAX_RECORD_BYTES // 2) + b"c\n", "field larger than"),
        ("x.csv", "uri\na\n", b'"b\n",' * (MAX_RECORD_BYTES // 4) + b"c\n", "is longer than"),
        ("x.csv", "uri\na\n", b'"b"c\nd\n', "expected after"),
        ("x.csv", "uri\na\n", b"\xff\nc\n", "is not UTF-8"),
    ],
)
@pytest.mark.parametrize("limit", [1, 1_000])
def test_what_cannot_be_read_ends_the_reading_with_what_is_wrong(
    tmp_path: Path, name: str, begin: str, rest: bytes, problem: str, limit: int
) -> None:
    good, bad = read(tmp_path, begin.encode() + rest, name, limit)
    assert good.fields == {"uri": "a"}
    assert problem in bad.problem
    assert bad.line == begin.count("\n") + 1
    assert "nothing after it was read" in bad.problem


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", ""),
        ("x.csv", "name\na\n"),
        ("x.csv", "uri,uri\na,b\n"),
        ("x.csv", "uri,language\na,de\n"),
        ("x.csv", "uri;reference_id\na;b\n"),
        ("x.csv", b"\xff\n"),
        ("x.csv", '"uri\n'),
        ("list", "s3://calls/a.wav\ns3://calls/b.wav\n"),
        ("list", "uri\n".encode("utf-16")),
        ("x.jsonl.gz", b"\x1f\x8b\x08\x00"),
    ],
)
def test_what_has_no_format_that_is_known_is_refused(tmp_path: Path, name: str, content: str | bytes) -> None:
    with pytest.raises(JobFailure) as failure:
        read(tmp_path, content, name)
    assert failure.value.reason is Reason.MANIFEST_INVALID


@pytest.mark.parametrize("rewritten", ["longer", "other"])
def test_a_manifest_that_is_written_to_is_read_no_further(tmp_path: Path, rewritten: str) -> None:
    path = Path(manifest(tmp_path, JSON_LINES))
    opened = open_manifest(opened_file(path), "list.jsonl")
    (first,) = opened.records(None, 1)
    if rewritten == "longer":
        with path.open("a") as file:
            file.write("\n")
    else:
        path.write_text(JSON_LINES.replace("a", "b"))
        os.utime(path, ns=(0, 0))  # two writings may be too close for the clock of a file system
    with pytest.raises(JobFailure) as failure:
        opened.records(first.end, 1)
    assert failure.value.reason is Reason.INPUT_CHANGED


def test_a_manifest_that_is_removed_or_replaced_is_read_to_its_end(tmp_path: Path) -> None:
    path = Path(manifest(tmp_path, json.dumps({"uri": "a"})))
    opened = open_manifest(opened_file(path), "")
    path.unlink()
    (record,) = opened.records(None, 2)
    assert record.fields == {"uri": "a"}
