"""A model that stops where another voice begins: the rest of the segment is heard all the same, by a real model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.inference.whisper import Device, Whisper
from batchscribe_engine.messages import DecodeOptions, InferBatch, ModelSpec, SegmentResult, SegmentTask
from tests.speech import RATE_HZ, read_wav, silence, spoken

FIRST = "Please send the report to the office before Friday afternoon."
SECOND = "We walked along the river until the sun went down, and then we took the last train home."
PAUSE_S = 0.5


class StopsEarly(Whisper):
    """Ends its text after the first sentence, as tiny.en does now and then where voices change."""

    def generate(self, *arguments: Any, **options: Any) -> list[Hypothesis]:
        return [self._stopped(guess) for guess in super().generate(*arguments, **options)]

    def _stopped(self, guess: Hypothesis) -> Hypothesis:
        if not guess.text.startswith(FIRST):
            return guess
        said = tuple(self.tokenizer("en", "transcribe").encode(f" {FIRST}"))
        return replace(guess, tokens=said, text=FIRST)


@pytest.fixture(scope="module", params=[Whisper, StopsEarly], ids=["goes on", "stops early"])
def whisper(request: pytest.FixtureRequest, tiny_en_folder: Path) -> Iterator[Whisper]:
    model: Whisper = request.param.load(str(tiny_en_folder), Device.choose("cpu", "auto"), workers=1, threads=2)
    yield model
    model.close()


def heard(whisper: Whisper, *, word_times: bool, margin_s: float | None = 4.0) -> SegmentResult:
    samples = np.concatenate([read_wav(spoken(FIRST)), silence(PAUSE_S), read_wav(spoken(SECOND))])
    arena = Arena.create(1)
    try:
        arena.write(0, 1, samples)
        task = SegmentTask(5, 0, 1, samples.size)
        options = DecodeOptions(word_times=word_times)
        (result,) = transcribe(InferBatch(1, ModelSpec("tiny.en", "", margin_s), options, (task,)), arena, whisper)
        return result
    finally:
        arena.close()


@pytest.mark.parametrize("margin_s", [4.0, None])
def test_all_that_was_said_is_in_the_text(whisper: Whisper, margin_s: float | None) -> None:
    result = heard(whisper, word_times=False, margin_s=margin_s)

    assert (result.segment_id, result.text, result.words) == (5, f"{FIRST} {SECOND}", ())
    stopped = [fault for _, fault in result.doubts if fault == "stopped_early"]
    assert len(stopped) == isinstance(whisper, StopsEarly)


def test_its_words_are_where_they_are_said(whisper: Whisper) -> None:
    result = heard(whisper, word_times=True)
    second_ms = 1000 * read_wav(spoken(FIRST)).size // RATE_HZ + round(1000 * PAUSE_S)

    assert [word.text for word in result.words] == f"{FIRST} {SECOND}".split()
    assert abs(result.words[len(FIRST.split())].start_ms - second_ms) < 300
