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
    manifest.write_bytes(b"\xef\xbb\xbfreference_id,uri\r\none,s3://b/1.wav\r\n,s3://b/2.wav\r\n")
    assert [(entry.uri, entry.reference_id) for entry in read_manifest(manifest)] == [
        ("s3://b/1.wav", "one"),
        ("s3://b/2.wav", ""),
    ]


def test_a_row_of_csv_may_have_a_config(tmp_path: Path) -> None:
    manifest = tmp_path / "files.csv"
    manifest.write_text('uri,config,config_mask\nmedia/7,"{""language"": ""de""}","language,hotwords"\n')
    (entry,) = read_manifest(manifest)
    assert (entry.uri, entry.config.language, entry.config_mask) == ("media/7", "de", "language,hotwords")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("files.txt", "# nothing\n", "lists no files"),
        ("files.txt", 's3://b/1.wav\n{"ury": "x"}\n', "line 2: 'ury' is no field of an entry; did you mean uri"),
        ("files.txt", '{"uri": "a", "config": {"langage": "de"}}\n', "line 1: .*langage"),
        ("files.txt", "{x\na.wav\n{y\n", "line 1: .*; line 3: "),
        ("files.txt", '{"reference_id": "x"}\n', "line 1: no uri"),
        ("files.csv", "file\na.wav\n", "one of them uri"),
        ("files.csv", "uri,language\na.wav,de\n", "one of them uri"),
        ("files.csv", "uri,reference_id\na.wav\n", "line 2: there are 2 columns"),
        ("files.csv", "uri\na.wav,b.wav\n", "line 2: there are 1 columns"),
        ("files.csv", 'uri,config\na.wav,"{x"\n', "line 2: "),
        ("files.csv", "uri\n", "lists no files"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    manifest = tmp_path / name
    manifest.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        list(read_manifest(manifest))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["files.txt", "files.csv"])
def test_a_list_may_be_what_powershell_writes(tmp_path: Path, encoding: str, name: str) -> None:
    manifest = tmp_path / name
    manifest.write_text("uri\r\n" * (name == "files.csv") + "s3://b/grün.wav\r\ns3://b/2.wav\r\n", encoding, newline="")
    assert [entry.uri for entry in read_manifest(manifest)] == ["s3://b/grün.wav", "s3://b/2.wav"]


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "files.txt"
    manifest.write_bytes(b"s3://b/caf\xe9.wav\n")
    with pytest.raises(ValueError, match=r"files\.txt: is not text in UTF-8"):
        list(read_manifest(manifest))
