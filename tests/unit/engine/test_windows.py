import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.inference.windows import (
    neighbours,
    padded_with_quiet,
    portions,
    stack,
    token_limit,
    window_frames,
)

RATE_HZ = 16_000


@pytest.mark.parametrize(
    ("seconds", "margin_s", "frames"),
    [
        (4.0, 1.0, 500),
        (4.0, 0.0, 400),
        (4.003, 1.0, 502),  # a part of a frame is a frame, and the number is even
        (29.5, 2.0, 3000),
        (4.0, None, 3000),
        (0.0, 0.5, 50),
    ],
)
def test_window_is_the_segment_and_its_margin(seconds: float, margin_s: float | None, frames: int) -> None:
    assert window_frames(round(seconds * RATE_HZ), margin_s) == frames


@given(st.integers(0, 30 * RATE_HZ), st.floats(0, 30))
def test_windows_are_even_and_hold_the_segment(samples: int, margin_s: float) -> None:
    frames = window_frames(samples, margin_s)
    assert frames % 2 == 0
    assert samples <= frames * 160 <= 30 * RATE_HZ


def test_stack_pads_with_silence_80_db_below_the_peak() -> None:
    loud = np.full((2, 3), 1.5, dtype=np.float32)
    silent = np.full((2, 1), -1.5, dtype=np.float32)
    stacked = stack([loud, silent], 4)
    assert stacked.shape == (2, 2, 4)
    np.testing.assert_array_equal(stacked[0, 0], [1.5, 1.5, 1.5, -0.5])
    np.testing.assert_array_equal(stacked[1], np.full((2, 4), -1.5))


def test_stack_cuts_what_exceeds_the_window() -> None:
    assert stack([np.zeros((2, 9), dtype=np.float32)], 4).shape == (1, 2, 4)


def test_token_limit_grows_with_the_segment_up_to_the_models() -> None:
    assert token_limit(RATE_HZ, "") < token_limit(5 * RATE_HZ, "") < token_limit(30 * RATE_HZ, "") == 224


def test_english_is_known_to_take_few_tokens() -> None:
    assert 6 * 10 < token_limit(10 * RATE_HZ, "en") < token_limit(10 * RATE_HZ, "th")


@given(st.lists(st.integers(2, 3000), max_size=40), st.integers(1, 20_000))
def test_portions_hold_every_window_once_and_bound_the_frames(frames: list[int], max_frames: int) -> None:
    divided = portions(frames, max_frames)
    assert sorted(index for portion in divided for index in portion) == list(range(len(frames)))
    for portion in divided:
        longest = max(frames[index] for index in portion)
        assert longest == frames[portion[0]]
        assert len(portion) == 1 or len(portion) * longest <= max_frames


def test_portions_are_about_equally_large() -> None:
    assert [len(portion) for portion in portions([1000] * 9, 8000)] == [5, 4]


@given(st.lists(st.integers(2, 3000), min_size=1, max_size=40), st.integers(1, 20_000))
def test_neighbours_keep_the_order_and_bound_the_frames(frames: list[int], max_frames: int) -> None:
    runs = neighbours(frames, max_frames)
    assert [length for run in runs for length in frames[run]] == frames
    for run in runs:
        assert len(frames[run]) == 1 or len(frames[run]) * max(frames[run]) <= max_frames


def test_neighbours_share_a_call_as_far_as_they_fit() -> None:
    assert neighbours([400, 500, 400], 1200) == [slice(0, 2), slice(2, 3)]


def test_a_shorter_output_goes_on_with_the_quiet_after_its_speech() -> None:
    speech, quiet, edge = 1.0, 2.0, 3.0
    positions = np.array([speech] * 10 + [quiet] * 15 + [edge] * 5, dtype=np.float32)
    even = padded_with_quiet([positions[:, np.newaxis], np.zeros((100, 1), dtype=np.float32)], [20, 150])
    assert even.shape == (2, 100, 1)
    np.testing.assert_array_equal(even[0, :30, 0], positions)
    np.testing.assert_array_equal(even[0, 30:, 0], np.full(70, quiet))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 100))
def test_outputs_of_any_length_can_be_padded(positions: list[int], content: int) -> None:
    outputs = [np.full((length, 3), length, dtype=np.float32) for length in positions]
    even = padded_with_quiet(outputs, [content] * len(outputs))
    assert even.shape == (len(positions), max(positions), 3)
    for row, length in zip(even, positions, strict=True):
        np.testing.assert_array_equal(row, np.full_like(row, length))
