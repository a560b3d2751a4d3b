"""Lists of files on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.manifest import read_manifest


def test_lines_are_uris_paths_or_json(tmp_path: Path) -> None:
    manifest = tmp_path / "files.txt"
    manifest.write_text(
        "# calls of May\n\ns3://b/1.wav\n/calls/2.wav\n"
        '{"uri": "s3://b/3.wav", "reference_id": "three", "config": {"language": "de"}}\n'
    )
    one, two, three = read_manifest(manifest)
    assert (one.uri, two.uri) == ("s3://b/1.wav", "file:///calls/2.wav")
    assert (three.uri, three.reference_id, three.config.language) == ("s3://b/3.wav", "three", "de")


def test_csv_has_columns(tmp_path: Path) -> None:
    manifest = tmp_path / "files.csv"
    manifest.write_text("reference_id,uri\none,s3://b/1.wav\n,s3://b/2.wav\n")
    assert [(entry.uri, entry.reference_id) for entry in read_manifest(manifest)] == [
        ("s3://b/1.wav", "one"),
        ("s3://b/2.wav", ""),
    ]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("files.txt", "# nothing\n", "lists no files"),
        ("files.txt", 's3://b/1.wav\n{"url": "x"}\n', "line 2"),
        ("files.txt", '{"reference_id": "x"}\n', "line 1: no uri"),
        ("files.csv", "file\na.wav\n", "one of them uri"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    manifest = tmp_path / name
    manifest.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_manifest(manifest)
