"""Which recordings of a folder are calibrated on."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe_engine.calibration.speech_folder import Recording, SpeechFolderError, recordings_in

HEADER = "file\tchannel\ttext\n"


def folder_with(tmp_path: Path, references: str | bytes, *files: str) -> Path:
    for name in files:
        (tmp_path / name).touch()
    content = references.encode() if isinstance(references, str) else references
    (tmp_path / "references.tsv").write_bytes(content)
    return tmp_path


def test_without_references_every_file_counts(tmp_path: Path) -> None:
    for name in ("b.wav", "a.mp3", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    assert recordings_in(tmp_path) == [Recording(tmp_path / "a.mp3"), Recording(tmp_path / "b.wav")]


def test_with_references_what_they_name_counts_but_for_single_channels(tmp_path: Path) -> None:
    table = HEADER + 'b.wav\tmono\tsays "this"\na.wav\tmono\tand that\nc.wav\tleft\tone of two\n'
    folder = folder_with(tmp_path, table, "a.wav", "b.wav", "c.wav", "d.wav")
    assert recordings_in(folder) == [
        Recording(folder / "a.wav", "and that"),
        Recording(folder / "b.wav", 'says "this"'),
    ]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("file\ttext\na.wav\thello\n", "has no column channel"),
        ("", "has no column file and no channel and no text"),
        (HEADER + "x.wav\tmono\thello\n", r"names x\.wav, which is not there"),
        (HEADER + "a.wav\tmono\n", r"does not say what is said in a\.wav"),
        (HEADER + "a.wav\tmono\tone\na.wav\tmono\ttwo\n", r"names a\.wav twice"),
        (HEADER + "a.wav\tleft\tone\n", "there are no recordings"),
        (b"file\tchannel\ttext\na.wav\tmono\t\xff\n", "not a table in UTF-8"),
    ],
)
def test_references_that_cannot_be_used_are_refused(tmp_path: Path, table: str | bytes, problem: str) -> None:
    with pytest.raises(SpeechFolderError, match=problem):
        recordings_in(folder_with(tmp_path, table, "a.wav"))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechFolderError, match="there is no folder"):
        recordings_in(tmp_path / "nothing")
    with pytest.raises(SpeechFolderError, match="there are no recordings"):
        recordings_in(tmp_path)
