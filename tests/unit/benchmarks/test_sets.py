"""The files that benchmarks measure, made of a few recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.recordings import Recording, read_references
from benchmarks.sets import Sizes, build_set, joined
from tests.speech import RATE_HZ, duration_s, read_wav, write_wav

LENGTHS_S = {"one": 1.0, "two": 2.0, "three": 3.0}


def recording(folder: Path, text: str, length_s: float, level: int = 1000) -> Recording:
    path = write_wav(folder / f"{text}.wav", np.full(round(length_s * RATE_HZ), level, dtype=np.int16))
    return Recording(path, text, length_s)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    return [recording(tmp_path / "spoken", text, length_s) for text, length_s in LENGTHS_S.items()]


def test_only_mono_recordings_are_read(tmp_path: Path, recordings: list[Recording]) -> None:
    folder = recordings[0].path.parent
    rows = ["file\tchannel\ttext", 'one.wav\tmono\tsaid "one"', "two.wav\tleft\ttwo", "three.wav\tmono\tthree"]
    (folder / "references.tsv").write_text("\n".join(rows) + "\n")

    read = read_references(folder)

    assert [(each.path.name, each.text) for each in read] == [("one.wav", 'said "one"'), ("three.wav", "three")]
    assert [each.duration_s for each in read] == [pytest.approx(1.0), pytest.approx(3.0)]


def test_a_folder_without_mono_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "references.tsv").write_text("file\tchannel\ttext\na.wav\tleft\ta\n")

    with pytest.raises(ValueError, match="no mono recording"):
        read_references(tmp_path)


def test_short_files_are_the_recordings_in_turn_under_names_of_their_own(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    made = build_set("short", recordings, Sizes(short_files=7), tmp_path / "made")

    assert [each.text for each in made.recordings] == ["one", "two", "three", "one", "two", "three", "one"]
    assert len({each.path for each in made.recordings}) == 7
    assert all(duration_s(each.path) == LENGTHS_S[each.text] for each in made.recordings)
    assert made.audio_s == pytest.approx(13.0)
    assert made.warm_up == recordings[0].path


def test_a_long_file_says_what_its_reference_says(tmp_path: Path) -> None:
    levels = {"low": 1000, "middle": 5000, "high": 9000}
    spoken = [recording(tmp_path / "spoken", text, 1.0, level) for text, level in levels.items()]

    long = joined(spoken, 0.2, tmp_path / "made" / "long.wav")

    samples = read_wav(long.path)
    starts = np.flatnonzero((samples[1:] != 0) & (samples[:-1] == 0)) + 1
    heard = [samples[0], *samples[starts]]
    names = [min(levels, key=lambda text: abs(levels[text] - int(level))) for level in heard]
    pauses_s = [np.flatnonzero(samples[start - 2 * RATE_HZ : start])[-1] for start in starts if start > 2 * RATE_HZ]

    assert " ".join(names) == long.text
    assert long.duration_s >= 12.0
    assert {RATE_HZ * 0.5 <= 2 * RATE_HZ - 1 - last <= RATE_HZ * 1.5 for last in pauses_s} == {True}


def test_the_same_seed_gives_the_same_long_file_and_another_seed_another(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    one, again, other = (
        joined(recordings, 0.5, tmp_path / name / "long.wav", seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert one.path.read_bytes() == again.path.read_bytes()
    assert one.path.read_bytes() != other.path.read_bytes()


def test_a_mix_has_short_files_long_ones_and_the_recordings_between(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    call = recording(tmp_path / "spoken", "call", 30.0)

    made = build_set("mix", [*recordings, call], Sizes(short_files=4, long_minutes=0.2), tmp_path / "made")

    assert [each.text for each in made.recordings[:4]] == ["one", "two", "three", "one"]
    assert made.recordings[4].duration_s >= 12.0
    assert made.recordings[5:] == (call,)


def test_without_a_short_recording_there_is_nothing_to_make_sets_of(tmp_path: Path) -> None:
    call = recording(tmp_path / "spoken", "call", 30.0)

    with pytest.raises(ValueError, match="no recording is shorter"):
        build_set("short", [call], Sizes(), tmp_path / "made")
