"""One spelling for a path where the file system takes several for the same."""

from __future__ import annotations

import os
from pathlib import Path

from batchscribe_server.storage.spelling import one_spelling


def test_case_matters_where_the_file_system_tells_it_apart(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    for name in ("A.txt", "deep/er/\u00c4.txt"):
        assert one_spelling(str(tmp_path / name)) == str(tmp_path / name)
    assert one_spelling("/") == "/"


def test_where_it_does_not_all_spellings_are_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    os.link(tmp_path / "a.wav", tmp_path / "A.WAV")
    spellings = ("Deep/\u00c4.txt", "deep/a\u0308.TXT", "DEEP/\u00e4.txt")
    assert len({one_spelling(str(tmp_path / name)) for name in spellings}) == 1
    assert one_spelling(str(tmp_path / "b.txt")) != one_spelling(str(tmp_path / "c.txt"))
