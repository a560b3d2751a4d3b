"""Text that a model gives where nobody speaks: out of its hints, or for a moment of sound. Its answers are scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.inference.whisper import Device, Encoded, Whisper
from batchscribe_engine.inference.windows import FRAMES_PER_POSITION, FULL_WINDOW_FRAMES
from batchscribe_engine.messages import DecodeOptions, InferBatch, ModelSpec, SegmentResult, SegmentTask

PROMPT = DecodeOptions(initial_prompt="Thank you for calling Acme Support.")
Answer = Callable[[bool, bool], tuple[str, float, float]]


class ScriptedWhisper(Whisper):
    """Answers by `answer`: the text, its log probability and that of no speech, by whether there are hints and whether
    the window is full.
    """

    answer: Answer

    def generate(self, encoded: Encoded, prompts: Any, tokenizer: Any, *_: Any, **options: Any) -> list[Hypothesis]:
        is_full = encoded.view.shape[1] * FRAMES_PER_POSITION == FULL_WINDOW_FRAMES
        answers = [type(self).answer(tokenizer.sot_prev in prompt, is_full) for prompt in prompts]
        return [
            Hypothesis(tuple(tokenizer.encode(text)), text, log_prob, no_speech, options["temperature"])
            for text, log_prob, no_speech in answers
        ]


@pytest.fixture(scope="module")
def whisper(tiny_en_folder: Path) -> Iterator[ScriptedWhisper]:
    model = ScriptedWhisper.load(str(tiny_en_folder), Device.choose("cpu", "auto"), workers=1, threads=1)
    yield model
    model.close()


@pytest.fixture
def heard(
    whisper: ScriptedWhisper, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Answer, DecodeOptions, float], SegmentResult]:
    def of(answer: Answer, options: DecodeOptions, length_s: float) -> SegmentResult:
        monkeypatch.setattr(ScriptedWhisper, "answer", staticmethod(answer), raising=False)
        samples = np.random.default_rng(3).normal(0, 900, round(length_s * 16_000)).astype(np.int16)
        arena = Arena.create(1)
        try:
            arena.write(0, 1, samples)
            task = SegmentTask(5, 0, 1, samples.size, "en")
            (result,) = transcribe(InferBatch(1, ModelSpec("m", "", 2.0), options, (task,)), arena, whisper)
            return result
        finally:
            arena.close()

    return of


Heard = Callable[[Answer, DecodeOptions, float], SegmentResult]


@pytest.mark.parametrize(
    ("options", "text"),
    [(PROMPT, "Thank you."), (DecodeOptions(hotwords="Acme Support"), "acme support"), (PROMPT, "For calling")],
)
@pytest.mark.parametrize(("log_prob", "no_speech_prob"), [(-0.6, 0.75), (-0.9, 0.3), (-0.2, 0.5)])
def test_text_of_the_hints_is_dropped_where_nothing_is_heard_without_them(
    heard: Heard, options: DecodeOptions, text: str, log_prob: float, no_speech_prob: float
) -> None:
    result = heard(lambda hinted, _: (text, log_prob, no_speech_prob) if hinted else ("you", -1.5, 0.75), options, 2.0)
    assert (result.text, result.words) == ("", ())
    assert [fault for _, fault in result.doubts if fault == "repeats_hints"]


@pytest.mark.parametrize(
    ("hinted_text", "log_prob", "no_speech_prob", "plain"),
    [
        ("Acme Support.", -0.9, 0.3, ("Akme support.", -0.8, 0.3)),  # said, and spelt as the hint has it
        ("Thank you.", -0.3, 0.05, ("", -3.0, 0.99)),  # nothing speaks against it
        ("Goodbye.", -0.9, 0.5, ("", -3.0, 0.99)),  # no hint holds it
    ],
)
def test_what_may_have_been_said_is_kept(
    heard: Heard, hinted_text: str, log_prob: float, no_speech_prob: float, plain: tuple[str, float, float]
) -> None:
    result = heard(lambda hinted, _: (hinted_text, log_prob, no_speech_prob) if hinted else plain, PROMPT, 2.0)
    assert result.text == hinted_text
    assert "repeats_hints" not in [fault for _, fault in result.doubts]


def test_doubtful_text_of_two_short_windows_is_settled_in_a_full_one(heard: Heard) -> None:
    result = heard(lambda _, full: ("Oh", -1.8, 0.78) if full else ("Oh.", -0.86, 0.7), DecodeOptions(), 0.5)
    assert (result.text, result.decoding) == ("", "full")


def test_marks_alone_are_no_text(heard: Heard) -> None:
    result = heard(lambda *_: ("...", -0.1, 0.1), DecodeOptions(), 0.5)
    assert (result.text, result.doubts) == ("", (("short", "silence"),))
