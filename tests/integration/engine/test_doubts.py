"""The doubts that come with each result: which checks fired on which attempt, on real speech and a real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.whisper import Device, Whisper
from batchscribe_engine.messages import DecodeOptions, InferBatch, ModelSpec, SegmentResult, SegmentTask
from tests.looping_whisper import LoopingWhisper
from tests.many_files import UTTERANCES
from tests.speech import read_wav, spoken

GREEDY = DecodeOptions(temperatures=(0.0,))


@pytest.fixture(scope="module")
def whisper(tiny_en_folder: Path) -> Iterator[LoopingWhisper]:
    model = LoopingWhisper.load(str(tiny_en_folder), Device.choose("cpu", "auto"), workers=1, threads=2)
    yield model
    model.close()


def heard(whisper: Whisper, segments: list[np.ndarray], options: DecodeOptions, margin_s: float | None):
    arena = Arena.create(len(segments))
    try:
        for slot, samples in enumerate(segments):
            arena.write(slot, 1, samples)
        tasks = tuple(SegmentTask(slot, slot, 1, samples.size, "en") for slot, samples in enumerate(segments))
        batch = InferBatch(1, ModelSpec("tiny.en", "", margin_s), options, tasks)
        return transcribe(batch, arena, whisper)
    finally:
        arena.close()


def doubted(result: SegmentResult, decoding: str) -> set[str]:
    return {fault for attempt, fault in result.doubts if attempt == decoding}


def test_a_result_of_a_longer_window_tells_what_spoke_against_the_short_one(
    whisper: LoopingWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "loops_below_s", 8.0)
    monkeypatch.setattr(whisper, "loops_in", "newspaper")
    results = heard(whisper, [read_wav(spoken(text)) for text in UTTERANCES], GREEDY, margin_s=4.0)

    looped = ["newspaper" in text for text in UTTERANCES]
    assert [result.decoding for result in results] == ["long" if each else "short" for each in looped]
    assert [doubted(result, "short") >= {"repetitive"} for result in results] == looped
    assert [doubted(result, result.decoding) for result in results] == [set()] * len(UTTERANCES)


def test_attempts_that_convince_nobody_each_leave_their_doubts(whisper: Whisper) -> None:
    # No text is so probable, and none so silent: all three temperatures are tried.
    strict = DecodeOptions(temperatures=(0.0, 0.4, 0.8), log_prob_threshold=-1e-9, no_speech_threshold=2.0)
    (result,) = heard(whisper, [read_wav(spoken(UTTERANCES[0]))], strict, margin_s=4.0)

    attempts = [attempt for attempt, fault in result.doubts if fault == "improbable"]
    assert attempts[0] == "short"
    assert attempts[-3:] == ["full", "fallback", "fallback"]


def test_text_that_is_dropped_as_silence_is_told_and_digital_silence_is_not_decoded(whisper: Whisper) -> None:
    quiet = np.random.default_rng(7).normal(0, 30, 3 * 16_000).astype(np.int16)
    digital = np.zeros(16_000, dtype=np.int16)
    # Whatever the model says, it counts as silence.
    options = DecodeOptions(temperatures=(0.0,), no_speech_threshold=-1.0, log_prob_threshold=0.0)
    noise, nothing = heard(whisper, [quiet, digital], options, margin_s=None)

    assert (noise.text, noise.decoding) == ("", "full")
    assert doubted(noise, "full") >= {"silence", "improbable"}
    assert (nothing.text, nothing.decoding, nothing.doubts) == ("", "none", ())
