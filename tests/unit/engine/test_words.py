import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.inference.words import Alignment, quiet_frames, timed_words, without_pauses
from batchscribe_engine.messages import Word

LOUD = np.zeros(3000, dtype=np.bool_)


def path(*first_frames: int) -> list[tuple[int, int]]:
    """A warping path in which each token begins at its frame; the last is the end of the text."""
    ends = (*first_frames[1:], first_frames[-1] + 1)
    return [
        (token, frame)
        for token, (start, end) in enumerate(zip(first_frames, ends, strict=True))
        for frame in range(start, max(end, start + 1))
    ]


def test_words_take_their_tokens_times_and_mean_probability() -> None:
    alignment = Alignment(path(0, 10, 15, 30), [0.9, 0.6, 0.8])
    assert timed_words([" Good", " morning"], [[1], [2, 3]], alignment, LOUD, 2000) == (
        Word("Good", 0, 200, 0.9),
        Word("morning", 200, 600, 0.7),
    )


def test_punctuation_joins_the_word_it_belongs_to() -> None:
    alignment = Alignment(path(0, 5, 10, 15, 20, 25, 30, 35), [1.0] * 7)
    words = timed_words(
        [" He", " said", ",", ' "', "yes", ".", '"'], [[1], [2], [3], [4], [5], [6], [7]], alignment, LOUD, 2000
    )
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("He", 0, 100),
        ("said,", 100, 200),
        ('"yes."', 400, 500),
    ]


def test_times_end_with_the_segment() -> None:
    alignment = Alignment(path(0, 40, 60), [1.0, 1.0])
    assert [(word.start_ms, word.end_ms) for word in timed_words([" a", " b"], [[1], [2]], alignment, LOUD, 900)] == [
        (0, 800),
        (800, 900),
    ]


def test_a_text_without_words_has_none() -> None:
    assert timed_words([], [], Alignment([(0, 0)], []), LOUD, 900) == ()


@given(st.lists(st.integers(0, 80), min_size=2, max_size=20), st.integers(0, 2000))
def test_times_never_run_backwards_nor_leave_the_segment(frames: list[int], length_ms: int) -> None:
    frames = sorted(frames)
    words = timed_words(
        [f" w{number}" for number in range(len(frames) - 1)],
        [[number] for number in range(len(frames) - 1)],
        Alignment(path(*frames), [0.5] * (len(frames) - 1)),
        LOUD,
        length_ms,
    )
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert len(words) == len(frames) - 1
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= length_ms


@pytest.mark.parametrize(
    ("quiet", "start_ms", "end_ms"),
    [
        (slice(0, 0), 0, 1000),
        (slice(0, 15), 0, 1000),  # too short for a pause
        (slice(0, 60), 550, 1000),
        (slice(70, 100), 0, 750),
        (slice(20, 80), 0, 1000),  # within the word
        (slice(0, 100), 0, 1000),  # nothing tells where the word is
    ],
)
def test_a_pause_is_taken_off_a_words_ends(quiet: slice, start_ms: int, end_ms: int) -> None:
    frames = np.zeros(120, dtype=np.bool_)
    frames[quiet] = True
    assert without_pauses(0, 1000, frames) == (start_ms, end_ms)


def test_quiet_is_40_db_below_the_peak() -> None:
    mel = np.array([[1.2, 0.3, -0.7], [0.0, -0.7, 0.25]], dtype=np.float32)
    np.testing.assert_array_equal(quiet_frames(mel), [False, False, False])
    mel[1, 2] = 0.1
    np.testing.assert_array_equal(quiet_frames(mel), [False, False, True])
