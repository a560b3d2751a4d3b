"""Which files below a prefix are taken."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.storage.globs import Selection


@pytest.mark.parametrize(
    "path", ["a.wav", "x/y/b.MP3", "call", "2026-01-31 12.30", "x/c.opus", "talk.mp4", "odd.suffix", "a.txt.wav"]
)
def test_what_may_be_audio_is_taken_by_default(path: str) -> None:
    assert Selection((), ()).takes(path)


@pytest.mark.parametrize("path", ["a.txt", "a.wav.json", "x/a.wav.notice", "x/cover.JPG", ".DS_Store", "x/._a.wav"])
def test_what_is_surely_no_audio_is_left_out_by_default(path: str) -> None:
    assert not Selection((), ()).takes(path)


@pytest.mark.parametrize(
    ("glob", "path", "taken"),
    [
        ("*.wav", "a.wav", True),
        ("*.wav", "x/a.wav", False),
        ("**/*.wav", "a.wav", True),
        ("**/*.wav", "x/y/a.wav", True),
        ("**/*.wav", "x/y/a.mp3", False),
        ("**/*.{wav,mp3}", "x/a.mp3", True),
        ("calls/**", "calls/x/a.wav", True),
        ("calls/**", "other/a.wav", False),
        ("**/*.dat.json", "x/a.dat.json", True),
        ("**/*.wav", "x/._a.wav", False),
        ("**/.*.wav", "x/._a.wav", True),
    ],
)
def test_include_globs_say_exactly_what_is_taken(glob: str, path: str, taken: bool) -> None:
    assert Selection([glob], ()).takes(path) is taken


def test_exclude_globs_outweigh_include_globs() -> None:
    selection = Selection(["**/*.wav"], ["**/draft*", "old/**"])
    assert selection.takes("x/a.wav")
    assert not selection.takes("x/draft1.wav")
    assert not selection.takes("old/x/a.wav")


def test_folders_excluded_with_all_below_are_not_entered() -> None:
    selection = Selection((), ["old/**", "**/tmp/**", "new/*"])
    assert [folder for folder in ("old", "x/tmp", "new", "x") if selection.enters(folder)] == ["new", "x"]


def test_hidden_folders_are_entered_only_where_a_glob_names_them() -> None:
    assert not Selection(["**/*.wav"], ()).enters("x/.trash")
    assert Selection([".calls/*.wav"], ()).enters(".calls")


def test_globs_that_stand_for_too_many_patterns_end_the_scan_in_plain_words() -> None:
    with pytest.raises(JobFailure) as failure:
        Selection(["{1..100000}.wav"], ())
    assert failure.value.reason is Reason.SCAN_FAILED
