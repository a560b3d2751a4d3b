"""When a window that is heard in sequence counts as silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.hypothesis import TimedHypothesis, TimedTokens
from batchscribe_engine.inference.sequential import is_silent, transcribe_window
from batchscribe_engine.messages import (
    DecodeOptions,
    InferWindow,
    ModelSpec,
    SlotSpan,
    WindowResult,
    WindowTask,
    Word,
)
from tests.speech import RATE_HZ

if TYPE_CHECKING:
    import numpy.typing as npt


@pytest.mark.parametrize(
    ("no_speech_prob", "avg_log_prob", "silent"),
    [(0.7, -1.2, True), (0.7, -1.0, True), (0.7, -0.9, False), (0.6, -1.2, False), (0.1, -3.0, False)],
)
def test_a_window_is_silent_where_the_model_thinks_so_and_is_unsure_of_its_text(
    no_speech_prob: float, avg_log_prob: float, silent: bool
) -> None:
    hypothesis = TimedHypothesis((1, 2), avg_log_prob, no_speech_prob, 0.0, 1.0)
    assert is_silent(hypothesis, DecodeOptions()) is silent


class ScriptedWhisper:
    """A model that says certain passages, whatever it is asked about."""

    is_multilingual = False

    def __init__(self, *passages: TimedTokens) -> None:
        self._passages = list(passages)

    def window_features(self, samples: npt.NDArray[np.int16], **_: Any) -> tuple[npt.NDArray[np.float32], float]:
        return np.zeros((80, 3000), dtype=np.float32), 1.0

    def passages(self, *_: Any, start_frame: int, **__: Any) -> tuple[list[TimedTokens], int, float]:
        return self._passages, start_frame + 3000, self._passages[-1].end_s

    def generate_in_sequence(self, *_: Any) -> TimedHypothesis:
        return TimedHypothesis((1, 2), -0.1, 0.0, 0.0, 1.0)

    def encode(self, *_: Any) -> None: ...

    def tokenizer(self, *_: Any) -> None: ...

    def prompt_in_sequence(self, *_: Any) -> None: ...


def said(text: str, start_s: float, end_s: float) -> TimedTokens:
    word = Word(f" {text}", round(1000 * start_s), round(1000 * end_s), 0.9)
    return TimedTokens((round(start_s),), f" {text}", start_s, end_s, (word,))


def heard(seconds: float, whisper: ScriptedWhisper) -> WindowResult:
    """What is made of a window of so many seconds of noise that begins at 60 s."""
    arena = Arena.create(1)
    try:
        samples = np.full(round(seconds * RATE_HZ), 1000, dtype=np.int16)
        arena.write(0, 1, samples)
        frames = samples.size // (RATE_HZ // 100)
        task = WindowTask(7, (SlotSpan(0, 1, 0, samples.size),), 6000, 0, frames, at_end=True)
        return transcribe_window(InferWindow(1, ModelSpec("m", ""), DecodeOptions(), task), arena, whisper)  # type: ignore[arg-type]
    finally:
        arena.close()


def test_what_is_timed_after_the_windows_sound_is_cut_or_no_speech() -> None:
    result = heard(10, ScriptedWhisper(said("Yes.", 68, 71.5), said("And so on.", 72, 74)))

    (passage,) = result.passages
    assert (passage.text, passage.start_ms, passage.end_ms) == ("Yes.", 68_000, 70_000)
    assert [(word.start_ms, word.end_ms) for word in passage.words] == [(68_000, 70_000)]
    assert result.text == "Yes."
    assert result.context is not None
    assert (result.context.tokens, result.context.spoken_until_s) == ((68,), 70.0)


def test_marks_alone_are_no_speech() -> None:
    result = heard(10, ScriptedWhisper(said("...", 60, 62), said("\N{EIGHTH NOTE}", 62, 64), said("Yes.", 64, 66)))
    assert result.text == "Yes."
    assert [passage.text for passage in result.passages] == ["Yes."]
