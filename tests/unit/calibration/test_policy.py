"""Which margin is chosen for what figures."""

from __future__ import annotations

import msgspec
import pytest

from batchscribe_engine.calibration.policy import (
    MAX_EXTRA_DOUBTED,
    MIN_SEGMENTS,
    MIN_SPEECH_S,
    TOLERANCE,
    TOLERANCE_OF_CHANGE,
    chosen_margin_s,
)
from tests.calibrations import FULL_WINDOWS, harmless, measured


def test_of_margins_that_do_no_harm_the_cheapest_is_taken() -> None:
    assert chosen_margin_s(measured([harmless(1.0), harmless(2.0), harmless(4.0)])) == 1.0
    dear = harmless(1.0, cost=0.2)
    assert chosen_margin_s(measured([dear, harmless(2.0), harmless(4.0)])) == 2.0


def test_a_margin_that_makes_more_errors_than_full_windows_is_not_taken() -> None:
    worse = harmless(1.0, checked_error=FULL_WINDOWS.checked_error + TOLERANCE + 0.001)
    assert chosen_margin_s(measured([worse, harmless(2.0)])) == 2.0
    assert chosen_margin_s(measured([worse])) is None
    hardly_worse = harmless(1.0, checked_error=FULL_WINDOWS.checked_error + TOLERANCE - 0.001)
    assert chosen_margin_s(measured([hardly_worse, harmless(2.0)])) == 1.0


def test_what_lies_below_a_margin_that_fails_is_not_looked_at() -> None:
    worse = harmless(2.0, checked_error=0.2)
    assert chosen_margin_s(measured([harmless(1.0), worse, harmless(4.0)])) == 4.0
    assert chosen_margin_s(measured([harmless(1.0), harmless(2.0), harmless(4.0, checked_error=0.2)])) is None


def test_the_order_of_the_figures_does_not_matter() -> None:
    worse = harmless(2.0, checked_error=0.2)
    assert chosen_margin_s(measured([harmless(4.0), harmless(1.0), worse])) == 4.0


def test_a_margin_that_lives_on_second_decodings_is_not_taken() -> None:
    doubted = harmless(1.0, doubted=0.02 + MAX_EXTRA_DOUBTED + 0.01)
    assert chosen_margin_s(measured([doubted, harmless(2.0)])) == 2.0
    # Speech of bad quality is doubted whatever the margin.
    assert chosen_margin_s(measured([harmless(1.0, doubted=0.6), harmless(2.0, doubted=0.55)])) == 1.0


def test_margins_that_save_nothing_are_not_taken() -> None:
    assert chosen_margin_s(measured([harmless(1.0, cost=0.31), harmless(2.0, cost=0.3)])) is None


def test_without_references_words_that_changed_count_as_wrong() -> None:
    full = msgspec.structs.replace(FULL_WINDOWS, raw_error=0.0, checked_error=0.0)
    changed = harmless(1.0, checked_error=0.0, changed=TOLERANCE_OF_CHANGE + 0.001)
    figures = [changed, harmless(2.0, checked_error=0.0, changed=TOLERANCE_OF_CHANGE)]
    assert chosen_margin_s(measured(figures, has_references=False, full=full)) == 2.0
    # With references it is the errors that count.
    assert chosen_margin_s(measured(figures, has_references=True, full=full)) == 1.0


@pytest.mark.parametrize(("segments", "speech_s"), [(MIN_SEGMENTS - 1, 600.0), (100, MIN_SPEECH_S - 1)])
def test_too_little_speech_shows_nothing(segments: int, speech_s: float) -> None:
    assert chosen_margin_s(measured([harmless(2.0)], segments=segments, speech_s=speech_s)) is None
    assert chosen_margin_s(measured([harmless(2.0)], segments=MIN_SEGMENTS, speech_s=MIN_SPEECH_S)) == 2.0


def test_nothing_measured_is_full_windows() -> None:
    assert chosen_margin_s(measured([])) is None
