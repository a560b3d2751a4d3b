"""The file as FFmpeg is let to see it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.media.source_file import MIN_MEDIA_BYTES, SourceFile
from tests.open_files import opened

if TYPE_CHECKING:
    from pathlib import Path


def reason_of(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        SourceFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return caught.value.reason


def test_reads_and_seeks(tmp_path: Path) -> None:
    path = tmp_path / "media"
    path.write_bytes(bytes(range(256)))
    file = SourceFile(opened(path))
    assert file.read(3) == b"\x00\x01\x02"
    assert file.seek(-2, os.SEEK_END) == file.tell() == 254
    assert file.read(9) == b"\xfe\xff"
    assert file.read(9) == b""


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert reason_of(tmp_path / "pipe") == "FETCH_FAILED"
    assert reason_of(tmp_path) == "FETCH_FAILED"


@pytest.mark.parametrize("size_bytes", [0, MIN_MEDIA_BYTES - 1])
def test_a_file_that_can_hold_no_sound_is_too_small(tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "small.wav").write_bytes(b"x" * size_bytes)
    assert reason_of(tmp_path / "small.wav") == "MEDIA_TOO_SMALL"


def test_a_read_that_fails_is_told_from_bad_content(tmp_path: Path) -> None:
    path = tmp_path / "media"
    path.write_bytes(b"x" * 200)
    descriptor = opened(path)
    file = SourceFile(descriptor)
    file.raise_failure()
    os.close(descriptor)
    with pytest.raises(OSError, match="descriptor"):
        file.read(1)
    with pytest.raises(MediaError) as caught:
        file.raise_failure()
    assert caught.value.reason == "FETCH_FAILED"


@pytest.mark.parametrize(
    ("head", "declared_bytes"),
    [
        (b"RIFF\xf8\x03\x00\x00WAVE", 1024),
        (b"RIFF\xff\xff\xff\xffWAVE", 0),
        (b"RIFF\xf8\x03\x00\x00AVI ", 0),
        (b"fLaC\xf8\x03\x00\x00WAVE", 0),
    ],
)
def test_only_a_wav_header_tells_the_size(tmp_path: Path, head: bytes, declared_bytes: int) -> None:
    path = tmp_path / "media"
    path.write_bytes(head + b"x" * 200)
    file = SourceFile(opened(path))
    assert file.declared_bytes == declared_bytes
