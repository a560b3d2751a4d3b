"""Headers on the command line and in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.headers import HeaderArguments


def test_headers_come_from_the_command_line_and_from_files(tmp_path: Path) -> None:
    file = tmp_path / "headers.txt"
    file.write_text("\ufeffAuthorization: Bearer a:b\n\nX-Empty:\r\n", encoding="utf-8")
    given = HeaderArguments(["X-Own:  1 ", f"@{file}"])
    assert given.headers() == {"X-Own": "1", "Authorization": "Bearer a:b", "X-Empty": ""}
    assert HeaderArguments().headers() == {}


@pytest.mark.parametrize("line", ["SECRET", "Bearer SECRET", ": SECRET", " X: SECRET", "X : SECRET"])
def test_what_is_no_header_is_refused_and_not_repeated(line: str, tmp_path: Path) -> None:
    file = tmp_path / "headers.txt"
    file.write_text(line)
    for given in (line, f"@{file}"):
        with pytest.raises(ValueError, match="NAME:VALUE") as refused:
            HeaderArguments([given]).headers()
        assert "SECRET" not in str(refused.value)


def test_one_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="authorization is given twice"):
        HeaderArguments(["Authorization: a", "authorization: b"]).headers()


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HeaderArguments([f"@{tmp_path / 'gone'}"]).headers()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ValueError, match="is not text"):
        HeaderArguments([f"@{tmp_path / 'binary'}"]).headers()
