"""Speech that a plain reading of a file would lose, and that nobody would miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from batchscribe_engine.messages import MediaFinished
from tests.media_files import ENCODINGS, encoded
from tests.speech import read_wav, silence, spoken, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "The quick brown fox jumps over the lazy dog."


def with_tracks(path: Path, *sounds: np.ndarray[Any, np.dtype[np.int16]]) -> Path:
    """A Matroska file with these sounds, each a track of its own."""
    with av.open(str(path), "w", format="matroska") as container:
        streams = [container.add_stream("flac", rate=16_000, layout="mono") for _ in sounds]
        for stream, sound in zip(streams, sounds, strict=True):
            for start in range(0, sound.size, 1_600):
                frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1_600], format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_channels_of_opposite_phase_are_not_lost(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = encoded(spoken(TEXT), tmp_path, ENCODINGS["wav-stereo"], weights=(1.0, -1.0))
    assert run_task(path).last.segments == 1


@pytest.mark.parametrize("silent_first", [True, False])
def test_of_two_tracks_that_with_sound_is_read(
    run_task: Callable[..., Any], tmp_path: Path, silent_first: bool
) -> None:
    speech = read_wav(spoken(TEXT))
    tracks = (np.zeros_like(speech), speech) if silent_first else (speech, np.zeros_like(speech))
    last = run_task(with_tracks(tmp_path / "two.mkv", *tracks)).last
    assert last.segments == 1
    assert f"2 sound tracks, of which only number {1 + silent_first}" in last.warning


def test_tracks_that_are_all_silent_have_no_speech(run_task: Callable[..., Any], tmp_path: Path) -> None:
    last = run_task(with_tracks(tmp_path / "two.mkv", silence(2.0), silence(2.0))).last
    assert isinstance(last, MediaFinished)
    assert (last.segments, last.duration_ms) == (0, 2_000)


def test_sound_without_speech_is_told_of(run_task: Callable[..., Any], tmp_path: Path) -> None:
    hiss = np.random.default_rng(1).normal(0, 30, 32_000).astype(np.int16)
    assert "but there is sound" in run_task(write_wav(tmp_path / "hiss.wav", hiss)).last.warning
    assert run_task(write_wav(tmp_path / "silent.wav", silence(2.0))).last.warning == ""
