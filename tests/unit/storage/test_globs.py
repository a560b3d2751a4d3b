"""Which files below a prefix are taken."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcmatch import glob

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.globs import GlobError, compiled
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


def test_matching_never_goes_back() -> None:
    # Backtracking engines need hours for each of these, on a path that does not match.
    deep, flat = "d/" * 60 + "a.wav", "a" * 1_000
    hostile = [["**/*/" * 14 + "Z"], ["**/*a*/" * 100 + "Z"], ["*a" * 500 + "b"], ["?*" * 300 + "b"]]
    started_s = time.thread_time()
    for globs in hostile:
        selection = Selection(globs, globs)
        assert not any(selection.takes(path) for path in (deep, flat))
        assert all(map(selection.enters, (deep, flat)))
    assert time.thread_time() - started_s < 5


_PIECES = (
    *("a", "b", "é", ".", "-", "]", "!", "/", "*", "**", "?", "**/", "/**", "*/", "*.", r"\*", r"\."),
    *("{a,b}", "{a,*/b}", "[ab]", "[!a]", "[a-b.]", "[!.]", "[.]", "[[:alpha:]]", "[z-a]", "[]a]", "[a-]", "{a"),
)
_GLOBS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join).filter(lambda glob: glob[0] != "/")
_NAMES = st.text("ab.*é-]", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
_PATHS = st.builds(
    "{}{}".format, st.lists(_NAMES, min_size=1, max_size=4).map("/".join), st.sampled_from(["", "", "", "/"])
)


@settings(max_examples=1_500, deadline=None)
@given(st.lists(_GLOBS, min_size=1, max_size=2), st.lists(_PATHS, min_size=5, max_size=10), st.booleans())
def test_globs_mean_what_they_mean_to_wcmatch(globs: list[str], paths: list[str], hidden: bool) -> None:
    flags = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX | (glob.DOTGLOB if hidden else 0)
    theirs, ours = glob.compile(globs, flags=flags), compiled(globs, hidden=hidden)
    assert [ours.fullmatch(path) is not None for path in paths] == [theirs.match(path) for path in paths]


@pytest.mark.parametrize(
    ("globs", "problem"),
    [
        (["{a,b}" * 20], "more than 1000 patterns"),
        (["{1..100000}.wav"], "more than 1000 patterns"),
        (["{" * 1_000], "braces inside each other"),
        (["?" * 1_000] * 21, "more than 1000 patterns or 20000 characters"),
        (["**/" * 333] * 20, "too complex"),
    ],
)
def test_globs_that_cost_too_much_are_refused(globs: list[str], problem: str) -> None:
    with pytest.raises(GlobError, match=problem):
        compiled(globs, hidden=True)


def test_globs_that_stand_for_too_many_patterns_end_the_scan_in_plain_words() -> None:
    with pytest.raises(JobFailure) as failure:
        Selection(["{1..100000}.wav"], ())
    assert failure.value.reason is Reason.SCAN_FAILED
