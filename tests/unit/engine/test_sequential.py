"""When a window that is heard in sequence counts as silent."""

from __future__ import annotations

import pytest

from batchscribe_engine.inference.hypothesis import TimedHypothesis
from batchscribe_engine.inference.sequential import is_silent
from batchscribe_engine.messages import DecodeOptions


@pytest.mark.parametrize(
    ("no_speech_prob", "avg_log_prob", "silent"),
    [(0.7, -1.2, True), (0.7, -1.0, True), (0.7, -0.9, False), (0.6, -1.2, False), (0.1, -3.0, False)],
)
def test_a_window_is_silent_where_the_model_thinks_so_and_is_unsure_of_its_text(
    no_speech_prob: float, avg_log_prob: float, silent: bool
) -> None:
    hypothesis = TimedHypothesis((1, 2), avg_log_prob, no_speech_prob, 0.0, 1.0)
    assert is_silent(hypothesis, DecodeOptions()) is silent
